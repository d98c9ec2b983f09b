"""Replies of a decoder process, and the errors that they carry."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.errors import InvalidRequest, Unsupported
from antiphon.providers.decoding.frames import Decode, FileDecoded, FileRefused, Ready, Reply, Samples
from antiphon.providers.hosting.frames import Frames, frame


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("the file is too long", code="audio_too_long", param="file"),
        InvalidRequest("no"),
        Unsupported("the file needs PyAV", code="decoder_missing", param="file"),
    ],
)
def test_a_refused_file_is_the_same_error_on_the_other_side(error: InvalidRequest | Unsupported) -> None:
    [body] = Frames().feed(frame(FileRefused.of(error)))
    reply = msgspec.msgpack.decode(body, type=Reply)
    assert isinstance(reply, FileRefused)
    told = reply.error()
    assert (type(told), told.message, told.code, told.param) == (type(error), error.message, error.code, error.param)


def test_replies_are_told_apart_by_their_tag() -> None:
    replies = [Ready(), Samples(b"\1\0"), FileDecoded(), FileRefused("no", None, None, is_unsupported=False)]
    bodies = Frames().feed(b"".join(map(frame, replies)))
    assert [msgspec.msgpack.decode(body, type=Reply) for body in bodies] == replies


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x81\xa4type\xa4none", b"\x82\xa4type\xa7samples\xa3pcm\x01"])
def test_an_unknown_reply_is_an_error(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        msgspec.msgpack.decode(body, type=Reply)


def test_a_request_is_read_back() -> None:
    request = Decode(3, 16_000, 60.0, 5.0)
    [body] = Frames().feed(frame(request))
    assert msgspec.msgpack.decode(body, type=Decode) == request
