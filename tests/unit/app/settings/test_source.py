"""Sections: loaded alone, brought by engines of others, and known wherever they are defined."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field, SecretStr, model_validator

from antiphon.app.engines import make_engines
from antiphon.app.settings import former_names, load, load_settings, secrets_of, sections, settings_class, weakened
from antiphon.app.settings.dubbing import DubbingSettings
from antiphon.app.variables import unknown_variables
from antiphon.errors import InvalidRequest
from antiphon.ports.settings import Names, Section


class ToySettings(Section):
    """A toy."""

    toy_speed: float = Field(default=1.5, gt=0, le=9, description="Speed of the toy.")
    toy_names: Names = Field(default=(), description="Names of toys.")


class RenamedSettings(Section):
    """A toy whose setting has had another name."""

    old_names: ClassVar[Mapping[str, str]] = {"renamed_pace": "renamed_speed"}
    renamed_speed: float = Field(default=1.5, description="Speed of the toy.")


# -- alone -------------------------------------------------------------------------------------------------------------
def test_one_area_is_loaded_alone_from_the_same_places(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text('dubbing_mode = "echo"\ndubbing_close_s = 7\nlog_level = "debug"\n')
    monkeypatch.setenv("AUTO_DISCONNECT_DELAY", "2")
    monkeypatch.setenv("ANTIPHON_STUB_TEXT", "not of this area")
    settings = load(DubbingSettings, dub_workers=3)
    assert (settings.dubbing_mode, settings.dubbing_close_s, settings.dub_workers) == ("echo", 2.0, 3)
    assert not hasattr(settings, "log_level")


def test_one_area_alone_is_refused_by_its_variable_and_not_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_LOG_LEVEL", "loud")
    assert load(DubbingSettings) == DubbingSettings()
    monkeypatch.setenv("FALLBACK_MODE", "music")
    with pytest.raises(InvalidRequest, match=r"^FALLBACK_MODE: "):
        load(DubbingSettings)


def test_a_section_that_no_list_names_is_read_and_known(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text('toy_speed = 2\ntoy_names = ["bear"]\ndubbing_mode = "echo"\n')
    assert load(ToySettings) == ToySettings(toy_speed=2.0, toy_names=("bear",))
    monkeypatch.setenv("antiphon_toy_speed", "3")
    monkeypatch.setenv("ANTIPHON_TOY_NAMES", "bear, duck")
    assert load(ToySettings) == ToySettings(toy_speed=3, toy_names=("bear", "duck"))
    assert load_settings().dubbing_mode == "echo", "what a section of this process reads is no mistake"
    assert not list(unknown_variables(["ANTIPHON_TOY_SPEED"]))
    assert list(unknown_variables(["ANTIPHON_TOY_SPED"])) == [("ANTIPHON_TOY_SPED", "ANTIPHON_TOY_SPEED")]
    monkeypatch.setenv("ANTIPHON_TOY_SPEED", "fast")
    with pytest.raises(InvalidRequest, match=r"^ANTIPHON_TOY_SPEED: "):
        load(ToySettings)


# -- former names ------------------------------------------------------------------------------------------------------
def test_a_former_name_works_and_is_told(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(RenamedSettings).renamed_speed == 1.5
    assert not list(former_names())
    toml.write_text("renamed_pace = 2\n")
    assert load(RenamedSettings).renamed_speed == 2
    monkeypatch.setenv("antiphon_renamed_pace", "3")
    assert load(RenamedSettings).renamed_speed == 3
    assert not list(unknown_variables(["ANTIPHON_RENAMED_PACE"]))
    assert list(former_names()) == [
        ("ANTIPHON_RENAMED_PACE", "ANTIPHON_RENAMED_SPEED"),
        ("renamed_pace", "renamed_speed"),
    ]


def test_the_present_name_wins_over_the_former_one(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text("renamed_speed = 4\nrenamed_pace = 2\n")
    assert load(RenamedSettings).renamed_speed == 4
    monkeypatch.setenv("ANTIPHON_RENAMED_SPEED", "5")
    monkeypatch.setenv("ANTIPHON_RENAMED_PACE", "3")
    assert load(RenamedSettings).renamed_speed == 5


def test_the_former_names_of_this_release_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_REDIS_PATIENCE_S", "0.5")
    assert load_settings().redis_timeout_s == 0.5
    assert list(former_names()) == [("ANTIPHON_REDIS_PATIENCE_S", "ANTIPHON_REDIS_TIMEOUT_S")]


# -- rules -------------------------------------------------------------------------------------------------------------
def test_a_rule_over_several_settings_is_refused_by_the_name_of_the_section() -> None:
    class Ordered(Section):
        ordered_least: int = 1
        ordered_most: int = 0

        @model_validator(mode="after")
        def _in_order(self) -> Ordered:
            if self.ordered_least > self.ordered_most:
                raise ValueError("the least is more than the most")
            return self

    with pytest.raises(InvalidRequest, match="the least is more than the most"):
        load(Ordered)


def test_making_a_section_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_DUBBING_MODE", "echo")
    assert DubbingSettings().dubbing_mode == "full"


# -- an engine of others -----------------------------------------------------------------------------------------------
SETTINGS = '''
    from __future__ import annotations
    from pydantic import AliasChoices, Field, SecretStr
    from antiphon.ports.settings import Address, Section

    class ParrotSettings(Section):
        """Engine `parrot`."""

        parrot_word: str = Field(
            default="hello", validation_alias=AliasChoices("PARROT_WORD"), description="What it says."
        )
        parrot_times: int = Field(default=1, ge=1, le=9, description="How often it says so.")
        parrot_api_key: SecretStr | None = Field(default=None, description="Key of the parrot.")
        parrot_base_url: Address = Field(default="https://parrot.example", description="Where it sits.")
'''
ENGINE = """
    from __future__ import annotations
    import parrot.heavy
    from antiphon.entities.capabilities import Capabilities
    from parrot.settings import ParrotSettings

    class Parrot:
        def __init__(self, context):
            self.settings = context.section(ParrotSettings)
            self.variable = context.variable("parrot_word")
            self.capabilities = Capabilities("parrot")

    def create(context):
        return Parrot(context)
