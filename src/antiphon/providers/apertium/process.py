"""The running programs of one Apertium direction; they translate one text at a time."""

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
"""Reserved characters of Apertium's stream format."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_END = "\n\0"
"""Ends every text. The line end makes the bilingual dictionary flush, and comes out again; if it does not, one of the
programs has died, and the next ones have written their NULs."""
_FULL_STOP = " .[]"
"""A full stop for a text without one: otherwise the last words are read as the middle of a sentence. Without the space
it would make abbreviations: "no." is a number."""
_DIED = "the apertium process has died"
_HIDE_UNKNOWN = "-n"
"""The first argument of every mode: unknown words come out without a mark."""


class ApertiumProcess:
    """A shell with the pipeline of one mode, in a session of its own.

    The programs end when their input is closed, also if the server is killed.
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
                stderr=asyncio.subprocess.DEVNULL,  # their messages contain the text
                env={**child_environment("APERTIUM_"), "LC_ALL": "C.UTF-8"},
                start_new_session=True,
                limit=_MAX_ANSWER_BYTES,
            )
        except OSError as exc:
            raise ProviderUnavailable("apertium did not start", detail=str(exc)) from exc
        return cls(process)

    @property
    def pid(self) -> int:
        """Id of the shell's process, and of its process group."""
        return self._process.pid

    @property
    def is_gone(self) -> bool:
        """True when the last program, or all, have ended or are ending."""
        return self._is_killed or self._process.returncode is not None or self._output.at_eof()

    async def ask(self, text: str) -> str:
        """Return the translation of ``text``. Raises `ProviderUnavailable` if a program dies.

        After a cancelled call the next answer would be that of this text: kill the process then.
        """
        self._input.write(_encode(text))  # not awaited: the programs read on only while their output is read
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
        """Wait until the shell has ended and its pipes are closed."""
        await self._process.wait()
        self._input.close()
        with suppress(ConnectionError):
            await self._output.read()


def _encode(text: str) -> bytes:
    """Return ``text`` in Apertium's stream format."""
    clean = replace_surrogates(text).replace("\0", " ").strip()
    end = "" if clean.endswith((".", "!", "?", "…")) else _FULL_STOP
    escaped = _SPECIAL.sub(r"\\\g<0>", clean)
    return f"{escaped}{end}{_END}".encode()


def _decode(answer: bytes) -> str:
    text = answer.decode(errors="replace").removesuffix(_END).removesuffix(_FULL_STOP)
    return _ESCAPED.sub(r"\1", text).strip()
