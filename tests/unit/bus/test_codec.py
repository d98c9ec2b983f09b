"""Jobs and entries as they travel."""

from __future__ import annotations

import msgspec

from antiphon.bus.codec import decode_job, encode_job
from antiphon.wire.jobs import Job, Speak

JOB = Job("a", "speak", Speak("hi"), "out", tenant="acme", key_id="key_1", correlation_id="c")


def test_a_job_of_an_older_release_that_names_no_key_is_read() -> None:
    packed = msgspec.msgpack.decode(encode_job(JOB))
    del packed["key_id"]
    assert decode_job(msgspec.msgpack.encode(packed)) == msgspec.structs.replace(JOB, key_id="")


def test_a_job_of_a_newer_release_that_names_more_is_read() -> None:
    packed = msgspec.msgpack.decode(encode_job(JOB)) | {"something": "more"}
    assert decode_job(msgspec.msgpack.encode(packed)) == JOB
