from __future__ import annotations

import pytest

from antiphon.doors.access.authentication import TENANT, Identity
from antiphon.doors.access.client_secrets import EphemeralGrant
from antiphon.doors.access.resume_tokens import may_resume, new_token, owner_of, sent_token
from antiphon.ports.sessions import NOBODY

TOKEN = "a-resume-token-of-these-tests"


def key(name: str) -> Identity:
    return Identity(TENANT, name)


def secret(name: str, issuer: str, kind: str = "realtime") -> Identity:
    return Identity(TENANT, name, EphemeralGrant(name, TENANT, 0, b"{}", issuer, kind))


OWNERS = [key("key_a"), secret("ek_1", "key_a")]


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: owner.key_id)
@pytest.mark.parametrize("token", ["", "wrong", TOKEN])
def test_the_owner_resumes_with_and_without_the_token(owner: Identity, token: str) -> None:
    assert may_resume(owner, owner_of(owner, "realtime", TOKEN, "seed"), token)


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: owner.key_id)
@pytest.mark.parametrize("other", [secret("ek_2", "key_a"), key("key_a")], ids=lambda other: other.key_id)
def test_others_of_the_same_key_need_the_token(owner: Identity, other: Identity) -> None:
    record = owner_of(owner, "realtime", TOKEN, "seed")
    assert may_resume(other, record, TOKEN)
    if other.key_id != owner.key_id:
        assert not any(may_resume(other, record, wrong) for wrong in ("", TOKEN[:-1], f"{TOKEN}=", record.token_digest))


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: owner.key_id)
@pytest.mark.parametrize(
    "other",
    [
        key("key_b"),
        key("open"),
        secret("ek_3", "key_b"),
        secret("ek_4", ""),
        secret("ek_5", "key_a", "transcription"),
        secret("ek_6", "key_a", "translation"),
        secret("ek_7", "key_a", ""),
    ],
    ids=lambda other: other.key_id,
)
def test_no_token_lets_in_another_key_or_a_secret_of_another_kind(owner: Identity, other: Identity) -> None:
    assert not may_resume(other, owner_of(owner, "realtime", TOKEN, "seed"), TOKEN)


def test_a_session_without_a_token_is_not_resumed_by_an_empty_one() -> None:
    assert not may_resume(secret("ek_2", "key_a"), owner_of(key("key_a"), "realtime", "", "seed"), "")


def test_a_session_of_the_former_release_is_resumed_by_a_key_and_by_no_secret() -> None:
    assert may_resume(key("key_a"), NOBODY, "")
    assert not any(may_resume(one, NOBODY, "") for one in (secret("ek_1", ""), secret("ek_1", "key_a")))


def test_a_token_is_read_from_the_header_first_and_else_from_the_query() -> None:
    header = [(b"host", b"here"), (b"x-antiphon-resume-token", b" from-header ")]
    assert sent_token(header, {"resume_token": ["from-query"]}) == "from-header"
    assert sent_token([], {"resume_token": ["from-query"]}) == "from-query"
    assert sent_token([], {}) == ""


def test_tokens_are_never_the_same_and_have_256_bits() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 43 for token in tokens)
