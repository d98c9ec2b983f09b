"""Redacts log lines: secrets in every spelling that endpoints accept or services use, and user content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
PII = "pii."
"""Prefix of fields with user content or personal data."""

_LEAST = 6
"""Minimum length of a configured secret to search for: shorter ones would match ordinary text."""

# -- the words of the grammar ------------------------------------------------------------------------------------------
_JOIN = r"(?:[-_ ]|%5f|%2d)?"
_BREAK = r"(?:\\{1,3}[nr]|[\r\n])+[ \t]*"
"""The end of a line, literal or escaped as in JSON and ``repr``."""
_GAP = r"(?:\s|%20|%09|\+|\\{1,3}[nrt])"
_NAMES = (
    rf"(?:api|access|account|auth|client|encryption|ephemeral|master|private|secret|service|session|shared|signing|"
    rf"subscription){_JOIN}keys?|(?:access|auth|bearer|id|refresh|resume|security|session){_JOIN}tokens?|"
    rf"(?:client{_JOIN})?secrets?|pass(?:word|wd|phrase)s?|pwd|(?:set{_JOIN})?cookie|credentials?|signature|token|"
    r"authorization"
)
"""Names whose value is a secret."""
_LOOSE = "key|auth|pass|pw|sig"
"""Names whose value is a secret if it is long and has a digit."""
_SCHEMES = r"bearer|basic|token|deepl-auth-key|api-?key|key"
_LONG = r"(?!key_[0-9a-f]{12}\b)(?=[\w.+/~=-]{0,64}\d)(?=[\w.+/~=-]{12})"
"""Long, with a digit, and not the public name of a key."""
_EDGE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9a-f]{2}))"
"""A word begins here, possibly after an escape sequence."""
_STARTS = rf"(?:{_EDGE}|(?-i:(?<=[a-z0-9])(?=[A-Z])))"
"""A word begins here, or a part of a camelCaseWord."""
_QUOTE = r"b?(?:\\{0,3}[\"']|%22|%27)"
_IS = rf"(?:{_QUOTE})?{_GAP}*(?:=|:|%3d|%3a|(?<=[\"']),){_GAP}*"
"""Between a name and its value: ``name=``, ``"name":``, or the comma of a pair."""
_END = r"\s\"'&,;)}\]\\<>"
_NEXT_LINES = rf"(?:{_BREAK}(?=[A-Za-z_-]*\d)[\w+/=-]{{12,}})*"
"""The rest of a secret that is broken into lines: long, with a digit, and at the beginning of a line."""
_PLAIN = rf"[^{_END}]+(?:[,;](?![\w%-]+[=:])[^{_END}]+)*(?:(?<==)[\"'][^\"']*)?{_NEXT_LINES}"
"""An unquoted value, which may continue on the next line."""
_QUOTED = r"b?(?P<quote>\\{0,3}[\"'])(?:(?!(?P=quote))(?:\\.|[^\\])){1,4096}+(?=(?P=quote))"
"""A value up to its closing quote, at any level of escaping."""

_FIELD = re.compile(
    rf"(?:^|[-_.\s]|(?-i:(?<=[a-z0-9])(?=[A-Z])))(?:{_NAMES})$|(?:^|[-_.])(?:secret|password|cookie|authorization)",
    re.IGNORECASE,
)
"""Names of fields and headers whose whole value is a secret."""
_BEHIND = (
    rf"{_STARTS}(?:"
    rf"(?:proxy-)?authorization{_IS}(?:{_QUOTE})?[\w-]+{_GAP}+(?=[\w.+/=~-]{{8}})"
    rf"|(?:{_NAMES}){_IS}(?:(?:{_SCHEMES}){_GAP}+)?"
    rf"|(?:{_LOOSE}){_IS}(?:{_QUOTE})?{_LONG}"
    rf"|(?:{_NAMES}|key|(?-i:AUTH)){_GAP}+(?:(?:is|was){_GAP}+)?(?:{_QUOTE})?{_LONG}"
    r"|openai-insecure-api-key(?:\.|%2e)"
    rf"|(?:bearer|deepl-auth-key)(?:{_GAP}|[:=,]|{_QUOTE})+"
    rf"|(?:token|basic){_GAP}+(?=[\w.+/=:-]{{12}})"
    r")"
)
"""Text that precedes a secret."""
_LOOKS = (
    rf"{_EDGE}(?:"
    r"(?:sk|ek|gsk|ak|rk|hf|xai|whsec|pplx|nvapi|glpat|gh[oprsu]|github_pat|xox[a-z]|r8)[-_][A-Za-z0-9_-]{8,}"
    r"|AIza[A-Za-z0-9_-]{20,}"
    r"|(?-i:A[KS]IA[A-Z0-9]{16})"
    r"|eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:fx\b"
    rf"){_NEXT_LINES}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*"
)
_TEXT = re.compile(
    rf"(?P<user>://)[^/\s\"'<>]*(?=@)|(?P<keep>{_BEHIND})(?:\[redacted\]|{_QUOTED}|(?:{_QUOTE})?{_PLAIN})|{_LOOKS}",
    re.IGNORECASE,
)
"""Secrets within a text: after a name or a scheme, or recognised by their form."""

_MOST_NAME = 64
"""Maximum length of a cached name: header names come from clients."""

Event = MutableMapping[str, Any]


class Redact:
    """Hides fields that start with ``pii.``, fields with a secret's name, and secrets within texts."""

    def __init__(self, secrets: Iterable[str] = (), *, reveal: bool = False) -> None:
        """``secrets`` are hidden by value, wherever they occur; ``reveal`` shows the fields with ``pii.``."""
        self._reveal = reveal
        known = {spelling for secret in secrets if len(secret) >= _LEAST for spelling in _spellings(secret)}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(_over_lines, longest_first))) if known else None

    def __call__(self, _logger: Any, _method: str, event: Event) -> Event:
        """Redact an event in place, as a structlog processor."""
        for key, value in list(event.items()):
            event[key] = self._clean(str(key), value)
        return event

    def text(self, text: str) -> str:
        """Return ``text`` without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return _TEXT.sub(_hidden, text)

    def _clean(self, key: str, value: Any) -> Any:
        if (key.startswith(PII) and not self._reveal) or (_is_secret(key) and value):
            return REDACTED
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case bytes() | bytearray() | memoryview():
                return f"[{len(value)} bytes]"
            case Mapping():
                return {self.text(str(inner)): self._clean(str(inner), item) for inner, item in value.items()}
            case (str(name), _) if _is_secret(name):  # a header
                return [name, REDACTED]
            case list() | tuple() | set() | frozenset():
                return [self._clean(key, item) for item in value]
            case _:  # an error, a path: the renderer would convert it after redaction
                return self.text(str(value))


def _is_secret(name: str) -> bool:
    return _is_known_secret(name) if len(name) <= _MOST_NAME else _FIELD.search(name) is not None


@lru_cache(maxsize=1024)
def _is_known_secret(name: str) -> bool:
    """Cached form of `_is_secret`: every line has the same dozen names."""
    return _FIELD.search(name) is not None


def _hidden(found: re.Match[str]) -> str:
    return (found["user"] or found["keep"] or "") + (found["quote"] or "") + REDACTED


def _spellings(secret: str) -> set[str]:
    """Return the spellings of a secret: plain, in a URL and in JSON."""
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}


def _over_lines(secret: str) -> str:
    """Return a pattern for a secret that may be split over lines."""
    return f"(?:{_BREAK})?".join(map(re.escape, secret))
