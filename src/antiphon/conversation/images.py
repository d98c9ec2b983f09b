"""Which pictures a client may hand to the model: their bytes, or an address that the operator has listed."""

from __future__ import annotations

import re
from collections.abc import Collection

import pybase64

from antiphon.conversation.step import EventRefused

_DATA = re.compile(r"data:image/(png|jpe?g|webp|gif);base64,", re.IGNORECASE | re.ASCII)
_ADDRESS = re.compile(r"https://([a-z0-9.-]+)(?::443)?(?:[/?#][!-\[\]-~]*)?", re.IGNORECASE | re.ASCII)
"""Without a user, another port, spaces and backslashes, which readers of addresses take for different things."""
_JPEG = (b"\xff\xd8\xff",)
_MAGIC = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": _JPEG,
    "jpg": _JPEG,
    "gif": (b"GIF87a", b"GIF89a"),
    "webp": (b"RIFF",),
}


def check_image(url: str, hosts: Collection[str], param: str) -> None:
    """Refuse what is no picture, and addresses that are not listed: whoever fetches them does so from inside.

    Raises `EventRefused` with ``param``.
    """
    if (data := _DATA.match(url)) is not None:
        if not _decoded(url[data.end() :]).startswith(_MAGIC[data[1].lower()]):
            raise EventRefused(f"The data is no {data[1].lower()} image.", code="invalid_value", param=param)
        return
    address = _ADDRESS.fullmatch(url)
    if address is None or address[1].lower() not in hosts:
        raise EventRefused(
            "An image is sent as 'data:image/png;base64,…' (or jpeg, webp, gif); this server takes no such address.",
            code="invalid_value",
            param=param,
        )


def _decoded(text: str) -> bytes:
    """Return the bytes of base64, padded or not; none where a character of it is no base64, wherever it stands."""
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""
