"""``antiphon talk``: ask a server a question by voice, hear its answer."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rich.table import Table

from antiphon.cli.conversation import Asked, Turn, ask
from antiphon.cli.microphone import record
from antiphon.cli.ranges import check_url
from antiphon.cli.screen import ERR, OUT, print_json
from antiphon.cli.sound import read_recording, save_answer
from antiphon.errors import InvalidRequest


def talk(
    file: Path | None = None,
    *,
    url: str = "http://127.0.0.1:8000",
    out: Path = Path("reply.wav"),
    api_key: str = "",
    model: str = "gpt-realtime",
    voice: str = "",
    instructions: str = "",
    json: bool = False,
) -> None:
    """Stream a recording (or the microphone) to a server at real pace; print what was heard and answered.

    The answer is written as a WAV.

    Example: antiphon talk question.wav --out reply.wav

    Parameters
    ----------
    file
        A recording in any common format; without one the microphone is used.
    url
        The server.
    out
        Where the spoken answer goes.
    api_key
        Key of the server; ANTIPHON_API_KEY is read too.
    model
        Model name, as sent to the server.
    voice
        Voice of the answer.
    instructions
        What the assistant is told to be.
    json
        Print one JSON object instead of text.
    """
    check_url(url)
    audio = read_recording(file) if file is not None else record()
    key = api_key or os.environ.get("ANTIPHON_API_KEY", "") or "none"
    asked = Asked(url=url, api_key=key, model=model, voice=voice, instructions=instructions)
    screen = ERR if json else OUT
    turn = asyncio.run(ask(asked, audio, lambda text: screen.print(text, end="", soft_wrap=True)))
    screen.print()
    if not turn.audio:
        raise InvalidRequest(turn.why_silent)
    save_answer(out, turn.audio)
    out.with_suffix(".txt").write_text(turn.answer + "\n", "utf-8")
    if json:
        print_json(_report(turn, out))
        return
    OUT.print(_table(turn))
    OUT.print(f"answer written to {out} ({turn.audio_s:.1f} s), its words to {out.with_suffix('.txt')}")


def _report(turn: Turn, out: Path) -> dict[str, object]:
    return {
        "transcript": turn.transcript,
        "answer": turn.answer,
        "out": str(out),
        "audio_s": round(turn.audio_s, 3),
        "latency_ms": turn.latency_ms,
    }


def _table(turn: Turn) -> Table:
    table = Table("stage", "ms after the end of speech", title="latency")
    for stage, value in turn.latency_ms.items():
        table.add_row(stage, "-" if value is None else f"{value:.0f}")
    return table
