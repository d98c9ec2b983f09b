"""Small files that claim long tables and large descriptions, or in which there is hardly anything but silence."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.abuse.honest_files import honest_files, sound_file
from tests.abuse.ogg_pages import OPUS_HEAD, SILENCE, ogg_file, packet_pages, page
from tests.abuse.tag_bombs import comments, flac_file

_MIB = 2**20
CLAIMS = (0, 10**7, 2**31 - 1, 2**32 - 1)


def table_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield all of them by name."""
    for claim in CLAIMS:
        yield from ((f"{name} of {claim}", file) for name, file in _claiming(claim))
    yield from _caf_files()
    yield from _avi_files()
    yield from _ogg_files()
    yield "flac seek table", flac_file(honest_files()["flac-flac"], bytes(18 * 200_000), 3)
    yield "flac many blocks", _many_blocks(100_000)
    yield "wav many chunks", riff(b"WAVE", _WAV_FORMAT, chunk(b"zzzz") * 200_000, _WAV_DATA)
    yield (
        "wav nested lists",
        riff(b"WAVE", _WAV_FORMAT, (b"LIST" + struct.pack("<I", 2**31) + b"INFO") * 50_000, _WAV_DATA),
    )
    yield "aiff large description", _aiff_file(chunk(b"wave", bytes(4 * _MIB), order=">"))
    yield "flv nested script", _flv_file(b"\x03\0\1a" * 100_000)
    yield "flv many scripts", _flv_file(_flv_list(10_000) * 20)


