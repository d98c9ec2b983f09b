"""Messages between the server and a decoder process: msgpack, each prefixed with its length."""

from __future__ import annotations

import msgspec

from antiphon.errors import InvalidRequest, Unsupported


class Decode(msgspec.Struct, frozen=True):
    """Decode the ``file_bytes`` bytes that follow. Answered by `Samples` pieces, and `FileDecoded` or `FileRefused`."""

    file_bytes: int
    rate_hz: int
    max_duration_s: float
    max_work_s: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The libraries are loaded. The first reply of a process."""


class Samples(msgspec.Struct, frozen=True, tag="samples"):
    """The next piece, mono s16le."""

    pcm: bytes


class FileDecoded(msgspec.Struct, frozen=True, tag="decoded"):
    """The last reply: the whole file is decoded."""


class FileRefused(msgspec.Struct, frozen=True, tag="refused"):
    """The last reply: the file cannot be decoded; the process can take the next one."""

    message: str
    code: str | None
    param: str | None
    is_unsupported: bool

    @classmethod
    def of(cls, error: InvalidRequest | Unsupported) -> FileRefused:
        """Return the reply for ``error``."""
        return cls(error.message, error.code, error.param, isinstance(error, Unsupported))

    def error(self) -> InvalidRequest | Unsupported:
        """Return the error to raise."""
        kind = Unsupported if self.is_unsupported else InvalidRequest
        return kind(self.message, code=self.code, param=self.param)


Reply = Ready | Samples | FileDecoded | FileRefused
