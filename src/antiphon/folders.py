"""Folders of this server's own: they hold keys, and what people said."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

_NAME_BYTES = 200
"""Longest name of a folder. File systems allow 255."""


def make_private(folder: Path) -> None:
    """Make a folder, and those around it that are missing, for this user alone; one that is there stays as it is.

    Raises `OSError`.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def folder_name(identifier: str) -> str:
    """Return a name for a folder that any text may have asked for, another one for every other text.

    ASCII letters, digits, ``.``, ``_`` and ``-`` stay; other bytes of its UTF-8 form are written ``%XX``, as in
    addresses, so that the text can be read back. The empty text is ``%``. What is longer than 200 bytes is cut and
    ends with ``~`` and its SHA-256.
    """
    if not identifier:
        return "%"
    if identifier in {".", ".."}:
        return identifier.replace(".", "%2E")
    name = quote(identifier, safe="", errors="surrogatepass").replace("~", "%7E")
    if len(name) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(identifier.encode(errors="surrogatepass")).hexdigest()
    return f"{name[: _NAME_BYTES - len(digest) - 1]}~{digest}"
