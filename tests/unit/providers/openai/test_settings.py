from __future__ import annotations

import pytest

from antiphon.providers.openai.settings import OFFICIAL_BASE_URL, GroqSettings, OllamaSettings, OpenAiSettings


@pytest.mark.parametrize(
    ("base_url", "is_official"),
    [
        (OFFICIAL_BASE_URL, True),
        (f"{OFFICIAL_BASE_URL}/", True),
        ("http://127.0.0.1:8000/v1", False),
        ("https://api.openai.com/v2", False),
        ("https://api.openai.com.example.org/v1", False),
    ],
)
def test_only_openai_itself_is_official(base_url: str, is_official: bool) -> None:
    assert OpenAiSettings(openai_base_url=base_url).is_official is is_official


def test_openai_is_the_default_and_groq_and_ollama_have_their_own_settings() -> None:
    assert OpenAiSettings().is_official
    assert GroqSettings().groq_api_key is None
    assert OllamaSettings().ollama_base_url == "http://127.0.0.1:11434/v1"


def test_a_key_is_not_shown() -> None:
    assert "sk-secret" not in repr(OpenAiSettings.model_validate({"openai_api_key": "sk-secret"}))
