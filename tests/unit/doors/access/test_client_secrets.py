from __future__ import annotations

import base64
import hashlib
import stat
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from antiphon.doors.access.client_secrets import MAX_LENGTH, EphemeralSecrets, load_secret_keys
from antiphon.errors import InvalidRequest, Unauthenticated
from antiphon.wire.secrets import SessionSecretBounds

KEY = b"0123456789abcdef0123456789abcdef"
SESSION = b'{"type":"realtime","instructions":"be brief"}'
NOW = 1_700_000_000.5


@pytest.fixture
def ephemeral() -> EphemeralSecrets:
    return EphemeralSecrets(KEY)


def test_a_secret_gives_back_what_it_was_issued_for(ephemeral: EphemeralSecrets) -> None:
    issued = ephemeral.issue(SESSION, "acme", 600, NOW, issuer="key_1", kind="realtime")
    grant = ephemeral.verify(issued.value, NOW + 1)
    assert (grant.tenant, grant.session, grant.expires_at) == ("acme", SESSION, issued.expires_at)
    assert issued.expires_at == 1_700_000_600
    assert grant.id.startswith("ek_")
    assert grant.id not in issued.value


def test_a_secret_may_be_used_again_until_it_expires(ephemeral: EphemeralSecrets) -> None:
    issued = ephemeral.issue(SESSION, "acme", 10, NOW, issuer="key_1", kind="realtime")
    assert ephemeral.verify(issued.value, NOW) == ephemeral.verify(issued.value, issued.expires_at - 0.001)
    with pytest.raises(Unauthenticated) as refused:
        ephemeral.verify(issued.value, issued.expires_at)
    assert refused.value.code == "expired_secret"


def test_another_server_with_the_same_key_accepts_a_secret_and_one_with_another_key_does_not() -> None:
    issued = EphemeralSecrets(KEY).issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="realtime")
    assert EphemeralSecrets(KEY).verify(issued.value, NOW).session == SESSION
    with pytest.raises(Unauthenticated):
        EphemeralSecrets(KEY[::-1]).verify(issued.value, NOW)


def test_a_secret_hides_its_session_from_its_bearer(ephemeral: EphemeralSecrets) -> None:
    first = ephemeral.issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="realtime").value
    second = ephemeral.issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="realtime").value
    assert first != second
    assert "instructions" not in first


def test_a_secret_fits_the_subprotocol_header(ephemeral: EphemeralSecrets) -> None:
    value = ephemeral.issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="realtime").value
    assert value.startswith("ek_")
    assert set(value) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_no_changed_character_is_accepted(ephemeral: EphemeralSecrets) -> None:
    value = ephemeral.issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="realtime").value
    for position in range(3, len(value) - 1):  # the very last one may hold unused bits only
        changed = value[:position] + ("A" if value[position] != "A" else "B") + value[position + 1 :]
        with pytest.raises(Unauthenticated) as refused:
            ephemeral.verify(changed, NOW)
        assert refused.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "ek_",
        "ek_A",
        "ek_AAAA",
        "sk-something",
        "ek_" + "A" * 100,
        "ek_!!!!",
        "ek_ä",
        "ek_\udcff",
        "EK_AAAA",
        "ek_" + "A" * 10**6,
    ],
)
def test_nonsense_is_refused(ephemeral: EphemeralSecrets, token: str) -> None:
    with pytest.raises(Unauthenticated):
        ephemeral.verify(token, NOW)


def test_no_truncated_or_extended_secret_is_accepted(ephemeral: EphemeralSecrets) -> None:
    value = ephemeral.issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="realtime").value
    for changed in (*(value[:length] for length in range(len(value) - 1)), value + "AA", value + "."):
        with pytest.raises(Unauthenticated):
            ephemeral.verify(changed, NOW)


@pytest.mark.parametrize("ttl_s", [9, 7201, 0, -1, 10**12])
def test_a_ttl_out_of_range_is_refused(ephemeral: EphemeralSecrets, ttl_s: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ephemeral.issue(SESSION, "acme", ttl_s, NOW, issuer="key_1", kind="realtime")
    assert refused.value.param == "expires_after.seconds"


@pytest.mark.parametrize("ttl_s", [10, 7200])
def test_the_borders_of_the_ttl_are_allowed(ephemeral: EphemeralSecrets, ttl_s: int) -> None:
    assert ephemeral.issue(SESSION, "acme", ttl_s, NOW, issuer="key_1", kind="realtime").expires_at == int(NOW) + ttl_s


def test_a_session_too_large_for_a_header_is_refused(ephemeral: EphemeralSecrets) -> None:
    import random

    noise = random.Random(1).randbytes(MAX_LENGTH)
    with pytest.raises(InvalidRequest) as refused:
        ephemeral.issue(noise, "acme", 60, NOW, issuer="key_1", kind="realtime")
    assert refused.value.code == "session_too_large"


@pytest.mark.parametrize("keys", [(b"short",), (b"x" * 31,), (KEY, b"short"), (KEY, b"")])
def test_a_short_secret_key_is_refused_by_the_name_of_its_setting(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidRequest, match=r"ANTIPHON_SECRET_KEY.*32"):
        EphemeralSecrets(*keys)


def test_a_former_key_opens_what_it_sealed_and_seals_nothing_any_more() -> None:
    former, present = EphemeralSecrets(KEY), EphemeralSecrets(KEY[::-1], b"another key of thirty-two bytes!", KEY)
    old = former.issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="realtime").value
    assert present.verify(old, NOW).session == SESSION
    new = present.issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="realtime").value
    assert EphemeralSecrets(KEY[::-1]).verify(new, NOW).session == SESSION
    with pytest.raises(Unauthenticated):
        former.verify(new, NOW)


def test_a_secret_of_an_older_version_is_accepted_without_an_issuer(ephemeral: EphemeralSecrets) -> None:
    payload = msgspec.msgpack.encode(("0123456789abcdef", "acme", int(NOW) + 60, SESSION))
    cipher = AESGCM(hashlib.sha256(b"antiphon ephemeral secret v1\0" + KEY).digest())
    sealed = cipher.encrypt(bytes(12), zlib.compress(payload), b"ek_")
    value = "ek_" + base64.urlsafe_b64encode(bytes(12) + sealed).rstrip(b"=").decode()
    grant = ephemeral.verify(value, NOW)
    assert (grant.id, grant.session, grant.issuer, grant.kind) == ("ek_0123456789abcdef", SESSION, "", "")


def test_a_secret_carries_its_issuer_its_kind_and_its_bounds(ephemeral: EphemeralSecrets) -> None:
    bounds = SessionSecretBounds(uses=1, origins=("https://app.example",), locked=("tools",), max_sessions=5)
    value = ephemeral.issue(SESSION, "acme", 60, NOW, issuer="key_1", kind="transcription", bounds=bounds).value
    grant = ephemeral.verify(value, NOW)
    assert (grant.issuer, grant.kind, grant.bounds) == ("key_1", "transcription", bounds)


def test_the_secret_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_secret_keys(data_dir)[0], range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert [path.name for path in data_dir.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600


def test_a_secret_key_that_others_can_read_is_closed_again(tmp_path: Path) -> None:
    keys = load_secret_keys(tmp_path)
    (tmp_path / "secret_key").chmod(0o644)
    assert load_secret_keys(tmp_path) == keys
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_a_configured_secret_key_wins_and_leaves_no_file(tmp_path: Path) -> None:
    assert load_secret_keys(tmp_path, "configured-secret-key, former") == [b"configured-secret-key", b"former"]
    assert not (tmp_path / "secret_key").exists()
