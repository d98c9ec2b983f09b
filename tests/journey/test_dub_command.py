"""``antiphon dub`` as people run it: a process of its own that starts its own server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from antiphon.audio.media import track_ms
from tests.films import make_film
from tests.serving import AUDIO, STUB_ENVIRONMENT

JFK = AUDIO / "jfk.wav"
STUBS = {**STUB_ENVIRONMENT, "ANTIPHON_STUB_TEXT": "hello", "ANTIPHON_STUB_TTS_MS_PER_WORD": "200"}


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment without settings of ours, but for these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}
    return {**kept, **settings}


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "antiphon", "dub", *map(str, words)]


def dub(settings: dict[str, str], *words: object) -> dict[str, Any]:
    """Run the command to its end and return its report."""
    done = subprocess.run(
        [*command(*words), "--json"], env=environment(settings), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pictures(path: Path) -> list[bytes]:
    """Return the content of every packet of the picture."""
    with av.open(path) as film:
        return [bytes(one) for one in film.demux(video=0) if one.size]


def test_a_film_is_dubbed_by_a_server_of_its_own(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", JFK, seconds=10.5)
    settings = {**STUBS, "ANTIPHON_DATA_DIR": str(tmp_path / "data")}
    report = dub(settings, film, "--to", "es", "--chunk-ms", "2000", "--keep-original-volume", "0.2")
    summary, out = report["summary"], Path(report["out"])
    assert summary["success"] == summary["fragments"] >= 6
    assert abs(track_ms(out) - track_ms(film)) < 100
    assert abs(summary["drift_ms"]) < 100
    assert pictures(out) == pictures(film)
    assert len(pictures(film)) == round(10.5 * 25)
    for row in report["fragments"]:
        assert abs(row["dubbed_duration_ms"] - row["original_duration_ms"]) <= 0.1 * row["original_duration_ms"]
    assert (tmp_path / "film.es.es.srt").read_text("utf-8").count("[es] hello") == summary["fragments"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_an_interrupt_ends_the_command_and_its_server_and_leaves_nothing(tmp_path: Path) -> None:
    settings = {**STUBS, "ANTIPHON_DATA_DIR": str(tmp_path / "data")}
    words = command(JFK, "--to", "es", "--live", "--chunk-ms", "1000", "--out", tmp_path / "dubbed.wav")
    process = subprocess.Popen(
        words,
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert process.stderr is not None
    assert "starting a server" in process.stderr.readline()
    assert "dubbing jfk.wav" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=20)  # the server holds the pipe until it has ended
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("dubbed")]
