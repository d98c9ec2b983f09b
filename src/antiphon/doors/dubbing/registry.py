"""All streams of a gateway: assigns them to connections, and expires those without a connection."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

import structlog

from antiphon import ids
from antiphon.doors.dubbing.connection import DubbingConnection
from antiphon.doors.dubbing.driver import StreamDriver, StreamServices
from antiphon.doors.dubbing.ownership import Key, StreamLease, StreamOwnership
from antiphon.dubbing.inputs import Lost
from antiphon.dubbing.state import Rules, State
from antiphon.dubbing.stream import Stream
from antiphon.errors import ProviderUnavailable
from antiphon.observe.tasks import TrackedTasks

_MOST_KEPT = 100
"""Limit of a key's streams without a connection; above it the longest disconnected one is dropped."""

_log = structlog.get_logger(__name__)


class StreamRegistry:
    """Assigns at most one stream to a connection, and at most one connection to a stream."""

    def __init__(
        self,
        services: StreamServices,
        rules: Rules,
        ownership: StreamOwnership,
        background: TrackedTasks,
        *,
        resume_s: float,
    ) -> None:
        """A stream without a connection is kept for ``resume_s``."""
        self._services = services
        self._rules = rules
        self._ownership = ownership
        self._background = background
        self._resume_s = resume_s
        self._streams: dict[Key, StreamDriver] = {}
        self._expiries: dict[Key, asyncio.TimerHandle] = {}
        self._opening: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def count(self) -> int:
        """Count the streams that have a connection."""
        return sum(stream.listener is not None for stream in self._streams.values())

    async def run(self) -> None:
        """Renew the leases of all streams, endlessly."""
        await self._ownership.run(lambda: [one.lease for one in self._streams.values() if one.lease is not None])

    async def open(self, key: Key) -> StreamDriver:
        """Return the stream of this key, or a new one. The caller must `attach` or `abandon` it at once.

        Raises `Fenced` if another gateway claims it at the same time, and `Overloaded` if there is no room for it.
        """
        async with self._opening.setdefault(key, asyncio.Lock()):
            stream = self._streams.get(key)
            if stream is None:
                machine = Stream(State(seed=ids.token(12)), self._rules)
                stream = self._streams[key] = StreamDriver(key, machine, self._services, await self._claim(key))
        return stream

    def abandon(self, stream: StreamDriver) -> None:
        """Drop a stream that was opened and does not begin here."""
        if not stream.machine.stream_id:
            self._drop(stream.key)

    def attach(self, connection: DubbingConnection, stream: StreamDriver) -> None:
        """Assign a stream to a connection, and end the former assignment of each."""
        if (expiry := self._expiries.pop(stream.key, None)) is not None:
            expiry.cancel()
        if connection.stream is not stream:
            self.detach(connection, keep=True)
        if (other := stream.listener) is not None and other is not connection:
            _part(stream)
            other.displaced()
        if connection.closes is not None:
            connection.closes.cancel()
        connection.stream = stream
        stream.listen(connection)

    def detach(self, connection: DubbingConnection, *, keep: bool) -> None:
        """Take the stream from a connection; with ``keep``, a stream that can be resumed is kept for ``resume_s``."""
        stream, connection.stream = connection.stream, None
        if stream is None or stream.listener is not connection:
            return
        _part(stream)
        if not keep or not stream.machine.can_resume or self._resume_s <= 0:
            self._drop(stream.key)
            return
        self._expiries[stream.key] = asyncio.get_running_loop().call_later(self._resume_s, self._drop, stream.key)
        kept = [one for one in self._expiries if one[0] == connection.identity.account]
        if len(kept) > _MOST_KEPT:
            self._drop(kept[0])

    def close(self) -> None:
        """End all streams."""
        for key in list(self._streams):
            self._drop(key)

    async def _claim(self, key: Key) -> StreamLease | None:
        try:
            return await self._ownership.claim(key, self._lost)
        except ProviderUnavailable as error:  # continue without a lease: no other gateway can resume it
            _log.warning("stream claim failed", stream_id=key[1], error=str(error))
            return None

    def _drop(self, key: Key) -> None:
        """Close a stream and release its lease."""
        if (expiry := self._expiries.pop(key, None)) is not None:
            expiry.cancel()
        stream = self._streams.pop(key, None)
        if stream is not None:
            resumable = not stream.is_new and stream.machine.state.phase not in ("ending", "completed")
            stream.close()
            if stream.lease is not None:
                self._background.do(stream.lease.release(resumable=resumable))

    def _lost(self, lease: StreamLease) -> None:
        """Drop a stream that another gateway has resumed, with its connection."""
        stream = self._streams.get(lease.key)
        if stream is None or stream.lease is not lease:
            return
        del self._streams[lease.key]
        if (expiry := self._expiries.pop(lease.key, None)) is not None:
            expiry.cancel()
        if (listener := stream.listener) is not None:
            _part(stream)
            listener.displaced()
        stream.close()


def _part(stream: StreamDriver) -> None:
    stream.listen(None)
    stream.tell(Lost())
