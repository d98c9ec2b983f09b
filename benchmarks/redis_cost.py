"""What one turn of conversation costs in Redis: commands, bytes, saved states; and how large its pieces are.

Commands and bytes are differences of INFO, less what a fleet of idle sessions sends in the same time. What the
commands are is read from MONITOR over as many turns more, so that its own output is not counted. Beside the bytes
stands the bare audio of a turn, beside the commands what three jobs need as plain entries of streams.
"""

from __future__ import annotations

import ast
import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from importlib import resources
from urllib.parse import urlsplit

import redis

from antiphon.bus.codec import decode_entry
from antiphon.connections.redis import Script
from antiphon.wire.entries import AudioReady
from benchmarks import sound, stage, wire
from benchmarks.figures import Figure, quantile, tell
from benchmarks.latency import Talker

SESSIONS = 4
WORDS, WORD_MS = 20, 300
ANSWER = {"stub_llm_words": WORDS, "stub_tts_ms_per_word": WORD_MS}
"""Six seconds of speech, made as fast as can be."""
QUESTION_MS = 1000
BYTES_PER_MS = 48
PIECE_MS = 200
BARE, BARE_IS = 9.0, "XADD, XREADGROUP and XACK of three jobs"
SCRIPTS = {
    Script.load(package, file.name.removesuffix(".lua")).sha.encode(): file.name.removesuffix(".lua")
    for package in ("antiphon.bus.redis", "antiphon.state.redis")
    for file in resources.files(package).iterdir()
    if file.name.endswith(".lua")
}
"""Names of our scripts by what Redis calls them."""
_STATE = 3 + 4 + 4
"""The word of a `keep` where a state begins: behind EVALSHA, its script, the count, four keys and four arguments."""
_SHOWN = 6
_IDLE_S = 4.0
_LINE_BYTES = 2**26
_WORD = re.compile(rb'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Counted:
    """Commands, bytes in, bytes out."""

    seconds: float
    counts: tuple[int, ...]

    def per_turn(self, turns: int, idle: Counted) -> list[float]:
        """Return the counts of one turn, less the share of an idle fleet."""
        share = self.seconds / idle.seconds
        pairs = zip(self.counts, idle.counts, strict=True)
        return [max(0.0, count - quiet * share) / turns for count, quiet in pairs]


@dataclass(frozen=True, slots=True)
class Command:
    """One line of MONITOR."""

    is_inside: bool
    """Whether a script ran it."""
    words: list[bytes]
    """Quoted, as they were told."""

    def word(self, at: int) -> bytes:
        """Return a word as it was sent."""
        word: bytes = ast.literal_eval("b" + self.words[at].decode())
        return word

    @property
    def name(self) -> str:
        """The command, or the script that it runs."""
        name = self.word(0).decode().upper()
        return SCRIPTS.get(self.word(1), name) if name == "EVALSHA" else name


@dataclass(frozen=True, slots=True)
class Watched:
    """Everything that Redis was asked within some seconds."""

    seconds: float
    commands: list[Command]

    def round_trips(self) -> Counter[str]:
        """Count what came from outside, by its name."""
        return Counter(one.name for one in self.commands if not one.is_inside)


def run(short: bool) -> list[Figure]:
    """Count over some turns, and watch as many."""
    settings = {"vad": "stub", "realtime_speculate_ms": 0, **ANSWER}
    with stage.fleet(**settings) as fleet, redis.Redis.from_url(fleet.redis_url) as client:
        return asyncio.run(_measure(fleet, client, 4 if short else 20))


async def _measure(fleet: stage.Fleet, client: redis.Redis, turns: int) -> list[Figure]:
    frames = sound.frames(sound.tone(QUESTION_MS))
    added: list[float] = []
    talkers = [Talker(frames, turns, 0, added, detects=True) for _ in range(SESSIONS)]
    for talker in talkers:
        await talker.connect(fleet.gateways[0].port)
    await asyncio.sleep(1.0)
    idle = await _counted(client, asyncio.sleep(_IDLE_S))
    busy = await _counted(client, _talk(talkers))
    counted = len(added)
    still = await _watched(fleet.redis_url, asyncio.sleep(_IDLE_S))
    for talker in talkers:
        talker.turns = turns
    watched = await _watched(fleet.redis_url, _talk(talkers))
    sizes: list[int] = [client.hstrlen(key, "snapshot") for key in _sessions(client)]  # pyright: ignore[reportAssignmentType] -- redis-py says that an answer may be awaitable
    for talker in talkers:
        talker.socket.close()
    return [
        *_costs(idle, busy, counted),
        *_commands(still, watched, len(added) - counted),
        Figure("", f"snapshot after {2 * turns} turns, largest", float(max(sizes)), "bytes"),
        *_pieces(watched.commands),
    ]


async def _talk(talkers: Sequence[Talker]) -> None:
    """Let all have their turns."""
    while any(talker.turns > 0 for talker in talkers):
        await wire.paced(lambda slot: talkers[slot].tick(), 0.2, slots=len(talkers))


def _sessions(client: redis.Redis) -> list[bytes]:
    return [key for key in client.scan_iter("t:default:session:{*}") if key.endswith(b"}")]


# -- what INFO counts ------------------------------------------------------------------------------------------------
async def _counted(client: redis.Redis, work: Awaitable[None]) -> Counted:
    before, began = _info(client), time.perf_counter()
    await work
    seconds = time.perf_counter() - began
    return Counted(seconds, tuple(after - first for first, after in zip(before, _info(client), strict=True)))


def _info(client: redis.Redis) -> list[int]:
    told: dict[str, int] = client.info("stats")  # pyright: ignore[reportAssignmentType] -- as above
    return [told[name] for name in ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes")]


def _costs(idle: Counted, busy: Counted, turns: int) -> list[Figure]:
    commands, sent, got = busy.per_turn(turns, idle)
    audio = BYTES_PER_MS * (QUESTION_MS + WORDS * WORD_MS) / 1024
    bare = "the audio of question and answer"
    quiet = idle.counts[0] / idle.seconds
    return [
        Figure("", "commands of a turn, with those inside scripts", commands, "commands", None, BARE, BARE_IS),
        Figure("", "bytes of a turn into Redis", sent / 1024, "KiB", None, audio, bare),
        Figure("", "bytes of a turn out of Redis", got / 1024, "KiB", None, audio, bare),
        Figure("", f"commands of a fleet with {SESSIONS} idle sessions", quiet, "commands/s"),
    ]


# -- what MONITOR shows ----------------------------------------------------------------------------------------------
async def _watched(url: str, work: Awaitable[None]) -> Watched:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=_LINE_BYTES)
    writer.write(b"MONITOR\r\n")
    await reader.readline()
    seen: list[bytes] = []

    async def watch() -> None:
        while line := await reader.readline():
            seen.append(line)

    watching, began = asyncio.create_task(watch(), name="monitor"), time.perf_counter()
    await work
    seconds = time.perf_counter() - began
    watching.cancel()
    writer.close()
    return Watched(seconds, [Command(b" lua] " in line[:64], _WORD.findall(line)) for line in seen])


def _commands(still: Watched, watched: Watched, turns: int) -> list[Figure]:
    quiet, counts = still.round_trips(), watched.round_trips()
    share = watched.seconds / still.seconds
    each = {name: max(0.0, count - quiet[name] * share) / turns for name, count in counts.items()}
    saves = [one for one in watched.commands if one.name == "keep" and len(one.words) > _STATE]
    figures = [
        Figure("", "round trips to Redis of a turn", sum(each.values()), "commands", None, BARE, BARE_IS),
        Figure("", "saved states of a turn", len(saves) / turns, "states"),
    ]
    most = sorted(each, key=lambda name: each[name], reverse=True)[:_SHOWN]
    return [*figures, *(Figure("", f"of the round trips: {name}", each[name], "commands") for name in most)]


def _pieces(commands: Sequence[Command]) -> list[Figure]:
    """Return how much audio lies in the entries of pipes."""
    entries = [
        decode_entry(one.word(4))
        for one in commands
        if one.is_inside and one.name == "XADD" and one.word(3) == b"entry"
    ]
    audio = [len(entry.audio) / BYTES_PER_MS for entry in entries if isinstance(entry, AudioReady) and entry.audio]
    whole = 100 * sum(ms >= PIECE_MS for ms in audio) / len(audio)
    return [
        Figure("A14", "smallest audio entry of a pipe, more than one frame", min(audio), "ms", 21, more=True),
        Figure("", "audio entry of a pipe, median", quantile(audio, 0.5), "ms", None, 20.0, "one frame"),
        Figure("A14", f"audio entries of {PIECE_MS} ms or more", whole, "%"),
    ]


if __name__ == "__main__":
    tell(run)
