"""Codes of languages without regions."""

from __future__ import annotations


def base_language(language: str) -> str:
    """Return the language of a code without its region, in lower case: ``pt`` for ``pt-BR`` and ``PT_br``."""
    return language.replace("_", "-").partition("-")[0].lower()
