"""``antiphon talk``: ask a server a question by voice, and save its answer."""

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
    """Stream a recording (or the microphone) to a server in real time; print the transcript and the answer.

    The spoken answer is saved as a WAV file.

    Example: antiphon talk question.wav --out reply.wav

    Parameters
    ----------
    file
        Recording in any common format; default: the microphone.
    url
        Address of the server.
    out
        WAV file for the spoken answer.
    api_key
        API key of the server; default: ANTIPHON_API_KEY.
    model
        Model name sent to the server.
    voice
        Voice of the answer.
    instructions
        Instructions to the assistant.
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
    OUT.print(f"answer written to {out} ({turn.audio_s:.1f} s), its text to {out.with_suffix('.txt')}")


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
