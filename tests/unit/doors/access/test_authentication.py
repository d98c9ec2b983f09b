from __future__ import annotations

from typing import Any

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.access.authentication import (
    Access,
    Credentials,
    is_loopback,
    key_id,
    refuse_open_exposure,
    subprotocol,
)
from antiphon.doors.access.client_secrets import EphemeralSecrets
from antiphon.errors import Forbidden, InvalidRequest, Unauthenticated

SECRETS = EphemeralSecrets(b"0123456789abcdef" * 2)
LOCAL = "127.0.0.1:8000"


def access(*keys: str, origins: tuple[str, ...] = (), clock: VirtualClock | None = None) -> Access:
    return Access(keys, SECRETS, clock or VirtualClock(), allowed_origins=origins)


def scope(
    *headers: tuple[str, str], query: str = "", subprotocols: tuple[str, ...] = (), scheme: str = "http"
) -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers]
    return {
        "headers": raw,
        "query_string": query.encode(),
        "subprotocols": list(subprotocols),
        "scheme": scheme,
    }


# -- where a key may stand


@pytest.mark.parametrize(
    "request_scope",
    [
        scope(("Authorization", "Bearer sk-1")),
        scope(("Authorization", "bearer   sk-1 ")),
        scope(("X-API-Key", "sk-1")),
        scope(("api-key", "sk-1")),
        scope(query="api_key=sk-1&model=m"),
        scope(query="model=m&access_token=sk-1"),
        scope(subprotocols=("realtime", "openai-insecure-api-key.sk-1", "openai-agents-sdk.0.2")),
        scope(("Authorization", "Bearer sk-1"), query="api_key=other"),
        scope(("Authorization", "Basic abc"), ("X-API-Key", "sk-1")),
        scope(("Authorization", "Bearer "), query="api_key=&access_token=sk-1"),
        scope(query="api_key=sk-1&api_key=sk-2"),
        scope(query="api_key=sk%2D1"),
    ],
)
def test_a_key_is_found_in_every_place_that_clients_use(request_scope: dict[str, Any]) -> None:
    found = Credentials.of_scope(request_scope)
    assert found.key == "sk-1"
    assert access("sk-1").admit(found).key_id == key_id("sk-1")


@pytest.mark.parametrize(
    "request_scope",
    [
        scope(),
        scope(("Authorization", "Basic c2stMQ==")),
        scope(("Authorization", "sk-1")),
        scope(query="&".join(f"a{i}=1" for i in range(200)) + "&api_key=sk-1"),
        scope(subprotocols=("realtime",)),
        scope(query="%ff=%ff"),
    ],
)
def test_no_key_is_found_where_there_is_none(request_scope: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        access("sk-1").admit(Credentials.of_scope(request_scope))
    assert refused.value.code == "missing_api_key"


# -- with keys


@pytest.mark.parametrize("key", ["sk-", "sk-11", "sk-2", "SK-1", "zz", "sk-1\udcff", "ключ"])
def test_a_wrong_key_is_refused(key: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        access("sk-1", "sk-22").admit(Credentials(key=key, host=LOCAL))
    assert refused.value.code == "invalid_api_key"
    assert key not in refused.value.message


def test_every_configured_key_works_and_has_its_own_name() -> None:
    both = access("sk-1", "ключ")
    names = {both.admit(Credentials(key=key)).key_id for key in ("sk-1", "ключ")}
    assert len(names) == 2
    assert all(name.startswith("key_") and len(name) == 16 for name in names)


@pytest.mark.parametrize("host", ["example.com", "10.0.0.5:8000", "", LOCAL])
@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_with_a_key_host_and_origin_do_not_count(host: str, origin: str | None) -> None:
    identity = access("sk-1").admit(Credentials(key="sk-1", host=host, origin=origin))
    assert (identity.tenant, identity.session, identity.is_ephemeral) == ("default", None, False)


def test_with_keys_configured_a_local_caller_needs_one_too() -> None:
    guarded = access("sk-1")
    assert not guarded.is_open
    with pytest.raises(Unauthenticated):
        guarded.admit(Credentials(host=LOCAL))


# -- open


@pytest.mark.parametrize("host", [LOCAL, "localhost", "LOCALHOST:1", "127.9.9.9", "[::1]:8000", "[::1]"])
@pytest.mark.parametrize("key", ["", "sk-anything"])
def test_an_open_server_serves_its_own_machine_with_any_key_or_none(host: str, key: str) -> None:
    assert access().is_open
    assert access().admit(Credentials(key=key, host=host)).key_id == "open"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "192.168.0.7:8000",
        "0.0.0.0",
        "a@localhost",
        "localhost:x",
        "localhost/..",
        "localhost:99999",
        "::1",
        "[::1",
        "[::2]",
        "localhost,evil",
        "evil#localhost",
        "2130706433",
        "localhost.",
    ],
)
def test_an_open_server_refuses_every_other_host_name(host: str) -> None:
    with pytest.raises(Forbidden) as refused:
        access().admit(Credentials(host=host))
    assert refused.value.code == "host_not_allowed"


