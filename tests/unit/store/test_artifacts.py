from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from structlog.testing import capture_logs

from antiphon.audio.wav import read_wav, write_wav
from antiphon.clock import VirtualClock
from antiphon.entities.dubbing import ProcessingError, StageTimings
from antiphon.folders import folder_name
from antiphon.ports.artifacts import Artifact, ArtifactAudio
from antiphon.store.artifacts import FileArtifacts, NullArtifacts

OWN = "t/key_1"
"""Where the streams of the key lie that wrote them."""
M4A = b"\0\0\0\x18ftypM4A rest"
GOOD = Artifact(
    tenant="t",
    owner="key_1",
    stream_id="s1",
    fragment_id="f1",
    status="success",
    processing_time_ms=812,
    timestamp=1_700_000_000_123,
    stage_timings=StageTimings(asr_ms=400, translation_ms=30, tts_ms=300),
    lineage={"transcript_asset_id": "transcript-f1", "audio_asset_id": "audio-dubbed-f1"},
    transcript="Good morning.",
    translation="Buenos días.",
    dubbed_audio=ArtifactAudio(M4A, "m4a", 48_000, 2),
    original_audio=ArtifactAudio(b"raw", "m4a", 48_000, 2),
)


def kept(
    root: Path,
    *,
    capture: Literal["metadata", "media"] = "media",
    max_age_s: float = 3_600.0,
    max_count: int = 100,
    max_bytes: int = 2**30,
    clock: VirtualClock | None = None,
) -> FileArtifacts:
    return FileArtifacts(
        root, capture=capture, max_age_s=max_age_s, max_count=max_count, max_bytes=max_bytes, clock=clock
    )


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


async def test_a_fragment_is_a_folder_of_metadata_texts_and_audio(tmp_path: Path) -> None:
    await kept(tmp_path / "new" / "root").put(GOOD)
    folder = tmp_path / "new" / "root" / OWN / "s1" / "f1"
    assert names(tmp_path / "new" / "root" / OWN) == {
        "s1/f1/metadata.json",
        "s1/f1/transcript.txt",
        "s1/f1/translation.txt",
        "s1/f1/dubbed_audio.m4a",
        "s1/f1/original_audio.m4a",
    }
    assert (folder / "transcript.txt").read_text(encoding="utf-8") == "Good morning."
    assert (folder / "translation.txt").read_text(encoding="utf-8") == "Buenos días."
    assert (folder / "dubbed_audio.m4a").read_bytes() == M4A
    assert (folder / "original_audio.m4a").read_bytes() == b"raw"
    assert json.loads((folder / "metadata.json").read_bytes()) == {
        "fragment_id": "f1",
        "stream_id": "s1",
        "status": "success",
        "processing_time_ms": 812,
        "stage_timings": {"asr_ms": 400, "translation_ms": 30, "tts_ms": 300},
        "timestamp": 1_700_000_000_123,
        "asset_lineage": {"transcript_asset_id": "transcript-f1", "audio_asset_id": "audio-dubbed-f1"},
        "assets": [],
    }


async def test_only_the_owner_may_read_what_was_said(tmp_path: Path) -> None:
    await kept(tmp_path / "root").put(GOOD)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "root").rglob("*")}
    assert modes == {0o700, 0o600}
    assert stat.S_IMODE((tmp_path / "root").stat().st_mode) == 0o700


async def test_without_media_there_are_texts_and_metadata_alone(tmp_path: Path) -> None:
    await kept(tmp_path, capture="metadata").put(GOOD)
    assert names(tmp_path / OWN / "s1" / "f1") == {"metadata.json", "transcript.txt", "translation.txt"}


async def test_a_failed_fragment_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    error = ProcessingError(stage="translation", code="TIMEOUT", message="too slow", retryable=True)
    await kept(tmp_path).put(replace(GOOD, status="failed", error=error, translation=None, dubbed_audio=None))
    folder = tmp_path / OWN / "s1" / "f1"
    assert names(folder) == {"metadata.json", "transcript.txt", "original_audio.m4a"}
    told = json.loads((folder / "metadata.json").read_bytes())
    assert told["status"] == "failed"
    assert told["error"] == {"stage": "translation", "code": "TIMEOUT", "message": "too slow", "retryable": True}


async def test_silence_has_texts_and_they_are_empty(tmp_path: Path) -> None:
    await kept(tmp_path).put(replace(GOOD, transcript="", translation=""))
    assert (tmp_path / OWN / "s1" / "f1" / "transcript.txt").read_bytes() == b""
    assert (tmp_path / OWN / "s1" / "f1" / "translation.txt").read_bytes() == b""


