"""``antiphon dub``: a recording or a film in another language, of the same length."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from antiphon.audio.cutting import MAX_CHUNK_MS, MIN_CHUNK_MS
from antiphon.audio.media import check_out, open_recording, takes_picture, track_ms, write_track
from antiphon.cli.dub_client import DubbingClient, need_client
from antiphon.cli.dub_progress import audio_progress
from antiphon.cli.dub_report import Report, summed, table_of, write_subtitles
from antiphon.cli.dub_run import Dubbed, Wanted, dub_recording
from antiphon.cli.dub_server import own_server
from antiphon.cli.ranges import check_range, check_url
from antiphon.cli.screen import OUT, print_json
from antiphon.errors import InvalidRequest, ProviderUnavailable

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,6})?")
_MOVIES = {".mp4": ".mp4", ".m4v": ".mp4", ".mov": ".mov"}


def dub(
    file: Path,
    *,
    to: str,
    from_: Annotated[str, Parameter(name="--from")] = "en",
    voice: str = "default",
    out: Path | None = None,
    live: Annotated[bool, Parameter(negative="")] = False,
    chunk_ms: int = 6_000,
    fixed: Annotated[bool, Parameter(negative="")] = False,
    hint: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    fallback: Literal["silence", "original"] = "silence",
    keep_original_volume: float = 0.0,
    max_inflight: int = 3,
    url: str = "",
    key: str = "",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Dub a recording or a film into another language, at the same length, with subtitles and a timeline.

    Example: antiphon dub film.mp4 --to es --out film.es.mp4

    Parameters
    ----------
    file
        Audio or video file in any common format.
    to
        Language of the dubbed speech, such as es.
    from_
        Language of the recording.
    voice
        Voice profile of the server, or name of a voice.
    out
        Output file: .wav, .flac, .m4a, .mp3, .ogg or .opus; .mp4, .mov or .mkv for the film with the new track.
    live
        Send in real time, as a live broadcast; default: as fast as the server accepts it.
    chunk_ms
        Maximum fragment length, 1000 to 10000 ms.
    fixed
        Cut fragments at exactly that length, even within a word, instead of at the quietest moment.
    hint
        Subject: sports, football, basketball, news, interview, general.
    fallback
        Audio in place of a fragment that could not be dubbed.
    keep_original_volume
        Volume of the original under the dubbed speech, 0.0 to 1.0.
    max_inflight
        Maximum fragments in flight, 1 to 10.
    url
        Address of a running server; default: start one for this run.
    key
        API key of that server; default: ANTIPHON_API_KEY.
    json
        Print one JSON object instead of text.
    """
    need_client()
    _check_language("to", to)
    _check_language("from", from_)
    check_url(url)
    check_range("keep_original_volume", keep_original_volume, 0, 1)
    check_range("chunk_ms", chunk_ms, MIN_CHUNK_MS, MAX_CHUNK_MS)
    check_range("max_inflight", max_inflight, 1, 10)
    wanted = Wanted(
        source_language=from_,
        target_language=to,
        voice=voice,
        hints=hint,
        chunk_ms=chunk_ms,
        fixed=fixed,
        live=live,
        max_inflight=max_inflight,
        fallback=fallback,
        original_volume=keep_original_volume,
    )
    report = asyncio.run(_dub(file, out, wanted, url, key or os.environ.get("ANTIPHON_API_KEY", "")))
    if json:
        print_json(report)
    else:
        _show(report)
    if report.summary.failed == report.summary.fragments:
        raise ProviderUnavailable(f"no fragment could be dubbed; the first: {report.fragments[0].error}")


async def _dub(file: Path, out: Path | None, wanted: Wanted, url: str, key: str) -> Report:
    with open_recording(file) as recording:
        target = out or _default_out(file, wanted.target_language, has_picture=recording.has_picture)
        check_out(target, has_picture=recording.has_picture)
        if target.exists() and target.samefile(file):
            raise InvalidRequest(f"{target} is the input file: choose another output file", param="out")
        picture_of = file if takes_picture(target) else None
        async with _server(url, key, live=wanted.live) as (address, its_key):
            begun = time.monotonic()
            with (
                write_track(target, recording.rate_hz, recording.channels, picture_of) as track,
                audio_progress(f"dubbing {file.name}", recording.duration_s) as show,
            ):
                dubbed = await dub_recording(recording, track, wanted, lambda: DubbingClient(address, its_key), show)
            took_s = time.monotonic() - begun
    return await asyncio.to_thread(_report, file, target, wanted, dubbed, took_s)


@asynccontextmanager
async def _server(url: str, key: str, *, live: bool) -> AsyncGenerator[tuple[str, str]]:
    """Yield the address and key of the named server, or of one started for this run."""
    if url:
        yield url, key
        return
    async with own_server(live=live) as own:
        yield own


def _report(file: Path, out: Path, wanted: Wanted, dubbed: Dubbed, took_s: float) -> Report:
    """Write subtitles and timeline, and return the report."""
    source, target = wanted.source_language, wanted.target_language
    summary = summed(
        dubbed.rows,
        original_ms=dubbed.original_ms,
        dubbed_ms=track_ms(out),
        took_s=took_s,
        reconnections=dubbed.reconnections,
    )
    report = Report(
        source=str(file),
        out=str(out),
        source_language=source,
        target_language=target,
        subtitles=tuple(str(path) for path in write_subtitles(out, dubbed.rows, source, target)),
        summary=summary,
        fragments=tuple(dubbed.rows),
    )
    _timeline_path(out).write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    return report


def _show(report: Report) -> None:
    OUT.print(table_of(report.summary))
    others = ", ".join(Path(path).name for path in (*report.subtitles, str(_timeline_path(Path(report.out)))))
    OUT.print(f"written: {report.out}; also {others}", soft_wrap=True)


def _timeline_path(out: Path) -> Path:
    return out.with_suffix(".timeline.json")


def _default_out(file: Path, language: str, *, has_picture: bool) -> Path:
    suffix = _MOVIES.get(file.suffix.lower(), ".mkv") if has_picture else ".wav"
    return file.with_name(f"{file.stem}.{language}{suffix}")


def _check_language(name: str, language: str) -> None:
    """Refuse a malformed language: it becomes part of file names."""
    if not _LANGUAGE.fullmatch(language):
        raise InvalidRequest(f"{name} is '{language}'; write a language like es or pt-BR", param=name)