def test_two_host_headers_are_no_host() -> None:
    found = Credentials.of_scope(scope(("Host", LOCAL), ("Host", "evil.example")))
    with pytest.raises(Forbidden):
        access().admit(found)


@pytest.mark.parametrize(
    ("host", "origin", "secure"),
    [
        (LOCAL, "http://127.0.0.1:8000", False),
        (LOCAL, "HTTP://127.0.0.1:8000", False),
        (LOCAL, "https://127.0.0.1:8000", True),
        ("localhost", "http://localhost", False),
        ("localhost:80", "http://localhost", False),
        ("localhost", "https://localhost:443", True),
        ("[::1]:8000", "http://[::1]:8000", False),
    ],
)
def test_an_open_server_serves_its_own_pages(host: str, origin: str, secure: bool) -> None:
    assert access().admit(Credentials(host=host, origin=origin, secure=secure)).key_id == "open"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost:3000",
        "https://127.0.0.1:8000",
        "http://localhost:8000",
        "null",
        "",
        "file://",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1:80000",
        "http://127.0.0.1",
        "http://127.0.0.1:8000, http://evil.example",
        "http://evil@127.0.0.1:8000",
        "chrome-extension://abc",
    ],
)
def test_an_open_server_refuses_pages_of_strangers(origin: str) -> None:
    with pytest.raises(Forbidden) as refused:
        access().admit(Credentials(host=LOCAL, origin=origin))
    assert refused.value.code == "origin_not_allowed"


def test_allowed_origins_are_served_in_any_spelling() -> None:
    listed = access(origins=("https://App.example:443/", "http://localhost:3000", "tauri://localhost"))
    for origin in ("https://app.example", "http://localhost:3000", "tauri://localhost"):
        assert listed.admit(Credentials(host=LOCAL, origin=origin)).key_id == "open"
    for origin in ("http://app.example", "http://localhost:3001", "https://app.example:8443"):
        with pytest.raises(Forbidden):
            listed.admit(Credentials(host=LOCAL, origin=origin))


def test_an_allowed_origin_does_not_lift_the_host_rule() -> None:
    with pytest.raises(Forbidden):
        access(origins=("*",)).admit(Credentials(host="evil.example", origin="https://evil.example"))
    assert access(origins=("*",)).admit(Credentials(host=LOCAL, origin="https://any.example")).key_id == "open"


def test_two_origin_headers_never_match() -> None:
    found = Credentials.of_scope(
        scope(("Host", LOCAL), ("Origin", f"http://{LOCAL}"), ("Origin", "http://evil.example"))
    )
    with pytest.raises(Forbidden):
        access().admit(found)


def told(site: str, dest: str, *more: tuple[str, str]) -> Credentials:
    return Credentials.of_scope(scope(("Host", LOCAL), ("Sec-Fetch-Site", site), ("Sec-Fetch-Dest", dest), *more))


@pytest.mark.parametrize("dest", ["image", "script", "iframe", "audio", "empty", "object"])
def test_a_resource_embedded_by_another_site_is_refused_without_an_origin_too(dest: str) -> None:
    with pytest.raises(Forbidden) as refused:
        access(origins=("https://app.example",)).admit(told("cross-site", dest))
    assert refused.value.code == "origin_not_allowed"


def test_a_link_an_own_page_and_a_page_that_is_allowed_are_served() -> None:
    listed = access(origins=("https://app.example",))
    assert listed.admit(told("cross-site", "document")).key_id == "open"
    assert listed.admit(told("cross-site", "empty", ("Origin", "https://app.example"))).key_id == "open"
    for site in ("same-origin", "none"):
        assert listed.admit(told(site, "script")).key_id == "open"
    assert access(origins=("*",)).admit(told("cross-site", "image")).key_id == "open"


