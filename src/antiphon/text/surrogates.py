"""Half characters (lone surrogates), which JSON can contain and UTF-8 cannot encode."""

from __future__ import annotations


def replace_surrogates(text: str) -> str:
    """Return ``text`` with every half character replaced by a question mark."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def has_no_surrogates(text: str) -> bool:
    """Return whether there is no half character in ``text``."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
