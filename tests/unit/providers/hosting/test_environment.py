from __future__ import annotations

import pytest

from antiphon.providers.hosting.environment import OF_DOWNLOADS, child_environment


def test_a_child_gets_what_it_needs_to_run_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("ANTIPHON_API_KEYS", "ANTIPHON_REDIS_URL", "OPENAI_API_KEY", "HF_TOKEN", "PIP_PASSWORD", "AWS_SECRET_ID")
    for name in (*secrets, "HF_HOME", "PIP_INDEX_URL", "LC_CTYPE", "PYTHONPATH"):
        monkeypatch.setenv(name, "value")
    kept = child_environment("HF_", "PIP_")
    assert not kept.keys() & set(secrets)
    assert kept.keys() >= {"PATH", "HF_HOME", "PIP_INDEX_URL", "LC_CTYPE", "PYTHONPATH"}
    assert not child_environment().keys() & {"HF_HOME", "PIP_INDEX_URL"}


@pytest.mark.parametrize(
    "name",
    [
        *("PYTHON_PAT", "PYTHON_AUTH_HEADER", "UV_INDEX_PASS", "UV_PUBLISH_TOKEN", "HF_APIKEY", "HF_API_KEYS"),
        *("HF_ACCESS_TOKENS", "PIP_CREDENTIALS", "PIP_SSH_PASSPHRASE", "HF_my_secret", "LC_PASSWD", "HTTP_AUTH"),
    ],
)
def test_a_name_that_looks_like_a_secret_is_none_of_a_childs(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "value")
    assert name not in child_environment("HF_", "PIP_", "UV_", *OF_DOWNLOADS)


@pytest.mark.parametrize(
    "name",
    [
        *("PIP_KEYRING_PROVIDER", "UV_KEYRING_PROVIDER", "PYTHONPATH", "LD_LIBRARY_PATH", "XDG_PASSTHROUGH", "USER"),
        *("LOGNAME", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
        *("CURL_CA_BUNDLE", "UV_INDEX_WORK_PASSWORD"),
    ],
)
def test_what_only_looks_a_little_like_a_secret_or_is_asked_for_by_name_is_a_childs(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "value")
    assert child_environment("PIP_", "UV_", "UV_INDEX_WORK_PASSWORD", *OF_DOWNLOADS)[name] == "value"
