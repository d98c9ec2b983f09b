"""The decoder process, ``python -m antiphon.providers.decoding.process``: decodes one file after the other.

Untrusted files are parsed only here. The process has limits on memory, CPU time and descriptors, and holds no
keys, no conversations and no connections. It exits when its input ends.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import BinaryIO

import msgspec

from antiphon.audio.containers import decoded_pieces
from antiphon.errors import InvalidRequest, Unsupported
from antiphon.providers.decoding.frames import Decode, FileDecoded, FileRefused, Ready, Reply, Samples
from antiphon.providers.hosting.frames import LENGTH, frame
from antiphon.providers.hosting.loop import take_stdout

MEMORY_BYTES = 2**30
"""Limit of the address space, libraries included; a file that needs more cannot be decoded."""
_DESCRIPTORS = 32
_PIECE_BYTES = 2**18
_GRACE_S = 2
"""Added to the decoder's own time limit of a file."""


def main() -> None:
    """Decode until the input ends."""
    output = take_stdout()
    with suppress(ImportError):  # files that need PyAV are refused with a hint
        import_module("av")
    _confine()
    _send(output, Ready())
    with os.fdopen(0, "rb") as requests:
        while (request := _next(requests)) is not None:
            _limit_cpu(request.max_work_s)
            _answer(output, request, requests.read(request.file_bytes))


def _answer(output: int, request: Decode, data: bytes) -> None:
    try:
        pieces = decoded_pieces(
            data, request.rate_hz, max_duration_s=request.max_duration_s, max_work_s=request.max_work_s
        )
        for piece in _even(pieces):
            _send(output, Samples(piece))
    except (InvalidRequest, Unsupported) as error:
        _send(output, FileRefused.of(error))
    else:
        _send(output, FileDecoded())


def _even(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces, as each one costs the reader a turn of its loop, and cut large ones."""
    joined = bytearray()
    for piece in pieces:
        joined += piece
        while len(joined) >= _PIECE_BYTES:
            yield bytes(joined[:_PIECE_BYTES])
            del joined[:_PIECE_BYTES]
    if joined:
        yield bytes(joined)


def _next(requests: BinaryIO) -> Decode | None:
    head = requests.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return msgspec.msgpack.decode(requests.read(*LENGTH.unpack(head)), type=Decode)


def _send(output: int, reply: Reply) -> None:
    data = memoryview(frame(reply))
    while data:
        data = data[os.write(output, data) :]


def _confine() -> None:
    """Limit this process's resources, as far as the system supports it."""
    try:
        import resource
    except ImportError:  # Windows: only the server's deadline applies
        return
    bounds = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_NOFILE: _DESCRIPTORS,
        resource.RLIMIT_CORE: 0,
    }
    for limit, most in bounds.items():
        with suppress(ValueError, OSError):  # macOS has no limit of the address space
            resource.setrlimit(limit, (most, most))


def _limit_cpu(work_s: float) -> None:
    """Let the system kill this process when it uses more than ``work_s`` of CPU time from now on."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    until_s = math.ceil(used.ru_utime + used.ru_stime + work_s + _GRACE_S)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    is_bounded = hard != resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_CPU, (min(until_s, hard) if is_bounded else until_s, hard))


if __name__ == "__main__":
    sys.exit(main())
