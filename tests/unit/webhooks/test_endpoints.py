"""Endpoints of webhooks: only URLs of the allow-list, and errors that repeat no URL."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.webhooks.endpoints import parse_endpoints, parse_host

HOSTS = ("hooks.example.com", "other.example.com:8443", "127.0.0.1", "localhost", "[::1]", "127.1", "10.0.0.1")


@pytest.mark.parametrize(("url", "name"), [
    ("https://hooks.example.com", "1:hooks.example.com"),
    ("https://HOOKS.example.com:9000/a/b?key=s3cret", "1:hooks.example.com"),
    ("https://other.example.com:8443/x", "1:other.example.com"),
    ("http://127.0.0.1:8000/x", "1:127.0.0.1"),
    ("http://localhost/x", "1:localhost"),
    ("http://[0:0::1]:8000/x", "1:[::1]"),
])  # fmt: skip
def test_urls_of_the_allow_list_are_endpoints_whose_names_hold_no_path(url: str, name: str) -> None:
    (endpoint,) = parse_endpoints([url], HOSTS)
    assert (endpoint.url, endpoint.name) == (url, name)


@pytest.mark.parametrize(("url", "reason"), [
    ("", "visible ASCII"),
    ("https://hooks.example.com/a b", "visible ASCII"),
    ("https://hooks.example.com/\n", "visible ASCII"),
    ("https://hooks.example.com/\x00", "visible ASCII"),
    ("https://hooks.example.com\\@evil.example", "visible ASCII"),
    (f"https://hooks.example.com/{'x' * 2048}", "visible ASCII"),
    ("https://hооks.example.com/", "visible ASCII"),  # Cyrillic letters
    ("ftp://hooks.example.com", "does not begin with https://"),
    ("hooks.example.com", "does not begin with https://"),
    ("https://user:pa55word@hooks.example.com/", "a user or a password"),
    ("https://@hooks.example.com/", "a user or a password"),
    ("https://hooks.example.com/#x", "a fragment"),
    ("https://hooks.example.com:0/", "invalid port"),
    ("https://hooks.example.com:/", "invalid port"),
    ("https://hooks.example.com:70000/", "invalid host or port"),
    ("https://hooks.example.com:x/", "invalid host or port"),
    ("https://[::1/", "invalid host or port"),
    ("https://[fe80]/", "invalid"),
    ("https:///x", "no valid host"),
    ("https://hooks.example.com./", "no valid host"),
    ("https://evil.example/", "not in ANTIPHON_WEBHOOK_HOSTS"),
    ("https://hooks.example.com.evil.example/", "not in ANTIPHON_WEBHOOK_HOSTS"),
    ("https://other.example.com/", "not in ANTIPHON_WEBHOOK_HOSTS"),
    ("https://169.254.169.254/", "not in ANTIPHON_WEBHOOK_HOSTS"),
    ("http://hooks.example.com/", "loopback addresses only"),
    ("http://10.0.0.1/", "loopback addresses only"),
    ("http://127.1/", "loopback addresses only"),
])  # fmt: skip
def test_other_urls_are_refused_by_their_number(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parse_endpoints(["https://hooks.example.com/first", url], HOSTS)
    assert str(refused.value).startswith("URL 2: ")
    assert not url or url not in str(refused.value)
    assert "pa55word" not in str(refused.value)


def test_a_url_is_given_once() -> None:
    with pytest.raises(ValueError, match="URL 2: it is there twice"):
        parse_endpoints(["https://127.0.0.1/x"] * 2, HOSTS)


@pytest.mark.parametrize(("text", "host"), [
    ("Example.COM", "example.com"),
    ("example.com:443", "example.com:443"),
    ("[0:0::1]:80", "[::1]:80"),
])  # fmt: skip
def test_hosts_have_one_spelling(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize("text", [
    "", "https://example.com", "example.com/x", "a@b", "*", "*.example.com", "example.com:", "example.com:x", "a b",
    "example.com:0", "[::1", "::1", "hôte.example", "example.com\x00",
])  # fmt: skip
def test_other_texts_are_no_hosts(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_host(text)
    assert not text or text not in str(refused.value).replace("a scheme or a path", "")


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.sampled_from(["https://", "http://", "//", ""]))
def test_no_url_leads_to_another_host(rest: str, scheme: str) -> None:
    with suppress(ValueError):
        found = parse_endpoints([f"{scheme}{rest}"], ["only.example"])
        assert [one.name for one in found] == ["1:only.example"]
