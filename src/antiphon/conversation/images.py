"""Checks images from clients: data URLs, or URLs on hosts that the operator has listed."""

from __future__ import annotations

import re
from collections.abc import Collection

import pybase64

from antiphon.conversation.step import EventRefused

_DATA = re.compile(r"data:image/(png|jpe?g|webp|gif);base64,", re.IGNORECASE | re.ASCII)
_ADDRESS = re.compile(r"https://([a-z0-9.-]+)(?::443)?(?:[/?#][!-\[\]-~]*)?", re.IGNORECASE | re.ASCII)
"""Without a user, another port, spaces and backslashes: URL parsers disagree about these."""
_MAGIC = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "jpg": re.compile(rb"\xff\xd8\xff"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}


def check_image(url: str, hosts: Collection[str], param: str) -> None:
    """Refuse data that is no image, and hosts that are not listed: the LLM may fetch URLs inside the network.

    Raises `EventRefused` with ``param``.
    """
    if (data := _DATA.match(url)) is not None:
        if not _MAGIC[data[1].lower()].match(_decoded(url[data.end() :])):
            raise EventRefused(f"The data is not a valid {data[1].lower()} image.", code="invalid_value", param=param)
        return
    address = _ADDRESS.fullmatch(url)
    if address is None or address[1].lower() not in hosts:
        raise EventRefused(
            "An image must be sent as 'data:image/png;base64,…' (or jpeg, webp, gif); this URL is not accepted.",
            code="invalid_value",
            param=param,
        )


def _decoded(text: str) -> bytes:
    """Return the bytes of base64, padded or not; empty if any character is invalid."""
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""
