"""Private directories of this server: they hold keys and user content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

_NAME_BYTES = 200
"""Maximum length of a directory name. File systems allow 255."""


def make_private(folder: Path) -> None:
    """Create a directory and its missing parents for this user alone; existing ones are left unchanged.

    Raises `OSError`.
    """
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def folder_name(identifier: str) -> str:
    """Return a safe directory name for any text, distinct for distinct texts.

    ASCII letters, digits, ``.``, ``_`` and ``-`` stay; other bytes of its UTF-8 form are written ``%XX``, as in
    URLs, so that the text can be recovered. The empty text is ``%``. A name longer than 200 bytes is cut and
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
