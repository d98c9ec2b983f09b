from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.doors.access.client_secrets import load_secret_keys
from antiphon.doors.server.tls import self_signed
from antiphon.errors import ProviderUnavailable
from antiphon.folders import folder_name, make_private
from antiphon.providers.weights.files import Weights
from antiphon.providers.weights.table import ModelEntry, Table
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
    nowhere = Table((ModelEntry("net", "stt", "a network", "MIT", (), default=True, fallback="a pencil"),))
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


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("a/b", "a%2Fb"),
        ("../../etc", "..%2F..%2Fetc"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("", "%"),
        ("%", "%25"),
        ("~a b\0", "%7Ea%20b%00"),
        ("ñ", "%C3%B1"),
        ("\ud800", "%ED%A0%80"),
        ("C:\\x", "C%3A%5Cx"),
    ],
)
def test_signs_that_mean_something_in_a_path_are_encoded(identifier: str, name: str) -> None:
    assert folder_name(identifier) == name


def test_a_long_id_is_cut_and_keeps_a_name_of_its_own() -> None:
    assert folder_name("a" * 200) == "a" * 200
    cut = folder_name("a" * 201)
    assert (len(cut), cut[:136]) == (200, "a" * 135 + "~")
    assert cut != folder_name("a" * 202)
    assert len(folder_name("ñ" * 100)) == 200


IDS = st.text(max_size=80) | st.text(st.sampled_from("./\\%~\0 añ\ud800"), max_size=300)


@given(IDS, IDS)
def test_every_id_is_one_folder_and_different_ids_are_different_ones(one: str, other: str) -> None:
    name = folder_name(one)
    assert Path("/root") / name == Path(os.path.normpath(f"/root/{name}"))
    assert Path(name).name == name
    assert 1 <= len(os.fsencode(name)) <= 200
    assert (name == folder_name(other)) == (one == other)
    if one and "~" not in name:
        assert unquote(name, errors="surrogatepass") == one
