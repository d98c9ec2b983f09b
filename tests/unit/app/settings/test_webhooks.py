"""Settings of webhooks: wrong ones are refused at the start, and not repeated."""

from __future__ import annotations

import pytest

from antiphon.app.settings import load, load_settings
from antiphon.app.settings.webhooks import WebhookSettings
from antiphon.errors import InvalidRequest

SECRET = "s" * 24
GOOD = {
    "ANTIPHON_WEBHOOK_URLS": "https://hooks.example.com/a?t=1, http://127.0.0.1:9000/b",
    "ANTIPHON_WEBHOOK_SECRET": SECRET,
    "ANTIPHON_WEBHOOK_HOSTS": "Hooks.example.com,127.0.0.1:9000",
}


def read(monkeypatch: pytest.MonkeyPatch, **changed: str) -> WebhookSettings:
    for name, value in {**GOOD, **changed}.items():
        monkeypatch.setenv(name, value)
    return load(WebhookSettings)


def test_without_settings_there_are_no_webhooks() -> None:
    settings = load(WebhookSettings)
    assert settings.webhook_urls == ()
    assert settings.webhook_events == (
        "session.created",
        "transcription.completed",
        "session.closed",
        "quota.warning",
    )


def test_urls_of_the_allow_list_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, ANTIPHON_WEBHOOK_EVENTS="session.created")
    assert settings.webhook_urls == ("https://hooks.example.com/a?t=1", "http://127.0.0.1:9000/b")
    assert settings.webhook_hosts == ("hooks.example.com", "127.0.0.1:9000")
    assert settings.webhook_events == ("session.created",)
    assert SECRET not in repr(settings)
    assert load_settings().webhook_urls == settings.webhook_urls


@pytest.mark.parametrize(("name", "value", "reason"), [
    ("URLS", "https://user:pa55word@hooks.example.com/", "URL 1: it has a user or a password"),
    ("URLS", "https://evil.example/pa55word", "URL 1: its host is not in"),
    ("URLS", "http://hooks.example.com/", "URL 1: http:// is for loopback"),
    ("URLS", ",".join(f"https://hooks.example.com/{number}" for number in range(17)), "at most 16"),
    ("HOSTS", "", "URL 1: its host is not in"),
    ("HOSTS", "https://pa55word", "write HOST or HOST:PORT"),
    ("SECRET", "", "it is needed with ANTIPHON_WEBHOOK_URLS"),
    ("SECRET", "pa55word", "shorter than 24 bytes"),
    ("SECRET", "whsec_pa55word", "base64|shorter"),
    ("EVENTS", "", "at least 1 item"),
    ("EVENTS", "ltm.stored", "does not begin with 'ltm'"),
    ("EVENTS", "a b", "a type has letters"),
    ("TIMEOUT_S", "0", "greater than 0"),
    ("TIMEOUT_S", "nan", "finite"),
    ("RETRY_S", "-1", "greater than or equal to 0"),
    ("RETRY_S", "x", "valid number"),
])  # fmt: skip
def test_wrong_values_are_refused_with_their_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason) as refused:
        read(monkeypatch, **{f"ANTIPHON_WEBHOOK_{name}": value})
    blamed = "ANTIPHON_WEBHOOK_URLS" if reason.startswith("URL 1") else f"ANTIPHON_WEBHOOK_{name}"
    assert refused.value.param == blamed
    assert refused.value.message.startswith(f"{blamed}: ")
    assert "pa55word" not in refused.value.message
