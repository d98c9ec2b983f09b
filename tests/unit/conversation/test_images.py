from __future__ import annotations

import base64

import pytest

from antiphon.conversation.images import check_image
from antiphon.conversation.step import EventRefused

HEADS = {
    "png": b"\x89PNG\r\n\x1a\n" + bytes(20), "jpeg": b"\xff\xd8\xff\xe0" + bytes(20),
    "jpg": b"\xff\xd8\xff\xe0" + bytes(20), "gif": b"GIF89a" + bytes(20),
    "webp": b"RIFF\x00\x00\x00\x00WEBP" + bytes(20),
}  # fmt: skip
HOSTS = frozenset({"images.example.com"})


@pytest.mark.parametrize("kind", HEADS)
def test_the_data_of_an_image_is_accepted(kind: str) -> None:
    check_image(f"data:image/{kind};base64,{base64.b64encode(HEADS[kind]).decode()}", (), "p")
    check_image(f"DATA:image/{kind.upper()};base64,{base64.b64encode(HEADS[kind]).decode()}", (), "p")


PNG = base64.b64encode(HEADS["png"]).decode()


def test_padding_may_be_left_out() -> None:
    assert PNG.endswith("=")
    check_image(f"data:image/png;base64,{PNG.rstrip('=')}", (), "p")


@pytest.mark.parametrize("url", [
    "https://images.example.com", "https://images.example.com/a.png?size=2#x", "https://IMAGES.example.com:443/a",
])  # fmt: skip
def test_a_listed_host_is_accepted(url: str) -> None:
    check_image(url, HOSTS, "p")
    with pytest.raises(EventRefused):
        check_image(url, (), "p")


@pytest.mark.parametrize("url", [
    "", "x", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "http://127.0.0.1:18799/x", "ftp://h/x",
    "http://images.example.com/a", "https://images.example.com.evil.example/", "https://images.example.com@evil.example/",
    "https://evil.example/images.example.com", "https://evil.example#images.example.com", "//images.example.com/a",
    "https://images.example.com\\@evil.example", "https://images.example.com:8443/", "https://user@images.example.com/",
    "https://images.example.com/a b", "https://images.example.com/\n", " https://images.example.com/", "https:images",
    "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://images.example.com./", "data:text/html,<script>",
    "data:image/svg+xml;base64,PHN2Zz4=", "data:image/png,raw", "data:image/png;base64,AAAA", "data:image/png;base64,",
    "data:image/png;base64,****", "data:image/gif;base64,iVBORw0KGgo=", "javascript:alert(1)", "gopher://h/_x",
    f'data:image/png;base64,{PNG}"}}],http://169.254.169.254/', f"data:image/png;base64,{PNG}{PNG}",
    *[f"data:image/png;base64,{PNG[:32]}{rest}" for rest in ("\n", " ", "\u212a", "-_AA", "A")],
    "https://images.example.com\u0130", "https://\u0131mages.example.com/", "https://\u017fmages.example.com/",
])  # fmt: skip
def test_everything_else_is_refused_with_its_field(url: str) -> None:
    with pytest.raises(EventRefused) as refused:
        check_image(url, HOSTS, "item.content[0].image_url")
    assert (refused.value.code, refused.value.param) == ("invalid_value", "item.content[0].image_url")


@pytest.mark.parametrize("sign", ["\u212a", "\u017f", "\u0131", "\u0130"])
def test_a_letter_that_is_another_one_in_lower_case_makes_no_listed_host(sign: str) -> None:
    with pytest.raises(EventRefused):
        check_image(f"https://{sign}.example/", frozenset({f"{sign.lower()}.example", "k.example", "s.example"}), "p")


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("webp", b"RIFF\x24\x00\x00\x00WAVEfmt "),
        ("webp", b"RIFF"),
        ("gif", b"GIF88a"),
        ("png", HEADS["jpeg"]),
        ("jpeg", HEADS["png"]),
    ],
)
def test_data_of_another_format_is_refused(kind: str, head: bytes) -> None:
    with pytest.raises(EventRefused) as refused:
        check_image(f"data:image/{kind};base64,{base64.b64encode(head).decode()}", (), "item.content[0].image_url")
    assert (refused.value.code, refused.value.param) == ("invalid_value", "item.content[0].image_url")
    assert kind in refused.value.message
