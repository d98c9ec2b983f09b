"""Parts of language tags for translation engines, and the error for an unsupported pair."""

from __future__ import annotations

from antiphon.errors import Unsupported


def parts(tag: str) -> tuple[str, str]:
    """Return language and region of ``tag``: ``pt-BR`` is ``("pt", "br")``, ``EN`` is ``("en", "")``."""
    language, _, region = tag.strip().lower().partition("-")
    return language, region


def unsupported(engine: str, source: str | None, target: str) -> Unsupported:
    """Return the error of ``engine`` for an unsupported pair."""
    return Unsupported(f"{engine} does not translate from {source or 'a detected language'} to {target}")