def silent_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield files of some bytes for each second, or of frames with nothing in them."""
    yield "aac empty frames", b"\xff\xf1\x50\x80\x00\xff\xfc" * (4 * _MIB // 7)
    yield "aac tiny frames", b"\xff\xf1\x50\x80\x01\x3f\xfc\x21\x10" * (4 * _MIB // 9)
    yield "amr of a day", b"#!AMR\n" + b"\x7c" * (4 * _MIB)
    yield "amr wide of a day", b"#!AMR-WB\n" + b"\x04" * (4 * _MIB)
    many = page(b"\1" * 255, b"\xf8" * 255, number=9, granule=255 * 960)
    yield "opus of a day", ogg_file(OPUS_HEAD, b"OpusTags" + comments([])) + many * 4_000
    for name in ("flac-flac", "ipod-alac", "matroska-tta", "matroska-wavpack", "asf-wmav2"):
        muxer, codec = name.split("-")
        yield f"{name} of a minute's silence", sound_file(muxer, codec, 60.0, silent=True)
    flac = sound_file("flac", "flac", 60.0, silent=True)
    sound = flac[flac.index(b"\xff\xf8") :]
    yield "flac of two hours' silence", flac + sound * 119
    yield "flv empty tags", _flv_file(b"") + (bytes([8]) + bytes(10) + struct.pack(">I", 11)) * 200_000
    yield "mpeg empty packets", b"\0\0\1\xba\x44\0\4\0\4\1\0\0\3\xf8" + b"\0\0\1\xc0\0\0" * 500_000
    streams = (
        b"\0\0\1" + bytes([0xC0 + index % 48, 0, 20]) + b"\x80\x80\5\x21\0\1\0\1" + bytes(12)
        for index in range(150_000)
    )
    yield "mpeg many streams", b"\0\0\1\xba\x44\0\4\0\4\1\0\0\3\xf8" + b"".join(streams)
    starts = (
        struct.pack(">BHB", 0x47, 0x4000 | index & 8_191, 0x10) + b"\0\0\1\xe0\0\0\x80\0\0" for index in range(20_000)
    )
    yield "mpegts many streams", b"".join(start.ljust(188, b"\xff") for start in starts)


def chunk(name: bytes, body: bytes = b"", size: int | None = None, order: str = "<") -> bytes:
    """Return a chunk of RIFF, or of AIFF if its ``order`` is ``>``, which claims ``size``, if given."""
    return name + struct.pack(f"{order}I", len(body) if size is None else size) + body + b"\0" * (len(body) & 1)


def riff(form: bytes, *chunks: bytes, kind: bytes = b"RIFF") -> bytes:
    """Return a RIFF file."""
    body = b"".join(chunks)
    return kind + struct.pack("<I", 4 + len(body)) + form + body


_MS_COEFFICIENTS = struct.pack("<14h", 256, 0, 512, -256, 0, 0, 192, 64, 240, 0, 460, -208, 392, -232)
_WAV_FORMAT = chunk(b"fmt ", struct.pack("<HHIIHHHHH", 2, 1, 8_000, 4_096, 256, 4, 32, 500, 7) + _MS_COEFFICIENTS)
_WAV_DATA = chunk(b"data", bytes(2_560))


def _claiming(claim: int) -> Iterator[tuple[str, bytes]]:
    """Yield files in which one number is ``claim``."""
    for name, at in (("cue ", 0), ("smpl", 28)):
        table = chunk(name.encode(), bytes(at) + struct.pack("<I", claim) + bytes(100))
        yield f"wav {name.strip()}", riff(b"WAVE", _WAV_FORMAT, table, _WAV_DATA)
    sizes = chunk(b"ds64", struct.pack("<3QI", 10**9, 10**9, 10**9, claim) + bytes(100))
    yield "rf64 table", riff(b"WAVE", sizes, _WAV_FORMAT, _WAV_DATA, kind=b"RF64")
    for name in (b"fmt ", b"data", b"bext", b"LIST"):
        yield f"wav {name.decode().strip()}", riff(b"WAVE", _WAV_FORMAT, chunk(name, bytes(100), claim), _WAV_DATA)
    for name in (b"COMM", b"SSND", b"wave", b"CHAN", b"ID3 ", b"NAME"):
        yield f"aiff {name.decode().strip()}", _aiff_file(chunk(name, bytes(100), claim, ">"))
    yield "aiff frames", _aiff_file(b"", frames=claim)
    yield "flv list", _flv_file(_flv_list(10, claim))
    yield (
        "flv keyframes",
        _flv_file(b"\3\0\x0dfilepositions" + _flv_list(10, claim) + b"\0\5times" + _flv_list(10, claim)),
    )
    yield "flac picture", flac_file(honest_files()["flac-flac"], _picture(claim), 6)
    au = honest_files()["au-pcm_s16be"]
    for at in range(4, 24, 4):
        yield f"au {at}", au[:at] + struct.pack(">I", claim) + au[at + 4 :]
    asf = honest_files()["asf-wmav2"]
    for at in (16, 24, 46, 110, 114, 118):
        yield f"asf {at}", asf[:at] + struct.pack("<I", claim) + asf[at + 4 :]


def _caf_files() -> Iterator[tuple[str, bytes]]:
    data = _caf_chunk(b"data", bytes(3_204))
    for claim in (1, 10**7, 2**31 - 1, 2**62):
        table = struct.pack(">qqii", claim, min(claim * 1_024, 2**62), 0, 0) + bytes(64)
        for size in (None, 2**62):
            yield f"caf {claim} packets {size}", _caf_file(_caf_chunk(b"pakt", table, size), data, codec=b"aac ")
        for name in (b"kuki", b"info", b"chan", b"data"):
            chunks = _caf_chunk(name, struct.pack(">I", min(claim, 2**32 - 1)) + bytes(60), claim)
            yield f"caf {name.decode()} of {claim}", _caf_file(chunks, data, codec=b"alac")
    million = struct.pack(">qqii", 3_000_000, 2**40, 0, 0) + bytes(3_000_000)
    yield "caf empty packets", _caf_file(_caf_chunk(b"pakt", million), data, codec=b"aac ")
    constant = _caf_chunk(b"desc", struct.pack(">d4s5I", 16_000.0, b"lpcm", 0, 1, 1, 1, 16))
    yield "caf empty packets, described twice", _caf_file(constant, _caf_chunk(b"pakt", million), data, codec=b"aac ")
    for rate_hz in (0.0, 1.0, 4e9, float("inf"), float("nan")):
        yield f"caf {rate_hz} Hz", _caf_file(data, rate_hz=rate_hz)
    for channels in (0, 255, 65_535, 2**32 - 1):
        yield f"caf {channels} channels", _caf_file(data, channels=channels)
    for samples in (2**20, 2**24, 2**32 - 1):
        cookie = struct.pack(">IIBBBBBBHIII", 0, samples, 0, 16, 40, 10, 14, 1, 255, 0, 0, 16_000)[4:]
        yield f"caf alac frames of {samples}", _caf_file(_caf_chunk(b"kuki", cookie), data, codec=b"alac")


def _avi_files() -> Iterator[tuple[str, bytes]]:
    movi = chunk(b"LIST", b"movi" + chunk(b"00wb", bytes(1_600)) * 3)
    index = b"00wb" + struct.pack("<3I", 16, 4, 1_600)
    for claim in CLAIMS:
        for kind, longs in ((0, 4), (1, 2)):
            head = struct.pack("<HBBI4s", longs, 0, kind, claim, b"00wb") + bytes(100)
            yield f"avi index {kind} of {claim}", riff(b"AVI ", _avi_header(chunk(b"indx", head)), movi)
        for name in (b"strf", b"strd", b"idx1"):
            file = riff(b"AVI ", _avi_header(chunk(name, bytes(100), claim)), movi, chunk(b"idx1", index, claim))
            yield f"avi {name.decode()} of {claim}", file
    yield "avi long index", riff(b"AVI ", _avi_header(), movi, chunk(b"idx1", index * 200_000))
    yield "avi many streams", riff(b"AVI ", _avi_header() * 5_000, movi)
    for channels in (0, 255, 65_535):
        yield f"avi {channels} channels", riff(b"AVI ", _avi_header(channels=channels), movi)


def _ogg_files() -> Iterator[tuple[str, bytes]]:
    stream = [
        ogg_file(OPUS_HEAD, b"OpusTags" + comments([b"a=b"]), serial=serial, packets=2) for serial in range(2_000)
    ]
    yield (
        "ogg many streams",
        b"".join(packet_pages(OPUS_HEAD, serial=serial, flags=2) for serial in range(5_000)) + stream[0],
    )
    yield "ogg many chained", b"".join(stream)
    endless = (page(b"\xff" * 255, bytes(65_025), number=number, flags=1) for number in range(100, 150))
    yield "ogg endless packet", stream[1] + b"".join(endless)
    yield "ogg giant comment", ogg_file(OPUS_HEAD, b"OpusTags" + comments([b"a=" + bytes(2 * _MIB)]))
    yield "ogg empty pages", stream[1] + page(b"", b"") * 50_000
    yield "ogg empty packets", stream[1] + page(bytes(255), b"") * 5_000
    vorbis = b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 255, 2**32 - 1, 0, 0, 0, 0xDD, 1)
    yield "ogg vorbis of 255 channels", ogg_file(vorbis, b"\x03vorbis" + comments([]) + b"\1")
    yield "ogg cut silence", stream[1] + page(bytes([len(SILENCE)]), SILENCE)[:20]


def _caf_chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack(">q", len(body) if size is None else size) + body


def _caf_file(*chunks: bytes, codec: bytes = b"lpcm", rate_hz: float = 16_000.0, channels: int = 1) -> bytes:
    packet_bytes, frames = (2, 1) if codec == b"lpcm" else (0, 4_096)
    sound = struct.pack(">d4s5I", rate_hz, codec, 0, packet_bytes, frames, channels, 16)
    return b"caff\0\1\0\0" + _caf_chunk(b"desc", sound) + b"".join(chunks)


def _aiff_file(more: bytes, frames: int = 800) -> bytes:
    sound = struct.pack(">hIh", 1, frames, 16) + bytes.fromhex("400cfa00000000000000") + b"NONE\0\0"
    parts = (chunk(b"COMM", sound, order=">"), more, chunk(b"SSND", bytes(1_608), order=">"))
    return b"FORM" + struct.pack(">I", 2**31 - 1) + b"AIFC" + b"".join(parts)


def _avi_header(more: bytes = b"", channels: int = 1) -> bytes:
    main = chunk(b"avih", struct.pack("<14I", 40_000, 0, 0, 0x10, 100, 0, 1, 0, 0, 0, 0, 0, 0, 0))
    stream = chunk(b"strh", b"auds\1\0\0\0" + struct.pack("<IHH8I", 0, 0, 0, 0, 1, 8_000, 0, 1_000, 0, 0, 2) + bytes(8))
    sound = chunk(b"strf", struct.pack("<HHIIHH", 1, channels, 8_000, 16_000, 2, 16))
    return chunk(b"LIST", b"hdrl" + main + chunk(b"LIST", b"strl" + stream + sound + more))


def _flv_list(numbers: int, claimed: int | None = None) -> bytes:
    count = numbers if claimed is None else claimed
    return b"\x0a" + struct.pack(">I", count) + b"".join(struct.pack(">Bd", 0, number) for number in range(numbers))


def _flv_file(value: bytes) -> bytes:
    """Return a file whose script has a value in it."""
    script = b"\2\0\x0aonMetaData\x08\0\0\0\1\0\x09keyframes" + value + b"\0\0\x09"
    tag = b"\x12" + len(script).to_bytes(3, "big") + bytes(7) + script
    file = honest_files()["flv-aac"]
    return file[:13] + tag + struct.pack(">I", len(tag)) + file[13:]


def _picture(claim: int) -> bytes:
    return struct.pack(">2I", 3, 9) + b"image/png" + struct.pack(">6I", 0, 1, 1, 1, 1, claim) + b"x"


def _many_blocks(count: int) -> bytes:
    file = honest_files()["flac-flac"]
    return file[:42] + b"\1\0\0\0" * count + file[42:]
