"""A write-behind buffer: units of rows are accepted at once and stored in batches, so that no turn waits for a disk."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from antiphon.entities.history import Unit
from antiphon.errors import AntiphonError, Permanent, Transient
from antiphon.observe.metrics import Metrics
from antiphon.ports.store import Recorder
from antiphon.resilience.backoff import Backoff

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Receipt:
    """The unfinished units of one `write`."""

    left: int
    done: asyncio.Event = field(default_factory=asyncio.Event)


class _Entry:
    """A unit that waits."""

    __slots__ = ("receipt", "size_bytes", "unit")

    def __init__(self, unit: Unit, receipt: _Receipt | None = None) -> None:
        self.unit = unit
        self.receipt = receipt
        self.size_bytes = unit.size_bytes


class StoreWriter:
    """A bounded buffer before a `Recorder`, emptied by one task (`run`).

    While the store works and a commit takes at most ``flush_s``, a unit is on disk twice that long after `put`, 0.1 s
    by default: the most that is lost when the process is killed. While the store fails, units wait; the oldest are
    dropped only above ``capacity`` or ``capacity_bytes``. A unit that the store refuses permanently is dropped alone.
    A batch ends at ``batch`` units or, after its first, at ``batch_bytes``: one that is too large for a timeout would
    fail for ever.
    """

    def __init__(
        self,
        store: Recorder,
        *,
        capacity: int = 20_000,
        capacity_bytes: int = 64 * 2**20,
        batch: int = 500,
        batch_bytes: int = 2**20,
        flush_s: float = 0.05,
        backoff: Backoff | None = None,
        uniform: Callable[[], float] = random.random,
        metrics: Metrics | None = None,
    ) -> None:
        self._store = store
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._flush_s = flush_s
        self._backoff = backoff or Backoff(base_s=0.1, cap_s=2.0)
        self._uniform = uniform
        self._metrics = metrics or Metrics()
        self._units: deque[_Entry] = deque()
        self._writing: list[_Entry] = []
        self._held_bytes = 0
        """Size of all units that are not on disk yet."""
        self._filled = asyncio.Event()
        self._one_writer = asyncio.Lock()
        self._failures = 0
        self.dropped = 0
        """Units dropped so far."""

    @property
    def backlog(self) -> int:
        """Units that are not on disk yet."""
        return len(self._units) + len(self._writing)

    @property
    def is_failing(self) -> bool:
        """True from a failure of the store until its next successful batch."""
        return self._failures > 0

    def put(self, unit: Unit) -> None:
        """Buffer ``unit``; returns at once."""
        self._put(_Entry(unit))

    def _put(self, entry: _Entry) -> None:
        self._held_bytes += entry.size_bytes
        while self._units and (self.backlog >= self._capacity or self._held_bytes > self._capacity_bytes):
            self._drop(self._units.popleft(), "store buffer is full, oldest unit dropped")
        self._units.append(entry)
        self._filled.set()

    async def write(self, units: Sequence[Unit]) -> None:
        """Buffer ``units`` and return when they are on disk, or dropped."""
        if not units:
            return
        receipt = _Receipt(len(units))
        for unit in units:
            self._put(_Entry(unit, receipt))
        await receipt.done.wait()

    async def run(self) -> None:
        """Store buffered units until cancelled; call `drain` afterwards."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(self._flush_s)
            await self._flush()

    async def drain(self, timeout_s: float = 10.0) -> int:
        """Store all buffered units; return the number left after ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._flush()
        except TimeoutError:
            _log.error("store drain timed out, units are lost", units=self.backlog)
        return self.backlog

    async def _flush(self) -> None:
        async with self._one_writer:
            self._filled.clear()
            while self.backlog:
                self._fill()
                await self._write()

    def _fill(self) -> None:
        """Add waiting units to the batch."""
        size_bytes = sum(entry.size_bytes for entry in self._writing)
        while self._units and len(self._writing) < self._batch:
            size_bytes += self._units[0].size_bytes
            if self._writing and size_bytes > self._batch_bytes:
                break
            self._writing.append(self._units.popleft())

    def _resolve(self, entries: Sequence[_Entry]) -> None:
        """Count units as done: on disk, or dropped."""
        for entry in entries:
            self._held_bytes -= entry.size_bytes
            if entry.receipt is not None:
                entry.receipt.left -= 1
                if not entry.receipt.left:
                    entry.receipt.done.set()

    async def _write(self) -> None:
        """Store the present batch; it is kept for the next try when that fails or is cancelled."""
        try:
            await self._store.record([entry.unit for entry in self._writing])
        except Transient as error:
            await self._wait(error)
        except Permanent as error:
            await self._single_out(error)
        else:
            if self._failures:
                _log.info("store recovered", failures=self._failures)
            self._failures = 0
            self._resolve(self._writing)
            self._writing = []

    async def _wait(self, error: AntiphonError) -> None:
        self._failures += 1
        self._metrics.error("store", error.type)
        if self._failures == 1:
            _log.warning(
                "store write failed, units are buffered", error=str(error), code=error.code, units=self.backlog
            )
        await asyncio.sleep(self._backoff.delay_s(self._failures, self._uniform))

    async def _single_out(self, error: AntiphonError) -> None:
        """Halve a batch that the store refuses permanently, until the refused unit is alone."""
        self._metrics.error("store", error.type)
        if len(self._writing) > 1:
            rest = self._writing[len(self._writing) // 2 :]
            del self._writing[len(self._writing) // 2 :]
            self._units.extendleft(reversed(rest))
            await self._write()
        else:
            (refused,) = self._writing
            self._writing = []
            self._drop(refused, "unit refused by the store and dropped", code=error.code)

    def _drop(self, entry: _Entry, event: str, **why: object) -> None:
        self.dropped += 1
        self._resolve([entry])
        self._metrics.error("store", "overloaded_error")
        if self.dropped & (self.dropped - 1) == 0:  # the 1st, 2nd, 4th, 8th …: a broken store fills no log
            _log.error(event, dropped=self.dropped, **entry.unit.ids, **why)
