"""Signatures of webhooks, verified by the unmodified openai library."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import InvalidWebhookSignatureError, OpenAI

from antiphon.entities.events import Event
from antiphon.webhooks.body import body_of
from antiphon.webhooks.signature import key_of, signed_headers

PREFIXED = f"whsec_{base64.b64encode(bytes(range(224, 256))).decode()}"
PLAIN = "a plain secret".replace(" ", "-") + "-of-many-characters"
CLIENT = OpenAI(api_key="none")


@pytest.mark.parametrize("secret", [PREFIXED, PLAIN])
def test_the_openai_library_accepts_what_is_signed(secret: str) -> None:
    payload = '{"type": "x", "text": "Grüße, 日本語 \\ud83d\\ude00"}'.encode()
    event = Event("t", "evt_1", "session.created", payload, 1_700_000_000.5, "sess_1", 3)
    body = body_of(event)
    headers = signed_headers(key_of(secret), event.event_id, int(time.time()), body)
    CLIENT.webhooks.verify_signature(body, dict(headers), secret=secret)
    seen = CLIENT.webhooks.unwrap(body, dict(headers), secret=secret)
    assert (seen.id, seen.type, seen.object, seen.created_at) == (
        "evt_1",
        "session.created",
        "event",
        1_700_000_000,
    )


@pytest.mark.parametrize("change", ["body", "id", "time", "secret"])
def test_the_openai_library_refuses_what_was_changed(change: str) -> None:
    now = int(time.time())
    body, secret = b"{}", PREFIXED
    headers = dict(signed_headers(key_of(secret), "evt_1", now, body))
    match change:
        case "body":
            body = b"{ }"
        case "id":
            headers["webhook-id"] = "evt_2"
        case "time":
            headers["webhook-timestamp"] = str(now + 1)
        case _:
            secret = PLAIN
    with pytest.raises(InvalidWebhookSignatureError):
        CLIENT.webhooks.verify_signature(body, headers, secret=secret)


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(codec="utf-8")), st.from_regex(r"[!-~]{1,40}"))
def test_every_key_body_and_id_is_verified(key: bytes, text: str, name: str) -> None:
    secret, body = f"whsec_{base64.b64encode(key).decode()}", text.encode()
    assert key_of(secret) == key
    headers = signed_headers(key, name.strip(), int(time.time()), body)
    CLIENT.webhooks.verify_signature(body, dict(headers), secret=secret)
    assert headers["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize("secret", [
    "", "short", "x" * 23, "x" * 257, "a secret with spaces in it, long", "x" * 30 + "\x00", "x" * 30 + "\n",
    "ü" * 30, "whsec_", "whsec_" + "A" * 28, "whsec_" + "-_" * 20, "whsec_" + "A" * 41,
])  # fmt: skip
def test_a_weak_or_unclear_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match=r"secret|base64") as refused:
        key_of(secret)
    assert len(secret) < 10 or secret not in str(refused.value)
