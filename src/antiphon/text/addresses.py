"""Spells web, mail and network addresses and names of files for speech, with their dots."""

from __future__ import annotations

import re

_NAME = r"[a-z][a-z0-9]{1,23}"
_PATH = r"(?::\d+)?(?:[/?\#][^\s]*[\w/]|/)?"
_ADDRESS = re.compile(
    rf"""
    (?<![\w.+@/-])
    (?: [A-Za-z][A-Za-z0-9+-]{{0,19}}://[^\s]*[\w/]                             # https://example.org/help
      | [\w.+-]+@[\w-]+(?:\.[\w-]+)*                                            # bob.smith@example.com
      | \d{{1,3}}(?:\.\d{{1,3}}){{3}}{_PATH}                                     # 192.168.0.1:8080
      | (?:[^\W_][\w-]*\.)+(?:{_NAME}|{_NAME.upper()}){_PATH}              # example.org, setup.py
    )
    (?![\w@-])
    """,
    re.VERBOSE,
)
"""No match: a capital after the dot (a sentence without its space), and one letter (an abbreviation)."""

_SIGNS = {
    "://": "colon slash slash",
    ".": "dot",
    "@": "at",
    "/": "slash",
    ":": "colon",
    "-": "dash",
    "_": "underscore",
    "?": "question mark",
}
_DOTS = {
    "ar": "نقطة",
    "cmn": "点",
    "da": "punktum",
    "de": "Punkt",
    "fi": "piste",
    "fr": "point",
    "he": "נקודה",
    "hi": "डॉट",
    "id": "titik",
    "it": "punto",
    "ja": "ドット",
    "ko": "점",
    "ru": "точка",
    "th": "จุด",
    "tr": "nokta",
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))


def spell_addresses(text: str) -> str:
    """Return ``text`` with the signs of its addresses in English words: ``example dot org slash help``."""
    return _ADDRESS.sub(lambda address: _spelled(address[0]), text)


def say_dots(text: str, language: str) -> str:
    """Return ``text`` with the dots of its addresses in words of ``language``, an ISO 639 code.

    Only for the languages in which espeak-ng skips such a dot; other texts are returned unchanged.
    """
    word = _DOTS.get(language)
    return _ADDRESS.sub(lambda address: address[0].replace(".", f" {word} "), text) if word else text


def _spelled(address: str) -> str:
    return " ".join(_SIGN.sub(lambda sign: f" {_SIGNS[sign[0]]} ", address).split())