async def test_a_later_attempt_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    artifacts = kept(tmp_path)
    await artifacts.put(GOOD)
    await artifacts.put(replace(GOOD, transcript="Bye.", translation=None, dubbed_audio=None))
    assert names(tmp_path / OWN / "s1" / "f1") == {"metadata.json", "transcript.txt", "original_audio.m4a"}
    assert (tmp_path / OWN / "s1" / "f1" / "transcript.txt").read_text() == "Bye."


async def test_samples_become_files_that_open(tmp_path: Path) -> None:
    samples = np.arange(-1_000, 1_000).astype("<i2")
    floats = (samples / np.float32(32768)).astype("<f4")
    await kept(tmp_path).put(
        replace(
            GOOD,
            dubbed_audio=ArtifactAudio(samples.tobytes(), "pcm_s16le", 48_000, 2),
            original_audio=ArtifactAudio(floats.tobytes(), "pcm_f32le", 16_000, 1),
        )
    )
    folder = tmp_path / OWN / "s1" / "f1"
    with wave.open(str(folder / "dubbed_audio.wav")) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getnframes()) == (48_000, 2, 1_000)
        assert reader.readframes(1_000) == samples.tobytes()
    assert read_wav((folder / "original_audio.wav").read_bytes()).data == samples.tobytes()


@pytest.mark.parametrize(
    ("data", "declared", "name"),
    [
        (write_wav(b"\1\2", 8_000), "m4a", "original_audio.wav"),
        (write_wav(b"\1\2", 8_000), "pcm_s16le", "original_audio.wav"),
        (b"\xff\xf1\x50\x80rest", "aac", "original_audio.aac"),
        (M4A, "wav", "original_audio.m4a"),
        (b"whatever", "m4a", "original_audio.m4a"),
    ],
)
async def test_the_name_of_a_file_follows_its_container(tmp_path: Path, data: bytes, declared: str, name: str) -> None:
    await kept(tmp_path).put(replace(GOOD, original_audio=ArtifactAudio(data, declared, 48_000, 2)))
    assert (tmp_path / OWN / "s1" / "f1" / name).read_bytes() == data


@pytest.mark.parametrize("identifier", ["..", "../..", "a/../../b", "/etc/x", "", "\ud800", "x" * 5_000])
async def test_an_id_of_a_stranger_leads_nowhere_else(tmp_path: Path, identifier: str) -> None:
    root = tmp_path / "deep" / "root"
    await kept(root).put(replace(GOOD, stream_id=identifier, fragment_id=identifier, transcript="a\ud800b"))
    folder = root / OWN / folder_name(identifier) / folder_name(identifier)
    assert names(tmp_path) == {f"{folder.relative_to(tmp_path).as_posix()}/{name}" for name in names(folder)}
    assert json.loads((folder / "metadata.json").read_bytes())["stream_id"] == identifier
    assert (folder / "transcript.txt").read_bytes() == b"a?b"


@pytest.mark.parametrize("depth", ["t", "t/key_1", "t/key_1/s1", "t/key_1/s1/f1"])
async def test_a_link_is_not_followed_when_writing_or_cleaning(tmp_path: Path, depth: str) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "f1").mkdir(parents=True)
    (outside / "metadata.json").write_text("mine")
    (outside / "f1" / "metadata.json").write_text("mine")
    (root / depth).parent.mkdir(parents=True)
    (root / depth).symlink_to(outside)
    artifacts = kept(root, max_age_s=0, clock=VirtualClock(wall=4e9))
    with capture_logs() as logs:
        await artifacts.put(GOOD)
        await artifacts.clean()
    assert [log["event"] for log in logs] == ["artifact write failed"]
    assert names(outside) == {"metadata.json", "f1/metadata.json"}
    assert (outside / "f1" / "metadata.json").read_text() == "mine"


async def test_a_write_that_fails_is_logged_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / OWN / "s1" / "f1" / "transcript.txt" / "in the way").mkdir(parents=True)
    artifacts = kept(tmp_path)
    with capture_logs() as logs:
        await artifacts.put(GOOD)
    assert [(log["event"], log["stream_id"], log["fragment_id"]) for log in logs] == [
        ("artifact write failed", "s1", "f1")
    ]
    assert names(tmp_path) == set()
    await artifacts.put(replace(GOOD, fragment_id="f2"))
    assert "s1/f2/metadata.json" in names(tmp_path / OWN)


async def test_a_root_that_is_no_folder_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    artifacts = kept(tmp_path / "file")
    with capture_logs() as logs:
        await artifacts.put(GOOD)
        await artifacts.clean()
    assert [log["event"] for log in logs] == ["artifact write failed", "artifact clean-up failed"]


async def test_cleaning_where_nothing_was_written_yet_is_no_failure(tmp_path: Path) -> None:
    with capture_logs() as logs:
        await kept(tmp_path / "none").clean()
    assert logs == []


