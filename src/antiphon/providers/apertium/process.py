"""The programs of one Apertium direction, kept running: one text goes in, one comes out."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import suppress
from typing import cast

from antiphon.errors import ProviderUnavailable
from antiphon.providers.apertium.modes import Mode
from antiphon.providers.hosting.environment import child_environment
from antiphon.text.surrogates import replace_surrogates

_MAX_ANSWER_BYTES = 16 * 2**20
_SPECIAL = re.compile(r"[\\^$/\[\]{}<>@]")
"""Signs with a meaning in Apertium's stream."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_END = "\n\0"
"""Behind every text. The line end makes the bilingual dictionary hand on all it has, and comes out again: where it does
not, one of the programs has died, and those behind it have written their NULs."""
_FULL_STOP = " .[]"
"""A full stop for a text that has none: without it last words are read as if the sentence went on. Right behind its
last word it would make abbreviations: "no." is a number."""
_DIED = "the process of apertium has died"
_HIDE_UNKNOWN = "-n"
"""The first argument of every mode: words that are not in its dictionary come out without a mark."""


class ApertiumProcess:
    """A shell with the programs of one mode behind each other, in a session of their own.

    They end when their input is closed, whatever ended the server.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._input = cast("asyncio.StreamWriter", process.stdin)
        self._output = cast("asyncio.StreamReader", process.stdout)
        self._is_killed = False

    @classmethod
    async def launch(cls, mode: Mode) -> ApertiumProcess:
        """Start the programs of a mode (0.4 s, 180 MB). Raises `ProviderUnavailable`."""
        try:
            process = await asyncio.create_subprocess_exec(
                *("sh", "-c", mode.line, "apertium", _HIDE_UNKNOWN, ""),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # what they complain of holds the text
                env={**child_environment("APERTIUM_"), "LC_ALL": "C.UTF-8"},
                start_new_session=True,
                limit=_MAX_ANSWER_BYTES,
            )
        except OSError as exc:
            raise ProviderUnavailable("apertium did not start", detail=str(exc)) from exc
        return cls(process)

    @property
    def pid(self) -> int:
        """The number of the shell, which is that of the whole group."""
        return self._process.pid

    @property
    def is_gone(self) -> bool:
        """True when the last program, or all, have ended or are about to."""
        return self._is_killed or self._process.returncode is not None or self._output.at_eof()

    async def ask(self, text: str) -> str:
        """Return the translation of ``text``. Raises `ProviderUnavailable` when a program dies meanwhile.

        Behind a call that did not end by itself the next answer would be that of this text: kill it then.
        """
        self._input.write(_encode(text))  # not awaited: the output must be read for the input to be taken
        try:
            answer = await self._output.readuntil(b"\0")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError) as exc:
            raise ProviderUnavailable(_DIED) from exc
        if not answer.endswith(_END.encode()):
            raise ProviderUnavailable(_DIED)
        return _decode(answer)

    def kill(self) -> None:
        """End all programs at once."""
        self._is_killed = True
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def wait(self) -> None:
        """Return when the shell has ended and nothing of it is left open."""
        await self._process.wait()
        self._input.close()
        with suppress(ConnectionError):
            await self._output.read()


def _encode(text: str) -> bytes:
    """Return ``text`` for the stream."""
    clean = replace_surrogates(text).replace("\0", " ").strip()
    end = "" if clean.endswith((".", "!", "?", "…")) else _FULL_STOP
    escaped = _SPECIAL.sub(r"\\\g<0>", clean)
    return f"{escaped}{end}{_END}".encode()


def _decode(answer: bytes) -> str:
    text = answer.decode(errors="replace").removesuffix(_END).removesuffix(_FULL_STOP)
    return _ESCAPED.sub(r"\1", text).strip()