"""


def install(folder: Path, settings: str = SETTINGS, package: str = "parrot") -> None:
    """Install a package with an engine and its settings into ``folder``."""
    files = {
        f"{package}/__init__.py": "",
        f"{package}/heavy.py": "",
        f"{package}/settings.py": textwrap.dedent(settings),
        f"{package}/engine.py": textwrap.dedent(ENGINE),
        f"{package}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n",
        f"{package}-1.dist-info/entry_points.txt": (
            f"[antiphon.stt]\n{package} = {package}.engine:create\n"
            f"[antiphon.settings]\n{package} = {package}.settings:ParrotSettings\n"
        ),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed engine that no file of this project names."""
    install(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")


def engine(**given: Any) -> Any:
    return make_engines(load_settings(stt="parrot", data_dir=Path("nowhere"), **given)).stt


@pytest.mark.usefixtures("parrot")
def test_an_engine_of_others_has_its_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine().settings.parrot_word == "hello"
    monkeypatch.setenv("PARROT_WORD", "salut")
    made = engine(parrot_times=2)
    assert (made.settings.parrot_word, made.settings.parrot_times, made.variable) == ("salut", 2, "PARROT_WORD")
    monkeypatch.setenv("ANTIPHON_PARROT_WORD", "hola")
    assert engine().settings.parrot_word == "hola"
    assert not list(unknown_variables(["ANTIPHON_PARROT_WORD"]))


@pytest.mark.usefixtures("parrot")
def test_an_engine_of_others_has_its_settings_from_the_file(toml: Path) -> None:
    toml.write_text('parrot_word = "ciao"\n')
    assert engine().settings.parrot_word == "ciao"
    toml.write_text("parrot_times = 10\n")
    with pytest.raises(InvalidRequest, match="ANTIPHON_PARROT_TIMES"):
        load_settings()
    toml.write_text('parot_word = "ciao"\n')
    with pytest.raises(InvalidRequest, match="no setting 'parot_word'"):
        load_settings()


@pytest.mark.usefixtures("parrot")
def test_secrets_of_an_engine_of_others_are_secrets(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_PARROT_BASE_URL", "https://user:hunter2@parrot.example")
    toml.write_text('parrot_api_key = "sk-of-the-parrot"\n')
    toml.chmod(0o644)
    settings = load_settings()
    assert secrets_of(settings) == {"sk-of-the-parrot", "hunter2"}
    assert "sk-of" not in f"{settings!r} {engine().settings!r}"
    assert ["holds parrot_api_key" in effect for _, effect in weakened(settings)] == [True]


@pytest.mark.usefixtures("parrot")
def test_settings_are_known_without_loading_their_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "parrot.heavy", raising=False)
    assert "parrot_word" in {name for section in sections() for name in section.model_fields}
    assert "parrot.heavy" not in sys.modules


def test_two_engines_cannot_have_one_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, SETTINGS.replace("parrot_word", "stub_text"), "cockatoo")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidRequest, match=r"'stub_text'.*cockatoo\.settings"):
        settings_class()


def test_settings_that_cannot_be_imported_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "import a_library_that_is_not_there", "lory")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidRequest, match="a_library_that_is_not_there"):
        settings_class()


# -- sections of secrets -----------------------------------------------------------------------------------------------
def test_the_secrets_of_a_section_alone_are_found() -> None:
    class Safe(Section):
        safe_key: SecretStr = SecretStr("sk-of-the-safe")

    assert secrets_of(Safe(), DubbingSettings()) == {"sk-of-the-safe"}
