"""Names of languages, as far as they are compared."""

from __future__ import annotations


def base_language(language: str) -> str:
    """Return the language of a code without its region, in small letters: ``pt`` of ``pt-BR`` and ``PT_br``."""
    return language.replace("_", "-").partition("-")[0].lower()
