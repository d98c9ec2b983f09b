from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.observe.redaction import REDACTED, Redact

KEY = "0123456789abcdef0123456789abcdef"
"""As ``openssl rand -hex`` makes them: nothing in it says that it is a key."""


def cleaned(text: str) -> str:
    return Redact().text(text)


@pytest.mark.parametrize("text", [
    "Authorization: Bearer {}", "authorization: bearer {}", "AUTHORIZATION=Bearer%20{}", "Authorization: Token {}",
    "Authorization: DeepL-Auth-Key {}", "'Authorization': 'Basic {}'", '{{"authorization": "Bearer {}"}}', "Bearer {}",
    "Token {}", "DeepL-Auth-Key {}", "x-api-key: {}", "X-API-Key={}", "api-key: {}", "xi-api-key: {}", "api_key={}",
    "apikey={}", "ANTIPHON_OPENAI_API_KEY={}", "api%5Fkey={}", "api_key%3D{}", "?api_key={}&model=m", "access_token={}",
    "?access_token={}", "resume_token={}", "X-Antiphon-Resume-Token: {}", "client_secret: {}",
    '\\"api_key\\": \\"{}\\"',
    "{{'token': '{}'}}", "auth={{'token':'{}'}}", "password={}", "Cookie: {}", "Set-Cookie: {}", "secret={}",
    "openai-insecure-api-key.{}", "realtime, openai-insecure-api-key.{}, x", "redis://:{}@h:6379/0",
    "redis+sentinel://user:{}@h,g/m", "postgresql://u:{}@h/db", "https://user:{}@proxy", "signature={}",
    "x-api-key: b'{}'", "{{b'x-api-key': b'{}'}}", "[(b'x-api-key', b'{}')]", "('xi-api-key', '{}')", '["token", "{}"]',
    "(b'authorization', b'Other {}')", "Authorization: Token token={}", 'Authorization: Token token="{}"',
    "Authorization: ApiKey {}", "Authorization: Other {}", "Authorization: {}", 'Bearer "{}"', "bearer: {}",
    "Bearer={}", "Bearer\\n{}", "xiApiKey={}", "clientSecret: {}", "resumeToken={}", "ANTIPHON_API_KEYS=a,{}",
    "api key is {}",
    "the key {} is wrong", "?key={}", "&key={}&x", "auth={}", "AUTH {}", "sig={}", "AWS_SECRET_ACCESS_KEY={}",
    "X-Amz-Credential={}", "Ocp-Apim-Subscription-Key: {}", "private_key={}", "password={};{}", 'password="two {}"',
    "password: 'it\\'s {}'", "password=%22{}%22", "api_key=\n{}", '"api_key":\n  "{}"', "redis://{}@h:1",
    "redis://:pa@{}@h:6", "openai-insecure-api-key%2E{}", "xoxb-{}", "ghp_{}", "github_pat_{}", "nvapi-{}", "pplx-{}",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{}", "-----BEGIN PRIVATE KEY-----\nMIIE{}\n-----END PRIVATE KEY-----",
    "sk-{}", "sk_{}", "ek_{}", "gsk_{}", "sk-ant-{}", "AIza{}", "key was ek_{}.", "({}) is api_key={})",
])  # fmt: skip
def test_a_key_is_hidden_in_every_spelling(text: str) -> None:
    said = text.format(*[KEY] * text.count("{}")) if not text.startswith("({})") else text.format("x", KEY)
    assert KEY not in cleaned(said)
    assert REDACTED in cleaned(said)


@pytest.mark.parametrize(
    "text", ["sk-{}", "ek_{}", "api_key={}", "Bearer {}", "x-api-key: {}", "token {}", '"secret": {}']
)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\n    ", "\\n", "\\\\n", "\\r\\n"])
def test_a_key_that_is_broken_into_lines_is_hidden_whole(text: str, ends: str) -> None:
    shown = cleaned(text.format(f"{KEY[:16]}{ends}{KEY[16:]}"))
    assert KEY[:12] not in shown
    assert KEY[-12:] not in shown


def test_a_line_behind_a_key_stays() -> None:
    assert cleaned(f"sk-{KEY}\nand what else is said") == f"{REDACTED}\nand what else is said"


