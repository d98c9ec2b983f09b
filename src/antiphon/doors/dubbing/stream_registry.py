"""All streams of a gateway: which connection has which, and how long one without a connection is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import structlog

from antiphon.doors.access.authentication import Identity
from antiphon.doors.dubbing.connection import DubbingLink
from antiphon.doors.dubbing.stream_driver import StreamHome
from antiphon.doors.dubbing.stream_ownership import Key, Places
from antiphon.dubbing import effects, inputs
from antiphon.dubbing.hints import initial_prompt
from antiphon.dubbing.voices import VoiceProfile
from antiphon.errors import ProviderUnavailable
from antiphon.observe.tasks import Asides
from antiphon.wire.dubbing_client import StreamConfig, StreamInit
from antiphon.wire.jobs import Dub

_MOST_KEPT = 100
"""Streams of a key without a connection: of more, the one that lost its own first is forgotten."""

_log = structlog.get_logger(__name__)


class StreamHomes:
    """A connection has a stream at any time, which may not have begun; a stream has at most one connection."""

    def __init__(
        self,
        new: Callable[[Identity], StreamHome],
        places: Places,
        asides: Asides,
        hang_up: Callable[[str], None],
        resume_s: float,
    ) -> None:
        """``new`` makes a stream that has not begun; ``resume_s`` is how long one without a connection is kept."""
        self._new = new
        self._places = places
        self._asides = asides
        self._hang_up = hang_up
        self._resume_s = resume_s
        self._homes: dict[Key, StreamHome] = {}
        self._expiries: dict[Key, asyncio.TimerHandle] = {}
        places.on_taken = self._taken

    def count(self) -> int:
        """Return how many streams have a connection."""
        return sum(home.listener is not None for home in self._homes.values())

    async def take(self, key: Key) -> int | None:
        """Make a stream this gateway's; returns the number that it delivers next, where another gateway had it.

        Raises `Fenced` where yet another takes it at the same time, and `Overloaded` where it may not begin now.
        """
        if key in self._homes:
            return None
        try:
            return await self._places.take(key)
        except ProviderUnavailable as error:  # the stream begins, and cannot be taken up elsewhere
            _log.warning("a stream could not be claimed", stream_id=key[1], error=str(error))
            return None

    async def give_back(self, key: Key) -> None:
        """Its connection has gone before the stream could begin."""
        if key not in self._homes:
            await self._places.leave(key, resumable=True)

    def join(self, link: DubbingLink, init: StreamInit, profile: VoiceProfile, expected: int | None) -> None:
        """Bring a connection and the stream of this name together, and part each from what it had before."""
        key = (link.identity.account, init.stream_id)
        home = self._homes.get(key) or (self._new(link.identity) if link.home.machine.stream_id else link.home)
        if (expiry := self._expiries.pop(key, None)) is not None:
            expiry.cancel()
        if link.home is not home:
            self.leave(link, keep=True)
            link.home = home
        other = home.listener
        if isinstance(other, DubbingLink) and other is not link:
            self._part(other)
            self._hang_up(other.sid)
        if link.closes is not None:
            link.closes.cancel()
        self._homes[key] = home
        home.listen(link)
        home.begin(inputs.Begun(init, str(uuid4()), expected), partial(_job_of, config=init.config, profile=profile))

    def leave(self, link: DubbingLink, *, keep: bool) -> None:
        """Part a connection from its stream, which stays for a while if there was more to come and ``keep`` is true."""
        home = link.home
        key = (link.identity.account, home.machine.stream_id)
        if not self._part(link):
            return
        if not keep or not home.machine.may_go_on or self._resume_s <= 0:
            self._drop(key)
            return
        self._expiries[key] = asyncio.get_running_loop().call_later(self._resume_s, self._drop, key)
        kept = [one for one in self._expiries if one[0] == link.identity.account]
        if len(kept) > _MOST_KEPT:
            self._drop(kept[0])

    def close(self) -> None:
        """End all streams."""
        for key in list(self._homes):
            self._drop(key)

    def _part(self, link: DubbingLink) -> bool:
        """Take the connection away from its stream; False where it had none."""
        home, link.home = link.home, self._new(link.identity)
        link.home.listen(link)
        if home.listener is not link:
            return False
        home.listen(None)
        home.tell(inputs.Lost())
        return True

    def _drop(self, key: Key) -> None:
        """Forget a stream."""
        expiry = self._expiries.pop(key, None)
        if expiry is not None:
            expiry.cancel()
        home = self._homes.pop(key, None)
        if home is not None:
            is_over = home.machine.state.phase in ("ending", "completed")
            home.close()
            self._asides.do(self._places.leave(key, resumable=not is_over))

    def _taken(self, key: Key) -> None:
        """Another gateway has the stream: let its connection go."""
        home = self._homes.pop(key, None)
        if home is not None and isinstance(home.listener, DubbingLink):
            link = home.listener
            self._part(link)
            self._hang_up(link.sid)
        if home is not None:
            home.close()


def _job_of(start: effects.Start, audio: bytes, until_s: float, config: StreamConfig, profile: VoiceProfile) -> Dub:
    """Return what a fragment asks of the workers."""
    fragment = start.fragment
    return Dub(
        stream_id=fragment.stream_id,
        fragment_id=fragment.fragment_id,
        sequence_number=fragment.sequence_number,
        audio=audio,
        format=fragment.audio.format,
        rate_hz=fragment.audio.sample_rate_hz,
        channels=fragment.audio.channels,
        duration_ms=fragment.audio.duration_ms,
        until_s=until_s,
        start_ms=start.begins_ms,
        source=config.source_language,
        target=config.target_language,
        prompt=initial_prompt(config.domain_hints or (), config.source_language),
        voice=profile.sample or profile.voice,
        voice_model=profile.model,
        voice_profile=profile.name,
        out_format=config.format,
        out_rate_hz=config.sample_rate_hz,
        out_channels=config.channels,
    )
