"""All streams of a gateway: which connection has which, and how long one without a connection is kept."""

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
"""Streams of a key without a connection: of more, the one that lost its own first is forgotten."""

_log = structlog.get_logger(__name__)


class StreamRegistry:
    """A connection has at most one stream, and a stream at most one connection."""

    def __init__(
        self,
        services: StreamServices,
        rules: Rules,
        ownership: StreamOwnership,
        background: TrackedTasks,
        *,
        resume_s: float,
    ) -> None:
        """``resume_s`` is how long a stream without a connection is kept."""
        self._services = services
        self._rules = rules
        self._ownership = ownership
        self._background = background
        self._resume_s = resume_s
        self._streams: dict[Key, StreamDriver] = {}
        self._expiries: dict[Key, asyncio.TimerHandle] = {}
        self._opening: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def count(self) -> int:
        """Return how many streams have a connection."""
        return sum(stream.listener is not None for stream in self._streams.values())

    async def run(self) -> None:
        """Keep the streams this gateway's, as long as no other resumes them, endlessly."""
        await self._ownership.run(lambda: [one.lease for one in self._streams.values() if one.lease is not None])

    async def open(self, key: Key) -> StreamDriver:
        """Return the stream of this name, a new one where there is none; `attach` it or `abandon` it at once.

        Raises `Fenced` where another gateway takes it at the same time, and `Overloaded` where it may not begin now.
        """
        async with self._opening.setdefault(key, asyncio.Lock()):
            stream = self._streams.get(key)
            if stream is None:
                machine = Stream(State(seed=ids.token(12)), self._rules)
                stream = self._streams[key] = StreamDriver(key, machine, self._services, await self._claim(key))
        return stream

    def abandon(self, stream: StreamDriver) -> None:
        """Forget a stream that was opened and does not begin here."""
        if not stream.machine.stream_id:
            self._drop(stream.key)

    def attach(self, link: DubbingConnection, stream: StreamDriver) -> None:
        """Bring a connection and a stream together, and part each from what it had before."""
        if (expiry := self._expiries.pop(stream.key, None)) is not None:
            expiry.cancel()
        if link.stream is not stream:
            self.detach(link, keep=True)
        if (other := stream.listener) is not None and other is not link:
            _part(stream)
            other.displaced()
        if link.closes is not None:
            link.closes.cancel()
        link.stream = stream
        stream.listen(link)

    def detach(self, link: DubbingConnection, *, keep: bool) -> None:
        """Part a connection from its stream, which stays for a while if there was more to come and ``keep`` is true."""
        stream, link.stream = link.stream, None
        if stream is None or stream.listener is not link:
            return
        _part(stream)
        if not keep or not stream.machine.may_go_on or self._resume_s <= 0:
            self._drop(stream.key)
            return
        self._expiries[stream.key] = asyncio.get_running_loop().call_later(self._resume_s, self._drop, stream.key)
        kept = [one for one in self._expiries if one[0] == link.identity.account]
        if len(kept) > _MOST_KEPT:
            self._drop(kept[0])

    def close(self) -> None:
        """End all streams."""
        for key in list(self._streams):
            self._drop(key)

    async def _claim(self, key: Key) -> StreamLease | None:
        try:
            return await self._ownership.claim(key, self._lost)
        except ProviderUnavailable as error:  # the stream begins, and no other gateway can resume it
            _log.warning("stream claim failed", stream_id=key[1], error=str(error))
            return None

    def _drop(self, key: Key) -> None:
        """Forget a stream."""
        if (expiry := self._expiries.pop(key, None)) is not None:
            expiry.cancel()
        stream = self._streams.pop(key, None)
        if stream is not None:
            resumable = not stream.is_new and stream.machine.state.phase not in ("ending", "completed")
            stream.close()
            if stream.lease is not None:
                self._background.do(stream.lease.release(resumable=resumable))

    def _lost(self, lease: StreamLease) -> None:
        """Another gateway has the stream: let its connection go."""
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