# -- ephemeral secrets


@pytest.mark.parametrize("keys", [(), ("sk-1",)])
def test_an_ephemeral_secret_is_let_in_with_its_session_from_any_page(keys: tuple[str, ...]) -> None:
    clock = VirtualClock()
    secret = SECRETS.issue(
        b"{}", "acme", 60, clock.wall(), issuer=key_id(keys[0]) if keys else "open", kind="realtime"
    ).value
    browser = Credentials.of_scope(
        scope(
            ("Host", "speech.example"),
            ("Origin", "https://app.example"),
            subprotocols=("realtime", f"openai-insecure-api-key.{secret}"),
        )
    )
    identity = access(*keys, clock=clock).admit(browser)
    assert (identity.tenant, identity.session, identity.is_ephemeral) == ("acme", b"{}", True)
    assert identity.key_id.startswith("ek_")
    clock.advance(60)
    with pytest.raises(Unauthenticated) as refused:
        access(*keys, clock=clock).admit(browser)
    assert refused.value.code == "expired_secret"


@pytest.mark.parametrize("keys", [(), ("sk-1",)])
def test_a_forged_ephemeral_secret_is_refused_even_when_open(keys: tuple[str, ...]) -> None:
    with pytest.raises(Unauthenticated):
        access(*keys).admit(Credentials(key="ek_forged", host=LOCAL))


# -- the rest


def test_the_selected_subprotocol_never_holds_a_key() -> None:
    assert subprotocol(("openai-insecure-api-key.sk-1", "realtime", "openai-agents-sdk.1")) == "realtime"
    assert subprotocol(("openai-insecure-api-key.sk-1",)) is None
    assert subprotocol(()) is None


def test_an_open_server_listens_on_loopback_only() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        refuse_open_exposure(host, is_open=access().is_open)
    for host in ("0.0.0.0", "::", "192.168.0.1", "speech.example"):
        with pytest.raises(InvalidRequest):
            refuse_open_exposure(host, is_open=access().is_open)
        refuse_open_exposure(host, is_open=access("sk-1").is_open)


def test_a_scope_over_tls_is_secure() -> None:
    assert Credentials.of_scope(scope(scheme="wss")).secure
    assert not Credentials.of_scope(scope(scheme="ws")).secure
    assert not is_loopback("")


@pytest.mark.parametrize(("issuer", "keys"), [("key_gone", ("sk-1",)), ("open", ("sk-1",)), ("key_gone", ())])
def test_a_secret_ends_with_the_key_that_issued_it(issuer: str, keys: tuple[str, ...]) -> None:
    secret = SECRETS.issue(b"{}", "acme", 60, VirtualClock().wall(), issuer=issuer, kind="realtime").value
    with pytest.raises(Unauthenticated):
        access(*keys).admit(Credentials(key=secret, host=LOCAL))


# -- shares


@pytest.mark.parametrize(
    ("keys", "with_strangers", "share"),
    [
        ((), False, 10),
        ((), True, 10),
        (("a",), False, 10),
        (("a", "a"), False, 10),
        (("a", "b"), False, 8),
        (("a",), True, 8),
    ],
)
def test_a_key_leaves_a_fifth_to_others_where_there_are_any(
    keys: tuple[str, ...], with_strangers: bool, share: int
) -> None:
    assert access(*keys).share(10, with_strangers=with_strangers) == share
    assert access(*keys).share(1, with_strangers=with_strangers) == 1


@pytest.mark.parametrize("tenant", ["", "two words", "a:b", "{a}", "a\n", "ä", "x" * 65])
def test_a_tenant_that_would_break_the_names_it_is_part_of_is_let_in_by_no_secret(tenant: str) -> None:
    now = VirtualClock().wall()
    for named in ("acme-1.eu_west", tenant):
        secret = SECRETS.issue(b"{}", named, 600, now, issuer=key_id("sk-1"), kind="realtime").value
        request = Credentials.of_scope(scope(("Authorization", f"Bearer {secret}")))
        if named != tenant:
            assert access("sk-1").admit(request).tenant == named
            continue
        with pytest.raises(Unauthenticated, match="no valid tenant"):
            access("sk-1").admit(request)