class HangingDisk(FileArtifacts):
    """The real files, on a disk that can be told to hang."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, capture="metadata", max_age_s=1, max_count=1, max_bytes=2**20)
        self.works = threading.Event()

    def _write(self, artifact: Artifact) -> None:
        self.works.wait(10)
        super()._write(artifact)


async def test_a_disk_that_hangs_does_not_fill_the_memory(tmp_path: Path) -> None:
    artifacts = HangingDisk(tmp_path)
    with capture_logs() as logs:
        puts = [asyncio.ensure_future(artifacts.put(replace(GOOD, fragment_id=f"f{n}"))) for n in range(70)]
        done, _ = await asyncio.wait(puts, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == len(logs) == 6
        assert logs[0]["event"] == "artifact dropped: too many writes are waiting"
        artifacts.works.set()
        await asyncio.gather(*puts)
    assert len(list((tmp_path / OWN / "s1").iterdir())) == 64


async def written(root: Path, ages_s: dict[str, float], artifacts: FileArtifacts, now: float) -> None:
    """Put fragments ``stream/fragment`` of these ages."""
    for path, age_s in ages_s.items():
        stream_id, fragment_id = path.split("/")
        await artifacts.put(replace(GOOD, stream_id=stream_id, fragment_id=fragment_id))
        os.utime(root / OWN / path, (now - age_s, now - age_s))


def fragments(root: Path) -> set[str]:
    return {path.relative_to(root / OWN).as_posix() for path in root.glob("*/*/*/*")}


async def test_what_is_too_old_goes_and_then_the_oldest_of_too_many(tmp_path: Path) -> None:
    clock = VirtualClock()
    artifacts = kept(tmp_path, max_age_s=100, max_count=2, clock=clock)
    ages_s = {"a/1": 101.0, "a/2": 99.0, "a/3": 98.0, "a/4": 5.0, "b/1": 99.0, "c/1": 500.0}
    await written(tmp_path, ages_s, artifacts, clock.wall())
    await artifacts.clean()
    assert fragments(tmp_path) == {"a/3", "a/4", "b/1"}
    assert sorted(path.name for path in (tmp_path / OWN).iterdir()) == ["a", "b"]


async def test_the_oldest_of_all_streams_go_where_they_take_too_much_of_the_disk(tmp_path: Path) -> None:
    clock = VirtualClock()
    ages_s = {"a/1": 50.0, "b/1": 40.0, "a/2": 30.0, "c/1": 20.0}
    await written(tmp_path, ages_s, kept(tmp_path, clock=clock), clock.wall())
    size = sum(file.stat().st_size for file in (tmp_path / OWN).glob("c/1/*"))
    await kept(tmp_path, max_bytes=2 * size + size // 2, clock=clock).clean()
    assert fragments(tmp_path) == {"a/2", "c/1"}


def count_of(owner: Path) -> int:
    return len(list(owner.glob("s1/*")))


async def test_the_owner_that_keeps_the_most_makes_room_and_others_lose_nothing(tmp_path: Path) -> None:
    mine = [replace(GOOD, fragment_id=f"f{number}") for number in range(3)]
    for artifact in mine:
        await kept(tmp_path).put(artifact)
    size = sum(file.stat().st_size for file in (tmp_path / OWN / "s1/f0").iterdir())
    artifacts = kept(tmp_path, max_bytes=10 * size)
    await artifacts.clean()
    for owner in ("key_2", "open"):
        for number in range(40):
            await artifacts.put(replace(GOOD, owner=owner, fragment_id=f"f{number:02}"))
            held = sum(file.stat().st_size for file in tmp_path.rglob("*.*") if file.is_file())
            assert held <= 10 * size, "it is more than the most even before a clean-up"
            assert count_of(tmp_path / OWN) == 3
    assert count_of(tmp_path / "t/key_2") >= 2
    assert count_of(tmp_path) >= 2, "of those without a key"


async def test_files_of_others_do_not_count_and_one_that_stays_does_not_keep_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    await written(tmp_path, {"a/1": 50.0, "a/2": 40.0, "a/3": 30.0}, kept(tmp_path, clock=clock), clock.wall())
    size = sum(file.stat().st_size for file in (tmp_path / OWN / "a/1").iterdir())
    (tmp_path / OWN / "a/3/notes.md").write_bytes(bytes(10 * size))
    stuck, unlink, lstat = tmp_path / OWN / "a/1", Path.unlink, Path.lstat

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.parent == stuck:
            raise OSError("the disk does not want to")
        unlink(path, missing_ok)

    def vanish(path: Path) -> os.stat_result:
        if path.name == ".gone.part":
            raise FileNotFoundError
        return lstat(path)

    (tmp_path / OWN / "a/3/.gone.part").write_bytes(b"")
    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(Path, "lstat", vanish)
    with capture_logs() as logs:
        await kept(tmp_path, max_bytes=int(2.5 * size), clock=clock).clean()
    assert {log["folder"] for log in logs if log["log_level"] == "warning"} == {str(stuck)}
    assert fragments(tmp_path) == {"a/1", "a/3"}


async def test_what_one_owner_has_waiting_for_the_disk_drops_nothing_of_another(tmp_path: Path) -> None:
    artifacts = HangingDisk(tmp_path)
    mine = [asyncio.ensure_future(artifacts.put(replace(GOOD, fragment_id=f"f{n}"))) for n in range(64)]
    theirs = asyncio.ensure_future(artifacts.put(replace(GOOD, owner="key_2")))
    await asyncio.sleep(0)
    artifacts.works.set()
    await asyncio.gather(*mine, theirs)
    assert count_of(tmp_path / "t/key_2") == 1


async def test_files_of_others_stay_and_so_do_their_folders(tmp_path: Path) -> None:
    clock = VirtualClock()
    artifacts = kept(tmp_path, max_age_s=100, clock=clock)
    await written(tmp_path, {"a/1": 101.0}, artifacts, clock.wall())
    for name in ("a/1/notes.md", "a/1/.x.part", "mine.txt", "src/code/main.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for folder in ("a/1", "src/code"):
        os.utime(tmp_path / folder, (1.0, 1.0))
    await artifacts.clean()
    assert names(tmp_path) == {"a/1/notes.md", "mine.txt", "src/code/main.py"}


async def test_a_stream_that_cannot_be_cleaned_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    artifacts = kept(tmp_path, max_age_s=100, clock=clock)
    await written(tmp_path, {"a/1": 101.0, "b/1": 101.0}, artifacts, clock.wall())
    stuck, unlink = tmp_path / OWN / "a", Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if stuck in path.parents:
            raise OSError("the disk does not want to")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with capture_logs() as logs:
        await artifacts.clean()
    assert [(log["event"], log["folder"]) for log in logs] == [("artifact clean-up failed", str(stuck / "1"))]
    assert not (tmp_path / OWN / "b").exists()


async def test_what_a_version_before_has_written_goes_when_it_is_too_old(tmp_path: Path) -> None:
    for name in ("old/1", "old/2"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metadata.json").write_text("{}")
    os.utime(tmp_path / "old/1", (1.0, 1.0))
    await kept(tmp_path).clean()
    assert names(tmp_path) == {"old/2/metadata.json"}


async def test_owners_do_not_share_streams_nor_their_bounds(tmp_path: Path) -> None:
    artifacts = kept(tmp_path, max_count=1)
    for owner, text in (("key_1", "mine"), ("key_2", "theirs")):
        await artifacts.put(replace(GOOD, owner=owner, transcript=text))
    await artifacts.put(replace(GOOD, owner="key_2", fragment_id="f2"))
    await artifacts.clean()
    assert (tmp_path / "t/key_1/s1/f1/transcript.txt").read_text() == "mine"
    assert [path.name for path in (tmp_path / "t/key_2/s1").iterdir()] == ["f2"]


async def test_folders_of_owners_that_are_empty_go(tmp_path: Path) -> None:
    clock = VirtualClock(wall=4e9)
    artifacts = kept(tmp_path, max_age_s=0, clock=clock)
    for name in ("metadata.json", "s1"):  # any name that a worker may choose
        await artifacts.put(replace(GOOD, stream_id=name, fragment_id=name))
    await artifacts.clean()
    assert list(tmp_path.iterdir()) == []


class Watched(FileArtifacts):
    """The real files; says when they were cleaned."""

    def __init__(self, root: Path, **options: Any) -> None:
        super().__init__(root, **options)
        self.rounds: asyncio.Queue[None] = asyncio.Queue()

    async def clean(self) -> None:
        await super().clean()
        self.rounds.put_nowait(None)


async def test_running_cleans_again_and_again(tmp_path: Path) -> None:
    clock = VirtualClock()
    artifacts = Watched(tmp_path, capture="metadata", max_age_s=100, max_count=9, max_bytes=2**20, clock=clock)
    await written(tmp_path, {"a/1": 101.0, "a/2": 50.0}, artifacts, clock.wall())
    running = asyncio.ensure_future(artifacts.run(0.001))
    async with asyncio.timeout(20):
        await artifacts.rounds.get()
        assert fragments(tmp_path) == {"a/2"}
        clock.advance(60)
        while artifacts.rounds.qsize():
            artifacts.rounds.get_nowait()
        await artifacts.rounds.get()
        await artifacts.rounds.get()
    assert fragments(tmp_path) == set()
    running.cancel()


async def test_nothing_is_kept_where_artifacts_are_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nothing = NullArtifacts()
    await nothing.put(GOOD)
    await nothing.clean()
    await nothing.run(0)
    assert list(tmp_path.iterdir()) == []
