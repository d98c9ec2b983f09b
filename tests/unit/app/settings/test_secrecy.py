"""Secrets stay secret, and what weakens is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.app.settings import load_settings, others_may_read, secrets_of, weakened


def test_secrets_do_not_appear_in_the_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_API_KEYS", "sk-one-0123456789abc,sk-two-0123456789abc")
    settings = load_settings(openai_api_key="sk-three", secret_key="sk-four-and-more")
    assert [key.get_secret_value() for key in settings.api_keys] == ["sk-one-0123456789abc", "sk-two-0123456789abc"]
    assert "sk-" not in f"{settings!r} {settings}"


@pytest.mark.parametrize(("settings", "secrets"), [
    ({"redis_url": "redis://user:hunt%40er2@h/0"}, {"hunt@er2"}),
    ({"redis_url": "redis+sentinel://:hunter2@h/s?sentinel_password=hunter3"}, {"hunter2", "hunter3"}),
    ({"redis_url": "redis://:hun?ter2@h/0"}, {"redis://:hun?ter2@h/0"}),
    ({"redis_url": "redis://:hun[ter2@h/0"}, {"redis://:hun[ter2@h/0"}),
    ({"redis_url": "redis://:hunter\u21002@h/0"}, {"redis://:hunter\u21002@h/0"}),
    ({"database_url": "postgresql://user:hunt%40er2@h/name"}, {"hunt@er2"}),
    ({"openai_base_url": "https://user:hunter2@h/v1"}, {"hunter2"}),
    ({"secret_key": "a-key-of-32-characters-or-of-more,a-former-one-of-32-characters-or"},
     {"a-key-of-32-characters-or-of-more", "a-former-one-of-32-characters-or"}),
    ({"api_keys": "sk-one-0123456789abc,sk-two-0123456789abc"}, {"sk-one-0123456789abc", "sk-two-0123456789abc"}),
])  # fmt: skip
def test_each_secret_among_the_settings_is_known_by_its_value(settings: dict[str, str], secrets: set[str]) -> None:
    assert secrets_of(load_settings(**settings)) >= secrets


def test_without_secrets_none_is_looked_for() -> None:
    assert secrets_of(load_settings()) == frozenset()


# -- what weakens ------------------------------------------------------------------------------------------------------
KEY = "sk-of-test-settings"


def test_the_defaults_weaken_nothing() -> None:
    assert list(weakened(load_settings())) == []


@pytest.mark.parametrize(("variable", "value"), [
    ("REQUIRE_AUTH", "false"), ("ANTIPHON_DUBBING_REQUIRE_AUTH", "false"), ("ANTIPHON_ALLOWED_ORIGINS", "*"),
])  # fmt: skip
def test_what_lets_more_in_is_said_by_its_name(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert [name for name, _ in weakened(load_settings(api_keys=KEY))] == [variable]


SECRETS = {
    "api_keys": f'api_keys = ["{KEY}"]',
    "secret_key": f'secret_key = "{"s" * 32}"',
    "openai_api_key": 'openai_api_key = "sk-x"',
    "redis_url": 'redis_url = "redis://:password@127.0.0.1:6379/0"',
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("mode", "warns"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True)]
)
def test_a_file_with_a_secret_is_for_its_owner_alone(toml: Path, name: str, mode: int, *, warns: bool) -> None:
    toml.write_text(SECRETS[name])
    toml.chmod(mode)
    told = list(weakened(load_settings()))
    assert others_may_read(toml) == warns
    assert [variable for variable, _ in told] == ["ANTIPHON_CONFIG"] * warns
    assert all(f"holds {name}, " in effect and str(toml) in effect and KEY not in effect for _, effect in told)


@pytest.mark.parametrize("text", ['stt = ["stub"]', 'redis_url = "redis://127.0.0.1:6379/0"', ""])
def test_a_file_without_a_secret_may_be_read(toml: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ANTIPHON_API_KEYS", KEY)
    toml.write_text(text)
    toml.chmod(0o644)
    assert list(weakened(load_settings())) == []
