"""Which directions the mode files of an Apertium stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.providers.apertium.modes import Modes, pipeline

LINE = "lt-proc 'a.bin' | apertium-tagger -g $2 'b.prob' | lt-proc $1 'c.bin'\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Modes of several packages, and the program that all begin with."""
    program = tmp_path / "bin" / "lt-proc"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    modes = tmp_path / "modes"
    modes.mkdir()
    for name in ("eng-spa", "spa-eng", "spa-eng_US", "es-pt", "es-pt_BR", "hbs_HR-slv", "oci_aran-cat", "fra-cat_x-y"):
        (modes / f"{name}.mode").write_text(LINE)
    (modes / "README").write_text("modes")
    return modes


@pytest.mark.parametrize(
    ("source", "target", "name"),
    [
        ("en", "es", "eng-spa"),
        ("EN-gb", "ES-mx", "eng-spa"),
        ("es", "en", "spa-eng"),
        ("es", "en-us", "spa-eng_US"),
        ("es", "en-GB", "spa-eng"),
        ("es", "pt", "es-pt"),
        ("es", "pt-BR", "es-pt_BR"),
        ("hr", "sl", "hbs_HR-slv"),
        ("sr", "sl", "hbs_HR-slv"),
        ("oc", "ca", "oci_aran-cat"),
    ],
)
def test_a_pair_is_found_by_its_iso_639_1_codes(folder: Path, source: str, target: str, name: str) -> None:
    mode = Modes([folder]).find(source, target)
    assert mode is not None
    assert mode.name == name


@pytest.mark.parametrize(("source", "target"), [(None, "es"), ("", "es"), ("es", "fr"), ("fr", "ca"), ("en", "en")])
def test_there_is_no_direction_that_is_not_installed(folder: Path, source: str | None, target: str) -> None:
    assert Modes([folder]).find(source, target) is None


def test_a_variant_stands_for_its_language_where_nothing_else_does(folder: Path) -> None:
    (folder / "spa-eng.mode").unlink()
    mode = Modes([folder]).find("es", "en")
    assert mode is not None
    assert mode.name == "spa-eng_US"


def test_the_languages_of_all_are_listed_once(folder: Path) -> None:
    languages = Modes([folder, folder / "nowhere"]).languages
    assert languages == ("bs", "ca", "en", "es", "hr", "oc", "pt", "sh", "sl", "sr")


def test_modes_without_their_programs_are_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    assert Modes([folder]).languages == ()


def test_every_program_of_apertium_is_told_to_hand_on_at_a_nul_and_no_other() -> None:
    assert pipeline(LINE + " ") == "lt-proc -z 'a.bin' | apertium-tagger -z -g $2 'b.prob' | lt-proc -z $1 'c.bin'"
    assert pipeline("/usr/bin/cg-proc 'x' | sed s/a/b/") == "/usr/bin/cg-proc -z 'x' | sed s/a/b/"
