"""Settings: told in full, read in one order, refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, SecretStr

from antiphon.app.engines import make_engines
from antiphon.app.settings import (
    load_settings,
    settings_class,
)
from antiphon.app.settings.dubbing import DubbingSettings
from antiphon.errors import InvalidRequest, NotFound
from antiphon.providers.openai.settings import OpenAiSettings
from antiphon.providers.stub.settings import StubSettings


@pytest.mark.parametrize("name", settings_class().model_fields)
def test_every_setting_says_what_it_does_in_a_sentence(name: str) -> None:
    description = settings_class().model_fields[name].description
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
    ("ANTIPHON_ELEVENLABS_API_KEY", "short_key"),
    ("ANTIPHON_ELEVENLABS_API_KEY", ""),
    ("ANTIPHON_OPENAI_BASE_URL", "http://127.0.0.1:99999/v1"),
    ("ANTIPHON_DEEPL_SERVER_URL", "http://127.0.0.1:x"),
    ("ANTIPHON_REALTIME_MAX_FRAME_BYTES", "0"),
    ("ANTIPHON_REALTIME_MAX_QUEUE_BYTES", "-1"),
])  # fmt: skip
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidRequest, match=variable) as refused:
        load_settings()
    assert refused.value.param == variable


NUMBERS = [
    name for name, field in settings_class().model_fields.items() if field.annotation in (int, float, int | None)
]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_beyond_all_reason_is_refused_whichever_setting_it_is(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    variable = f"ANTIPHON_{name.upper()}"
    for value in ("-1", "9" * 15, "nan", "inf"):
        monkeypatch.setenv(variable, value)
        with pytest.raises(InvalidRequest, match=variable):
            load_settings()


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


ALIASES = {
    "TTS_PROVIDER": ("tts", "espeak,stub", ("espeak", "stub")),
    "TRANSLATION_PROVIDER": ("translation", "deepl", ("deepl",)),
    "OPENAI_API_KEY": ("openai_api_key", "sk-usual", SecretStr("sk-usual")),
    "GROQ_API_KEY": ("groq_api_key", "sk-usual", SecretStr("sk-usual")),
    "ANTHROPIC_API_KEY": ("anthropic_api_key", "sk-usual", SecretStr("sk-usual")),
    "DEEPL_API_KEY": ("deepl_api_key", "sk-usual", SecretStr("sk-usual")),
    "DEEPL_AUTH_KEY": ("deepl_api_key", "sk-usual", SecretStr("sk-usual")),
    "ELEVENLABS_API_KEY": ("elevenlabs_api_key", "sk-usual-key", SecretStr("sk-usual-key")),
    "OPENAI_API_BASE": ("openai_base_url", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
    "LLM_PROVIDER": ("llm", "ollama", ("ollama",)),
    "TTS_ENGINE": ("tts", "kokoro,espeak", ("kokoro", "espeak")),
    "TTS_SPEED": ("speech_speed", "1.25", 1.25),
    "WHISPER_MODEL": ("whisper_model", "tiny.en", "tiny.en"),
    "ASR_MODEL_SIZE": ("whisper_model", "tiny.en", "tiny.en"),
    "WHISPER_DEVICE": ("whisper_device", "auto", "auto"),
    "ASR_DEVICE": ("whisper_device", "cuda", "cuda"),
    "WHISPER_COMPUTE_TYPE": ("whisper_compute_type", "float16", "float16"),
    "KOKORO_MODEL_DIR": ("kokoro_path", "/srv/kokoro", Path("/srv/kokoro")),
    "ECHO_PROCESSING_DELAY_MS": ("dubbing_echo_delay_ms", "20", 20),
    "ANTIPHON_REQUIRE_AUTH": ("dubbing_require_auth", "false", False),
    "ANTIPHON_WS_MAX_CONNECTIONS": ("dubbing_max_connections", "4", 4),
    "WS_PING_INTERVAL": ("dubbing_ping_interval_s", "5", 5.0),
    "WS_PING_TIMEOUT": ("dubbing_ping_timeout_s", "3", 3.0),
    "AUTO_DISCONNECT_DELAY": ("dubbing_close_s", "1.5", 1.5),
    "RESUME_WINDOW_S": ("dubbing_resume_s", "30", 30.0),
    "GAP_TIMEOUT_MS": ("dubbing_gap_timeout_ms", "700", 700),
    "ASR_TIMEOUT_MS": ("dubbing_asr_timeout_ms", "4000", 4_000),
    "TRANSLATION_TIMEOUT_MS": ("dubbing_translation_timeout_ms", "3000", 3_000),
    "TTS_TIMEOUT_MS": ("dubbing_tts_timeout_ms", "2000", 2_000),
    "BACKPRESSURE_THRESHOLD_LOW": ("dubbing_backpressure_low", "2", 2),
    "BACKPRESSURE_THRESHOLD_MEDIUM": ("dubbing_backpressure_medium", "5", 5),
    "BACKPRESSURE_THRESHOLD_HIGH": ("dubbing_backpressure_high", "8", 8),
    "BACKPRESSURE_THRESHOLD_CRITICAL": ("dubbing_backpressure_critical", "12", 12),
    "DURATION_VARIANCE_SUCCESS_MAX": ("dubbing_variance_success", "0.05", 0.05),
    "DURATION_VARIANCE_PARTIAL_MAX": ("dubbing_variance_partial", "0.3", 0.3),
    "FALLBACK_MODE": ("dubbing_fallback", "original", "original"),
    "VOICE_PROFILES_PATH": ("dubbing_voices", "/config/voices.json", Path("/config/voices.json")),
    "ENABLE_ARTIFACT_LOGGING": ("dubbing_keeps_artifacts", "false", False),
    "ANTIPHON_ARTIFACT_CAPTURE": ("dubbing_artifacts", "media", "media"),
    "ANTIPHON_ARTIFACTS_CAPTURE": ("dubbing_artifacts", "media", "media"),
    "ARTIFACTS_PATH": ("dubbing_artifacts_path", "/srv/kept", Path("/srv/kept")),
    "ARTIFACT_PATH": ("dubbing_artifacts_path", "/srv/kept", Path("/srv/kept")),
    "ARTIFACT_RETENTION_HOURS": ("dubbing_artifacts_hours", "2", 2.0),
    "ARTIFACTS_RETENTION_HOURS": ("dubbing_artifacts_hours", "2", 2.0),
    "ARTIFACT_MAX_COUNT": ("dubbing_artifacts_max_count", "7", 7),
    "ARTIFACTS_MAX_COUNT": ("dubbing_artifacts_max_count", "7", 7),
}
"""Other names of settings: setting, a value, and as what it is read."""


@pytest.mark.parametrize("alias", ALIASES)
def test_a_setting_is_read_from_each_of_its_other_names(monkeypatch: pytest.MonkeyPatch, alias: str) -> None:
    name, value, expected = ALIASES[alias]
    before = load_settings()
    monkeypatch.setenv(alias, value)
    assert load_settings() == before.model_copy(update={name: expected}) != before


def test_there_is_no_other_name_beside_these() -> None:
    choices = {
        (str(choice), name)
        for name, field in settings_class().model_fields.items()
        if isinstance(field.validation_alias, AliasChoices)
        for choice in field.validation_alias.choices
    }
    others = {(choice, name) for choice, name in choices if choice != f"ANTIPHON_{name.upper()}"}
    assert others == {(alias, name) for alias, (name, _, _) in ALIASES.items()}


WRONG = {
    "WHISPER_MODEL": "small",
    "ASR_MODEL_SIZE": "large-v3",
    "WHISPER_DEVICE": "mps",
    "ASR_DEVICE": "gpu",
    "WHISPER_COMPUTE_TYPE": "int4",
    "OPENAI_API_BASE": "http://127.0.0.1:99999",
    "TTS_SPEED": "9",
    "TTS_TIMEOUT_MS": "-1",
}


@pytest.mark.parametrize("alias", WRONG)
def test_a_wrong_value_is_refused_under_the_name_that_it_was_written_with(
    monkeypatch: pytest.MonkeyPatch, alias: str
) -> None:
    monkeypatch.setenv(alias, WRONG[alias])
    with pytest.raises(InvalidRequest, match=f"^{alias}: ") as refused:
        load_settings()
    assert refused.value.param == alias


def test_a_setting_of_ours_wins_over_its_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_MODEL", "tiny.en")
    monkeypatch.setenv("ANTIPHON_WHISPER_MODEL", "base")
    assert load_settings().whisper_model == "base"


def test_an_engine_that_is_not_there_is_refused_under_the_name_that_it_was_written_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLM_PROVIDER", "skynet")
    with pytest.raises(NotFound, match=r"'skynet'.*LLM_PROVIDER"):
        make_engines(load_settings()).of("llm")


def test_all_settings_hand_out_each_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_STUB_TEXT", "hallo")
    monkeypatch.setenv("ANTIPHON_OPENAI_BASE_URL", "")
    settings = load_settings(dubbing_mode="echo").model_copy(update={"stub_llm_words": 3})
    assert settings.section(StubSettings) == StubSettings(stub_text="hallo", stub_llm_words=3)
    assert settings.section(DubbingSettings) == DubbingSettings(dubbing_mode="echo")
    assert settings.section(OpenAiSettings).is_official, "an address without anything in it is none"


def test_a_name_that_is_no_setting_is_refused_among_arguments_too() -> None:
    with pytest.raises(InvalidRequest, match="STUB_TXT"):
        load_settings(stub_txt="hello")
