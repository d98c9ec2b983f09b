from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from antiphon.doors.access.client_secrets import load_secret_keys
from antiphon.doors.server.tls import self_signed
from antiphon.errors import ProviderUnavailable
from antiphon.folders import make_private
from antiphon.providers.weights.files import Weights
from antiphon.providers.weights.table import Model, Table
from antiphon.store.sqlite import SqliteStore


@pytest.fixture(autouse=True)
def generous() -> Iterator[None]:
    """Run under the umask that most systems have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path, root: Path) -> set[int]:
    return {stat.S_IMODE(one.stat().st_mode) for one in (folder, *folder.parents) if one.is_relative_to(root)}


def test_a_folder_and_those_around_it_are_made_for_one_user(tmp_path: Path) -> None:
    make_private(tmp_path / "a/b/c")
    assert modes(tmp_path / "a/b/c", tmp_path / "a") == {0o700}


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    make_private(tmp_path / "a")
    make_private(tmp_path / "a/b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o700


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="a"):
        make_private(tmp_path / "a")


def pull(data_dir: Path) -> None:
    nowhere = Table((Model("net", "stt", "a network", "MIT", (), default=True, fallback="a pencil"),))
    with pytest.raises(ProviderUnavailable):
        Weights(data_dir, table=nowhere).pull("net")


@pytest.mark.parametrize("use", [load_secret_keys, lambda data_dir: self_signed(data_dir, 1e9), pull])
def test_whoever_is_first_makes_the_data_directory_for_its_user_alone(
    tmp_path: Path, use: Callable[[Path], object]
) -> None:
    use(tmp_path / "share/antiphon")
    assert modes(tmp_path / "share/antiphon", tmp_path / "share") == {0o700}


async def test_the_database_makes_its_folder_for_its_user_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "share/antiphon/antiphon.db")
    await store.start()
    await store.close()
    assert modes(tmp_path / "share/antiphon", tmp_path / "share") == {0o700}