@pytest.mark.parametrize("name", ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"])
def test_a_key_of_aws_is_known_by_its_looks(name: str) -> None:
    assert cleaned(f"used {name}.") == f"used {REDACTED}."


def test_a_key_of_deepl_is_known_by_its_looks() -> None:
    assert cleaned("refused 2f9d1a3c-0000-4b6d-8e00-3f5b7a9c1d2e:fx") == f"refused {REDACTED}"


@pytest.mark.parametrize("text", [
    "used 5 input_tokens of 100", "input_tokens=5", "max_output_tokens: 7", "the token limit is reached",
    "basic auth is on",
    "session closed", "http://127.0.0.1:8000/v1/realtime", "redis://127.0.0.1:6379/0", "ask-me-anything-about-it",
    "the key key_0123456789ab is over its limit", "set ANTIPHON_API_KEYS, or listen on 127.0.0.1", "key=value",
    "Error 111 connecting to redis.example:6379", "a@b.example", "the primary key of sessions", "auth: required",
    "http://127.0.0.1/x?y=1&z=2026-11-29T01:06:03", "author=a-very-long-name-of-1984", "monkey=abcdefghijkl12",
    "tokens: 4", "a task-based worker", "passes=3", "keyboard: qwerty",
])  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert cleaned(text) == text


@pytest.mark.parametrize("name", [
    "api_key", "openai_api_key", "apikey", "x-api-key", "X-Api-Key", "Authorization", "proxy-authorization", "secret",
    "client_secret", "secret_key", "password", "redis_password", "cookie", "Set-Cookie", "access_token", "resume_token",
    "x-antiphon-resume-token", "token", "auth.token", "apiKey",
    "xiApiKey", "api_keys", "access_key", "private-key", "X-Amz-Credential",
])  # fmt: skip
def test_a_field_whose_name_says_secret_is_hidden_whole(name: str) -> None:
    assert Redact()(None, "info", {name: "any words"}) == {name: REDACTED}


@pytest.mark.parametrize("name", ["input_tokens", "tokens", "key_id", "event", "session_id", "author", "tokenizer"])
def test_a_field_of_another_name_stays(name: str) -> None:
    assert Redact()(None, "info", {name: "any words"}) == {name: "any words"}


SECRET = 'p@ss word/ü"\\+1'


@pytest.mark.parametrize("spelled", [SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1]])
def test_a_configured_secret_is_hidden_wherever_it_stands(spelled: str) -> None:
    redact = Redact([SECRET])
    assert redact.text(f"before{spelled}after") == f"before{REDACTED}after"


@pytest.mark.parametrize("ends", ["\n", "\r\n\t", "\\n", "\\\\r\\\\n"])
def test_a_configured_secret_that_is_broken_into_lines_is_hidden(ends: str) -> None:
    broken = ends.join([SECRET[:3], SECRET[3:9], SECRET[9:]])
    assert Redact([SECRET]).text(f"before{broken}after") == f"before{REDACTED}after"


def test_a_secret_that_begins_like_another_is_hidden_whole() -> None:
    assert Redact(["abcdef", "abcdefghi"]).text("abcdefghi abcdef") == f"{REDACTED} {REDACTED}"


def test_a_secret_of_a_few_characters_hides_no_words() -> None:
    assert Redact(["a"]).text("a banana") == "a banana"


class Refusal(Exception):
    pass


@pytest.mark.parametrize("value", [
    Refusal(f"api_key={KEY}"), [("x-api-key", KEY)], {"headers": [["Authorization", KEY]]}, ("apiKey", KEY),
    PurePosixPath(f"/x?api_key={KEY}"), {f"Bearer {KEY}": 1}, [f"Bearer {KEY}"],
    {f"Bearer {KEY}"}, (f"Bearer {KEY}",), {"a": [{"b": f"Bearer {KEY}"}]}, KEY.encode(), memoryview(KEY.encode()),
])  # fmt: skip
def test_a_secret_is_hidden_inside_of_any_value(value: Any) -> None:
    event = Redact()(None, "info", {"value": value})
    assert KEY not in json.dumps(event)


@given(st.text(max_size=40), st.text(max_size=40), st.text(min_size=6, max_size=60))
def test_a_configured_secret_is_never_left(before: str, after: str, secret: str) -> None:
    shown = Redact([secret]).text(before + secret + after).replace(REDACTED, "")
    assert secret not in shown or secret in (before + after)


def test_a_long_text_takes_a_short_time() -> None:
    for hostile in (
        "api_key" * 20_000,
        "://" * 50_000,
        "a:" * 50_000 + "@",
        "bearer " * 20_000,
        "=" * 100_000,
        "-_" * 60_000,
        "api_key='" + "\\n" * 50_000,
        "api_key=a" + ",a" * 50_000,
        "sk-aaaaaaaa\n" * 10_000,
        "authorization: a " * 8_000,
        "".join("api_key=" + "\\" * (at % 4) + "\"'"[at % 2] for at in range(12_000)),
    ):
        assert isinstance(cleaned(hostile), str)
