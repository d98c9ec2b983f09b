from __future__ import annotations

from typing import Any

import pytest

from antiphon.connections.redis_url import parse_redis_url
from antiphon.errors import InvalidRequest

TLS = {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
LOGIN = {"username": "us er", "password": "p@s:s/w"}
LOGIN_TEXT = "us%20er:p%40s%3As%2Fw@"


@pytest.mark.parametrize(("url", "expected"), [
    ("redis://h", {"kind": "server", "hosts": (("h", 6379),)}),
    ("redis://h:1/2", {"hosts": (("h", 1),), "database": 2}),
    ("redis://h:1?db=3", {"database": 3}),
    ("redis://[::1]:5", {"hosts": (("::1", 5),)}),
    ("redis://:secret@h", {"login": {"password": "secret"}}),
    (f"rediss://{LOGIN_TEXT}h", {"kind": "server", "login": LOGIN, "tls": TLS}),
    ("rediss://h?ssl_ca_certs=/etc/ca.pem", {"tls": {**TLS, "ssl_ca_certs": "/etc/ca.pem"}}),
    ("unix:///run/redis.sock?db=1", {"hosts": (), "path": "/run/redis.sock", "database": 1}),
    (f"unix://{LOGIN_TEXT}/run/redis.sock", {"path": "/run/redis.sock", "login": LOGIN}),
    ("redis+sentinel://a,b:2", {"kind": "sentinel", "hosts": (("a", 26379), ("b", 2)), "service": "mymaster"}),
    (
        f"redis+sentinels://{LOGIN_TEXT}a/main/4",
        {"service": "main", "database": 4, "login": LOGIN, "sentinel_login": LOGIN, "tls": TLS},
    ),
    (f"redis+sentinel://{LOGIN_TEXT}a/m?sentinel_username=&sentinel_password=", {"login": LOGIN, "sentinel_login": {}}),
    (
        f"redis+sentinel://{LOGIN_TEXT}a/m?sentinel_password=other",
        {"sentinel_login": {"username": "us er", "password": "other"}},
    ),
    (f"redis+cluster://{LOGIN_TEXT}a:7000,b", {"kind": "cluster", "hosts": (("a", 7000), ("b", 6379)), "login": LOGIN}),
    ("redis+clusters://a", {"kind": "cluster", "tls": TLS}),
    ("redis://:p@ss@h/\n", {"login": {"password": "p@ss"}, "hosts": (("h", 6379),)}),
])  # fmt: skip
def test_every_part_of_a_url_is_used(url: str, expected: dict[str, Any]) -> None:
    parsed = parse_redis_url(url)
    assert {name: getattr(parsed, name) for name in expected} == expected


@pytest.mark.parametrize("url", [
    "", "h", "h:6379", "http://h", "redis://", "redis://h:port", "redis://h:99999", "redis://h/name", "redis://h/1/2",
    "redis://h/1?db=2", "redis://h?timeout=3", "redis://h?ssl_ca_certs=/x", "redis://h#0", "redis://user@h",
    "redis://a,b", "unix://h/path", "unix:///", "redis+cluster://h/1", "redis+cluster://h?sentinel_password=x",
    "redis+sentinel://h/s/0/1", "redis+sentinel://a,/s", "redis+sentinel://h/s?ssl_ca_certs=/x",
    "redis://:hunter2/x@h:1", "redis://:hunter2#x@h:1", "redis://:hunter2?x@h:1", "rediss://:hunter2 x@h:hunter2",
    "redis://:x?hunter2@h/0", "redis://:1?hunter2=x@h", "redis://h:1?hunter2=x@h", "redis://h?hunter2", "h:hunter2@h",
    "redis://:hunter2\u2100@h", "redis://:hunter2[@h", "redis://:x@[hunter2]", "redis://:hunter2%ff@h", "redis://h/%ff",
    "redis://h?db=1&db=2", "rediss://h?ssl_ca_certs=/a&ssl_ca_certs=/b", "rediss://h?ssl_ca_certs=", "redis://h?db=",
    "redis+sentinel://h/s?sentinel_password=hunter2&sentinel_password=x", "redis+sentinel://h//1", "redis://h#",
    "redis://:@h", "redis://user:@h", "redis://@h", "unix://:@/s", "redis://:hunt\ter2@h", "redis://h/0?x=%ff",
])  # fmt: skip
def test_what_cannot_be_used_is_refused_without_a_word_of_the_password(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_redis_url(url)
    assert refused.value.param == "ANTIPHON_REDIS_URL"
    assert "redis://" in refused.value.message
    assert "hunter2" not in refused.value.message
    assert refused.value.__context__ is None, "a traceback would show it"


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(parse_redis_url("redis+sentinel://user:hunter2@h/m?sentinel_password=hunter2too"))


@pytest.mark.parametrize(("url", "is_exposed"), [
    ("redis://10.0.0.1", True), ("redis+sentinel://127.0.0.1,10.0.0.1/m", True), ("redis+cluster://h", True),
    ("redis://127.0.0.1", False), ("redis://localhost", False), ("redis://[::1]", False), ("unix:///s", False),
    ("redis://:p@10.0.0.1", False), ("rediss://10.0.0.1", False),
])  # fmt: skip
def test_a_network_without_password_and_tls_is_known(url: str, is_exposed: bool) -> None:
    assert parse_redis_url(url).is_exposed is is_exposed
