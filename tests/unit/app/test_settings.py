"""Settings: told in full, read in one order, refused by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from antiphon.app.settings import Settings, default_data_dir, load_settings
from antiphon.errors import InvalidRequest


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ("ANTIPHON_", "OPENAI_", "GROQ_", "ANTHROPIC_")
    for name in [name for name in os.environ if name.startswith(foreign)]:
        monkeypatch.delenv(name)


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file that the settings read."""
    path = tmp_path / "antiphon.toml"
    path.write_text("")
    monkeypatch.setenv("ANTIPHON_CONFIG", str(path))
    return path


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_does_in_a_sentence(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert description.rstrip().endswith("."), description


def test_without_configuration_the_packaged_engines_serve_on_this_machine() -> None:
    settings = load_settings()
    assert (settings.stt, settings.tts) == (("whisper",), ("hibari", "espeak"))
    assert settings.api_keys == ()
    assert settings.offline is False


@pytest.mark.parametrize(("name", "value", "expected"), [
    ("offline", "true", True),
    ("engine_threads", "3", 3),
    ("bus_lease_s", "2.5", 2.5),
    ("stub_text", "hallo", "hallo"),
    ("llm", "groq, ollama,,rules ", ("groq", "ollama", "rules")),
    ("allowed_origins", "https://a.example,https://b.example", ("https://a.example", "https://b.example")),
    ("data_dir", "/srv/antiphon", Path("/srv/antiphon")),
])  # fmt: skip
def test_a_setting_is_read_from_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: Any
) -> None:
    monkeypatch.setenv(f"ANTIPHON_{name.upper()}", value)
    assert getattr(load_settings(), name) == expected


@pytest.mark.parametrize("name", ["HOST", "PORT", "API_KEY", "API_KEYS", "LOG_LEVEL", "SECRET_KEY", "DATA_DIR"])
def test_a_name_without_the_prefix_is_never_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = load_settings()
    monkeypatch.setenv(name, "debug")
    assert load_settings() == before


def test_the_file_is_read_and_its_lists_are_arrays(toml: Path) -> None:
    toml.write_text('tts = ["kokoro", "hibari"]\nstub_stt_ms = 40\nopenai_api_key = "sk-file"\n')
    settings = load_settings()
    assert settings.tts == ("kokoro", "hibari")
    assert settings.stub_stt_ms == 40
    assert settings.openai_api_key == SecretStr("sk-file")


def test_arguments_win_over_the_environment_and_the_environment_over_the_file(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text('stub_text = "file"\nlog_level = "warning"\nstub_stt_ms = 1\n')
    monkeypatch.setenv("ANTIPHON_STUB_TEXT", "environment")
    monkeypatch.setenv("ANTIPHON_LOG_LEVEL", "error")
    settings = load_settings(stub_text="argument")
    assert (settings.stub_text, settings.log_level, settings.stub_stt_ms) == ("argument", "error", 1)


@pytest.mark.parametrize("text", ["stt = [", 'log_level = "loud"'])
def test_a_wrong_file_is_refused(toml: Path, text: str) -> None:
    toml.write_text(text)
    with pytest.raises(InvalidRequest, match="ANTIPHON_"):
        load_settings()


def test_a_file_that_is_not_there_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANTIPHON_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(InvalidRequest, match=r"ANTIPHON_CONFIG.*nowhere\.toml"):
        load_settings()


def test_a_name_in_the_file_that_means_nothing_is_refused(toml: Path) -> None:
    toml.write_text('sst = ["whisper"]\n')
    with pytest.raises(InvalidRequest, match="sst"):
        load_settings()


@pytest.mark.parametrize(("variable", "value"), [
    ("ANTIPHON_ENGINE_THREADS", "0"),
    ("ANTIPHON_ENGINE_THREADS", "many"),
    ("ANTIPHON_LOG_LEVEL", "loud"),
    ("ANTIPHON_BUS_LEASE_S", "-1"),
    ("ANTIPHON_WHISPER_PADDING_S", "31"),
    ("ANTIPHON_OFFLINE", "perhaps"),
])  # fmt: skip
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidRequest, match=variable) as refused:
        load_settings()
    assert refused.value.param == variable


def test_a_wrong_secret_is_not_repeated_in_the_refusal(toml: Path) -> None:
    toml.write_text("api_keys = [1234567]\n")
    with pytest.raises(InvalidRequest) as refused:
        load_settings()
    assert "1234567" not in refused.value.message


@pytest.mark.parametrize(("name", "usual"), [
    ("openai_api_key", "OPENAI_API_KEY"),
    ("groq_api_key", "GROQ_API_KEY"),
    ("anthropic_api_key", "ANTHROPIC_API_KEY"),
])  # fmt: skip
def test_a_vendors_usual_name_is_read_but_ours_wins(monkeypatch: pytest.MonkeyPatch, name: str, usual: str) -> None:
    monkeypatch.setenv(usual, "sk-usual")
    assert getattr(load_settings(), name) == SecretStr("sk-usual")
    monkeypatch.setenv(f"ANTIPHON_{name.upper()}", "sk-ours")
    assert getattr(load_settings(), name) == SecretStr("sk-ours")
    assert getattr(load_settings(**{name: "sk-given"}), name) == SecretStr("sk-given")


def test_secrets_do_not_appear_in_the_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_API_KEYS", "sk-one,sk-two")
    settings = load_settings(openai_api_key="sk-three", secret_key="sk-four-and-more")
    assert [key.get_secret_value() for key in settings.api_keys] == ["sk-one", "sk-two"]
    assert "sk-" not in f"{settings!r} {settings}"


def test_the_data_lies_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_data_dir() == Path("/data/antiphon")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_data_dir() == Path("/home/someone/.local/share/antiphon")
