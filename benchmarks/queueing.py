"""Who waits for whom: sessions for a slow model, and turns beside a recording of which the transcript takes minutes.

The floor of the sessions is the model's own time. That of the turns are the same turns without the recording, in blocks
by turns with those beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from antiphon.audio.resample import resample
from antiphon.audio.wav import read_wav, write_wav
from benchmarks import stage, wire
from benchmarks.figures import Figure, quantile, tell
from benchmarks.voice import AUDIO, ENGINES, RATE_HZ, RECORDINGS

SESSIONS = 20
ANSWER_S = 6.0
"""What the model needs for the first word of each answer."""
MOST_SHARE = 1.2
"""Of a turn's time without the recording it may take beside one."""
UPLOAD_HZ = 8_000
UPLOAD_S = 1_500
"""As much as 24 MB of plain WAV hold; it is uploaded again when it is done."""
DEADLINE_S = 60.0
_PATH = "/v1/realtime?model=m"


def run(short: bool) -> list[Figure]:
    """Measure both."""
    return [*asyncio.run(_sessions()), *_turns(blocks=2 if short else 6)]


async def _sessions() -> list[Figure]:
    from tests.fakes.openai_server import OpenAiServer, say  # they come with the source

    async with OpenAiServer() as model:
        model.script(*[say("That is all.", first_s=ANSWER_S)] * SESSIONS)
        with stage.antiphon(llm="openai", openai_base_url=model.base_url) as server:
            talks = [Talk(server.port) for _ in range(SESSIONS)]
            for talk in talks:
                await talk.open()
            took = await asyncio.gather(*(talk.ask("hello") for talk in talks))
    what = f"{SESSIONS} sessions at once, a model that needs {ANSWER_S:g} s"
    floor, name = 1000 * ANSWER_S, "the model"
    return [
        Figure("", f"{what}: asked at a time, of {SESSIONS}", model.most_open, "calls", SESSIONS, more=True),
        Figure("", f"{what}: answer, p50", quantile(took, 0.5), "ms", floor=floor, floor_is=name),
        Figure("", f"{what}: last answer", max(took), "ms", 1.15 * floor, floor, name),
    ]


def _turns(blocks: int) -> list[Figure]:
    with stage.antiphon(**ENGINES) as server:
        alone, beside = asyncio.run(_in_blocks(server.port, blocks))
    return [
        Figure("", f"turn beside a recording, {name}", ours, "ms", MOST_SHARE * floor, floor, f"{name} without it")
        for name, share in (("p50", 0.5), ("p99", 0.99))
        for ours, floor in [(quantile(beside, share), quantile(alone, share))]
    ]


async def _in_blocks(port: int, blocks: int) -> tuple[list[float], list[float]]:
    """Return the times of the turns without and beside a recording, milliseconds."""
    alone: list[float] = []
    beside: list[float] = []
    questions, upload = _questions(), _upload()
    talk = Talk(port)
    await talk.open()
    await _block(talk, questions)  # which warms everything up
    for _ in range(blocks):
        alone += await _block(talk, questions)
        async with _uploading(port, upload):
            beside += await _block(talk, questions)
    return alone, beside


async def _block(talk: Talk, questions: list[bytes]) -> list[float]:
    return [await talk.say(question) for question in questions for _ in range(3)]


@asynccontextmanager
async def _uploading(port: int, upload: bytes) -> AsyncGenerator[None]:
    """Have a recording transcribed as long as the context lasts."""
    begun = asyncio.Event()

    async def post() -> None:
        form = {"model": "whisper-1", "language": "en", "stream": "true"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=3600) as client:
            while True:
                file = {"file": ("long.wav", upload)}
                async with client.stream("POST", "/v1/audio/transcriptions", data=form, files=file) as answer:
                    answer.raise_for_status()
                    async for _ in answer.aiter_lines():  # the first says that it is at work
                        begun.set()

    posting = asyncio.create_task(post(), name="upload")
    waiting = asyncio.create_task(begun.wait(), name="upload begun")
    await asyncio.wait((posting, waiting), timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not begun.is_set():
            raise RuntimeError("the upload has not begun")
        yield
        if posting.done():
            raise RuntimeError("the upload has ended") from posting.exception()
    finally:
        posting.cancel()
        waiting.cancel()
        await asyncio.gather(posting, waiting, return_exceptions=True)


def _questions() -> list[bytes]:
    wavs = [read_wav((AUDIO / name).read_bytes()) for name in RECORDINGS]
    return [resample(wav.data, wav.rate_hz, RATE_HZ) for wav in wavs]


def _upload() -> bytes:
    wav = read_wav((AUDIO / "austen-0870.wav").read_bytes())
    once = resample(wav.data, wav.rate_hz, UPLOAD_HZ)
    size = 2 * UPLOAD_HZ * UPLOAD_S
    return write_wav((once * (size // len(once) + 1))[:size], UPLOAD_HZ)


class Talk:
    """A session that asks one thing after the other, and measures from the question to the first sound."""

    _socket: wire.Socket

    def __init__(self, port: int) -> None:
        self._port = port
        self._heard_s = 0.0
        self._done = asyncio.Event()

    async def open(self) -> None:
        """Connect."""
        self._socket = await wire.Socket.connect(self._port, _PATH, self._on_text)
        self._socket.send(wire.configure(audio={"input": {"turn_detection": None}}))

    async def ask(self, text: str) -> float:
        """Ask in writing, and return what the answer took, milliseconds."""
        content = [{"type": "input_text", "text": text}]
        return await self._answer(
            wire.event("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        )

    async def say(self, pcm: bytes) -> float:
        """Ask by voice, and return what the answer took from the commit, milliseconds."""
        self._socket.send(wire.append(pcm))
        return await self._answer(wire.event("input_audio_buffer.commit"))

    async def _answer(self, question: bytes) -> float:
        self._done.clear()
        self._heard_s = 0.0
        asked_s = time.perf_counter()
        self._socket.send(question + wire.event("response.create"))
        async with asyncio.timeout(DEADLINE_S):
            await self._done.wait()
        return 1000 * (self._heard_s - asked_s)

    def _on_text(self, text: bytes) -> None:
        if text.startswith(wire.DELTA) and not self._heard_s:
            self._heard_s = time.perf_counter()
        elif text.startswith(b'{"type":"response.done"'):
            self._done.set()


if __name__ == "__main__":
    tell(run)
