"""Plays the scenarios of one client in Python, a JSON line each; uses the standard library alone."""

from __future__ import annotations

import argparse
import array
import asyncio
import json
import logging
import time
import traceback
import wave
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

RATE_HZ = 24_000
FRAME_MS = 20
FRAME_BYTES = RATE_HZ * 2 * FRAME_MS // 1000
HEARD_S = 0.6
"""How much of an answer is heard before the next question interrupts it."""
SCENARIO_S = 40.0
"""Longest scenario, seconds, on stub engines; `--patience` multiplies it."""

Scenario = Callable[[], Awaitable[str]]


class MismatchError(Exception):
    """The client did not see what the scenario promises."""


def expect(claim: object, otherwise: str) -> None:
    """Raise `MismatchError` saying ``otherwise`` unless ``claim`` holds."""
    if not claim:
        raise MismatchError(otherwise)


def arguments() -> argparse.Namespace:
    """Read ``--url``, ``--key``, ``--audio``, ``--only`` and ``--patience``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="the server, as http://127.0.0.1:8000")
    parser.add_argument("--key", required=True, help="an API key of the server")
    parser.add_argument("--audio", required=True, help="a question: mono WAV, 16 bits, any rate")
    parser.add_argument("--only", action="append", default=[], help="a scenario; may be given again")
    parser.add_argument("--patience", type=float, default=1.0, help="factor on every deadline")
    return parser.parse_args()


def question(path: str) -> bytes:
    """Read a mono WAV as PCM, 16 bits, 24 kHz."""
    with wave.open(path) as recording:
        expect(recording.getnchannels() == 1 and recording.getsampwidth() == 2, f"{path}: not mono, 16 bits")
        rate_hz = recording.getframerate()
        samples = array.array("h", recording.readframes(recording.getnframes()))
    count = len(samples) * RATE_HZ // rate_hz
    out = array.array("h", bytes(count * 2))
    for index in range(count):
        position = index * rate_hz / RATE_HZ
        left = int(position)
        right = min(left + 1, len(samples) - 1)
        out[index] = int(samples[left] + (samples[right] - samples[left]) * (position - left))
    return out.tobytes()


class Inbox:
    """What has come so far, in order, and a way to wait for more."""

    patience = 1.0

    def __init__(self) -> None:
        self.all: list[Any] = []
        self._news = asyncio.Event()

    def put(self, thing: Any) -> None:
        """Keep ``thing`` and wake who waits."""
        self.all.append(thing)
        self._news.set()

    async def until(
        self, wanted: Callable[[Any], object], what: str, *, after: int = 0, timeout_s: float = 15.0
    ) -> int:
        """Return the index of the first thing from index ``after`` on that is wanted, waiting for it."""
        deadline = time.monotonic() + timeout_s * self.patience
        seen = after
        while True:
            while seen < len(self.all):
                if wanted(self.all[seen]):
                    return seen
                seen += 1
            left_s = deadline - time.monotonic()
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), max(left_s, 0))
            except TimeoutError:
                raise MismatchError(f"{what} did not come within {timeout_s * self.patience:g} s") from None


class Microphone:
    """Never off: frames of 20 ms at the pace of the clock, silence between what it is told to say."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._send = send
        self._speech = bytearray()

    def say(self, pcm: bytes) -> None:
        """Speak ``pcm`` (24 kHz) from now on."""
        self._speech += pcm

    async def run(self) -> None:
        """Send frames until cancelled."""
        due = time.monotonic()
        while True:
            frame = bytes(self._speech[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0")
            del self._speech[:FRAME_BYTES]
            await self._send(frame)
            due += FRAME_MS / 1000
            await asyncio.sleep(max(due - time.monotonic(), 0))


class Complaints(logging.Handler):
    """What the client library itself logged as a warning or worse."""

    def __init__(self, *loggers: str) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        for name in loggers:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record of the logging module."""
        reason = f": {record.exc_info[1]!r}" if record.exc_info else ""
        self.add(f"{record.name}: {record.getMessage()}{reason}")

    def add(self, text: str) -> None:
        """Keep a complaint."""
        self.texts.append(text)

    def take(self) -> list[str]:
        """Return what has been kept, and forget it."""
        texts, self.texts = self.texts, []
        return texts


class Stage:
    """Plays scenarios one after another, each with a deadline and a JSON line of its own."""

    def __init__(self, client: str, package: str, complaints: Complaints, options: argparse.Namespace) -> None:
        self._client = client
        self._version = version(package)
        self._complaints = complaints
        self._options = options
        Inbox.patience = options.patience

    async def play(self, scenarios: dict[str, Scenario]) -> int:
        """Play all, or those of ``--only``; return the exit status."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: self._complaints.add(_describe(context)))
        unknown = set(self._options.only) - set(scenarios)
        expect(not unknown, f"no scenario {', '.join(sorted(unknown))}")
        chosen = self._options.only or list(scenarios)
        results = [await self._one(name, scenarios[name]) for name in chosen]
        return 0 if all(results) else 1

    async def _one(self, name: str, scenario: Scenario) -> bool:
        started = time.perf_counter()
        self._complaints.take()
        ok, detail = False, ""
        try:
            async with asyncio.timeout(SCENARIO_S * self._options.patience):
                detail = await scenario()
            ok = True
        except MismatchError as failure:
            detail = str(failure)
        except TimeoutError:
            detail = f"not over within {SCENARIO_S * self._options.patience:g} s"
        except Exception as failure:  # noqa: BLE001 - whatever a client raises is a result of its scenario
            detail = f"{type(failure).__name__}: {failure}\n{traceback.format_exc(limit=-4)}"
        if texts := self._complaints.take():
            ok = False
            detail = f"the client complained: {' ;; '.join(text[:1000] for text in texts)} | {detail}"
        line = {
            "client": self._client,
            "version": self._version,
            "scenario": name,
            "ok": ok,
            "ms": round((time.perf_counter() - started) * 1000),
            "detail": detail[:4000],
        }
        print(json.dumps(line, ensure_ascii=False), flush=True)
        return ok


def _describe(context: dict[str, Any]) -> str:
    return f"event loop: {context.get('message')}: {context.get('exception')!r}"
