"""One spoken turn against any server of the Realtime protocol, through the official OpenAI client."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import openai
import pybase64
import websockets.exceptions

from antiphon.cli.sound import RATE_HZ
from antiphon.errors import InvalidRequest, ProviderTimeout

FRAME_S = 0.02
SILENCE_S = 3.0
"""Silence streamed after the recording, so that the server detects its end."""
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Server and options of a turn."""

    url: str
    api_key: str
    model: str
    voice: str = ""
    instructions: str = ""


@dataclass(slots=True)
class Turn:
    """Result of a turn. Times are seconds of `time.monotonic`."""

    transcript: str = ""
    answer: str = ""
    audio: bytes = b""
    errors: list[str] = field(default_factory=list[str])
    spoken_at: float = 0.0
    """When the end of the question was sent."""
    marks: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def audio_s(self) -> float:
        """Length of the answer."""
        return len(self.audio) / 2 / RATE_HZ

    @property
    def latency_ms(self) -> dict[str, float | None]:
        """Delay of each stage after the end of speech, milliseconds."""
        stages = ("turn ended", "transcript", "first word", "first sound", "answer complete")
        return {name: self._since(name) for name in stages}

    def _since(self, name: str) -> float | None:
        at = self.marks.get(name)
        return None if at is None else round((at - self.spoken_at) * 1000, 1)

    @property
    def why_silent(self) -> str:
        """Error message if there is no spoken answer."""
        if self.errors:
            return f"the server answered with an error: {self.errors[0]}"
        heard = f"it heard: {self.transcript!r}" if self.transcript else "nothing was understood"
        return f"no spoken answer came; {heard}"


async def ask(asked: Asked, audio: bytes, show: Callable[[str], None]) -> Turn:
    """Stream ``audio`` (24 kHz s16le mono) in real time and return the answer; ``show`` gets text as it arrives."""
    base = asked.url.rstrip("/")
    client = openai.AsyncOpenAI(api_key=asked.api_key, base_url=f"{base}/v1")
    turn = Turn()
    try:
        async with asyncio.timeout(len(audio) / 2 / RATE_HZ + TIMEOUT_S):
            async with client.realtime.connect(model=asked.model) as connection:
                await connection.session.update(session=_session(asked))
                sender = asyncio.create_task(_stream(connection, audio, turn), name="question")
                try:
                    await _listen(connection, turn, show)
                finally:
                    sender.cancel()
                    with contextlib.suppress(asyncio.CancelledError, websockets.exceptions.ConnectionClosed):
                        await sender
    except TimeoutError as error:
        raise ProviderTimeout(f"{base} did not complete its answer within {TIMEOUT_S:.0f} s") from error
    except OSError as error:
        raise InvalidRequest(f"cannot reach {base}: {error}. Is `antiphon serve` running?", param="url") from error
    except websockets.exceptions.InvalidStatus as error:
        body = (error.response.body or b"").decode("utf-8", "replace")
        raise InvalidRequest(f"{base} refused the connection: {body}", param="api_key") from error
    except websockets.exceptions.ConnectionClosed as error:
        raise ProviderTimeout(f"{base} closed the connection: {error}") from error
    finally:
        await client.close()
    return turn


def _session(asked: Asked) -> Any:
    audio: dict[str, Any] = {"input": {"transcription": {"model": "whisper-1"}}}
    if asked.voice:
        audio["output"] = {"voice": asked.voice}
    session: dict[str, Any] = {"type": "realtime", "audio": audio}
    if asked.instructions:
        session["instructions"] = asked.instructions
    return session


async def _stream(connection: Any, audio: bytes, turn: Turn) -> None:
    """Send the question, then silence, one frame every 20 ms."""
    size = int(RATE_HZ * FRAME_S) * 2
    whole = audio + bytes(int(RATE_HZ * SILENCE_S) * 2)
    begin = time.monotonic()
    turn.spoken_at = begin + len(audio) / 2 / RATE_HZ
    for number, at in enumerate(range(0, len(whole), size)):
        await asyncio.sleep(max(0.0, begin + number * FRAME_S - time.monotonic()))
        frame = pybase64.b64encode(whole[at : at + size]).decode()
        await connection.input_audio_buffer.append(audio=frame)


async def _listen(connection: Any, turn: Turn, show: Callable[[str], None]) -> None:
    """Process events until the answer is complete."""
    pieces: list[bytes] = []
    async for event in connection:
        now = time.monotonic()
        match event.type:
            case "input_audio_buffer.speech_stopped":
                turn.marks["turn ended"] = now
            case "conversation.item.input_audio_transcription.completed":
                turn.marks["transcript"] = now
                turn.transcript = f"{turn.transcript} {event.transcript}".strip()
                show(f"you:    {event.transcript}\n")
            case "response.output_audio_transcript.delta":
                if "first word" not in turn.marks:
                    show("answer: ")
                turn.marks.setdefault("first word", now)
                show(event.delta)
            case "response.output_audio.delta":
                turn.marks.setdefault("first sound", now)
                pieces.append(pybase64.b64decode(event.delta))
            case "error":
                turn.errors.append(event.error.message)
            case "response.done" if event.response.status == "cancelled" or now < turn.spoken_at:
                if "first word" in turn.marks:
                    show(" ... (interrupted)\n")
                turn.marks = {}  # the question continued: this answered only its beginning
                pieces.clear()
            case "response.done":
                turn.marks["answer complete"] = now
                turn.answer = _words(event.response)
                turn.errors += _failure(event.response)
                break
            case _:
                pass
    turn.audio = b"".join(pieces)


def _failure(response: Any) -> list[str]:
    """Return why a response failed, if it did."""
    error = response.status_details and response.status_details.error
    return [getattr(error, "message", None) or error.code] if error else []


def _words(response: Any) -> str:
    parts = [part for item in response.output or [] for part in (item.content or [])]
    return " ".join(part.transcript or part.text or "" for part in parts).strip()
