from __future__ import annotations

import struct

import numpy as np
import pytest

from antiphon.audio.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw

ALL_CODES = bytes(range(256))


def samples(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}h", *values)


@pytest.mark.parametrize(
    ("code", "value"),
    [(0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0x80, 32124), (0x00, -32124), (0xEF, 132), (0x8F, 16764)],
)
def test_mu_law_codes_have_the_standards_values(code: int, value: int) -> None:
    assert decode_ulaw(bytes([code])) == samples(value)


@pytest.mark.parametrize(
    ("code", "value"),
    [(0xD5, 8), (0x55, -8), (0xD4, 24), (0xAA, 32256), (0x2A, -32256), (0xC5, 264), (0x35, -8448)],
)
def test_a_law_codes_have_the_standards_values(code: int, value: int) -> None:
    assert decode_alaw(bytes([code])) == samples(value)


def test_silence_and_full_scale_are_encoded_as_on_the_line() -> None:
    assert encode_ulaw(samples(0, 32767, -32768, -1)) == bytes([0xFF, 0x80, 0x00, 0x7F])
    assert encode_alaw(samples(0, 32767, -32768, -1)) == bytes([0xD5, 0xAA, 0x2A, 0x55])


def test_every_code_survives_a_round_trip() -> None:
    assert encode_alaw(decode_alaw(ALL_CODES)) == ALL_CODES
    assert encode_ulaw(decode_ulaw(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")  # negative zero


@pytest.mark.parametrize(("encode", "decode"), [(encode_ulaw, decode_ulaw), (encode_alaw, decode_alaw)])
def test_a_sample_keeps_its_order_and_five_bits_of_its_size(encode, decode) -> None:
    every = np.arange(-32768, 32768).astype("<i2")
    got = np.frombuffer(decode(encode(every.tobytes())), "<i2").astype(int)
    error = np.abs(got - every)
    assert np.diff(got).min() >= 0
    assert (error <= np.maximum(8, np.abs(every.astype(int)) / 32 + 5)).all()


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="buffer size"):
        encode_ulaw(b"\0")
