"""Scans the text of an event before decoding: bounds its values, and extracts its audio.

Decoding is one step that nothing can interrupt. A megabyte of empty lists takes a tenth of a second of it, and twenty
megabytes of base64 two hundredths. So values are counted first, and audio is taken out. An event is gone through as the
UTF-8 that it came as: a `str` of it is one step more, and four times as large where one character is rare.
"""

from __future__ import annotations

import re
from collections.abc import Generator

from antiphon.text.json_size import MOST_VALUES
from antiphon.text.quoting import shown

MOST_TEXT = 2 * 2**20
"""Maximum total JSON length of all texts of an event, without audio and images."""
_STEP = 256 * 2**10
"""Bytes scanned between yields to the event loop."""
_STRINGS = 512
"""Texts scanned between yields to the event loop."""
_LONG = 64 * 2**10
"""Audio and images above this length are extracted."""
_BLOB = re.compile(rb'"(?:audio|image_url|data_base64)"\s*:\s*$')
_KEY_BYTES = 40
_TO_ITS_END = re.compile(rb'(?:[^"\\]{1,64}+|\\.){0,4096}+', re.DOTALL)
"""The rest of a text with escapes, up to the limit of one step."""
_COUNTED = (b",", b"[", b"{")
_SIGN = re.compile(rb'[\[\]{},"]')
_FREE = frozenset({"parameters", "variables", "metadata"})
"""Fields with arbitrary members."""
_FIELD = re.compile(r"[a-z_][a-z_0-9]{0,39}")
DEEPEST = 16
"""Maximum depth of an event's fields."""

Names = list[str | int]
"""Path to a value: member names and list indexes."""


class TooMuch(Exception):
    """An event exceeds a limit."""

    def __init__(self, what: str, code: str, param: str | None) -> None:
        self.param = shown(param) if param else None
        """The field that exceeds the limit, as errors name it."""
        self.code = code
        super().__init__(f"Invalid '{self.param}': {what}." if param else f"There are {what}.")


def needs_a_scan(text: str) -> bool:
    """Return whether an event could hold too many values; most are too short for that."""
    return len(text) > MOST_VALUES and sum(map(text.count, ",[{")) > MOST_VALUES


class Scan:
    """One scan of an event, in steps of about a millisecond. Invalid JSON passes; decoding reports it."""

    def __init__(self, text: bytes | bytearray, token: str) -> None:
        """``token`` is the prefix of placeholders for extracted texts; it must be unguessable."""
        self._text = text
        self._token = token
        self._kept: list[bytes | bytearray] = []
        self._copied = 0
        self.taken: dict[str, memoryview] = {}
        """The extracted texts, with escapes, by placeholder."""

    def steps(self) -> Generator[None, None, bytes]:
        """Scan the event, and return it with placeholders. Raises `TooMuch`."""
        text, at, size = self._text, 0, len(self._text)
        values = text_bytes = strings = 0
        while at < size:
            limit = min(at + _STEP, size)
            quote = text.find(b'"', at, limit)
            end = limit if quote < 0 else quote
            values += sum(text.count(sign, at, end) for sign in _COUNTED)
            if values > MOST_VALUES or strings > 2 * MOST_VALUES:
                names = yield from self._names(end)
                param = path_of(names, into_lists=False)
                is_deep = param is None and len(names) > DEEPEST
                code = "invalid_json" if is_deep else "invalid_value"  # too deep for a decoder
                raise TooMuch(f"more than {MOST_VALUES} values", code, param)
            at = end
            if quote >= 0:
                at, counted = yield from self._string(quote + 1)
                text_bytes += counted
                strings += 1
            if text_bytes > MOST_TEXT:
                names = yield from self._names(quote)
                what, param = f"more than {MOST_TEXT} bytes of text", path_of(names, into_lists=True)
                raise TooMuch(what, "string_above_max_length", param)
            if quote < 0 or strings % _STRINGS == 0:
                yield
        return b"".join([*self._kept, text[self._copied :]])

    def _string(self, start: int) -> Generator[None, None, tuple[int, int]]:
        """Scan the text that begins at ``start``; return its end, and the length that counts."""
        end = yield from self._end(start)
        if end - start <= _LONG or not _BLOB.search(self._text, max(0, start - _KEY_BYTES), start - 1):
            return end + 1, end - start
        name = f"{self._token}:{len(self.taken)}"
        self.taken[name] = memoryview(self._text)[start:end]
        self._kept += (self._text[self._copied : start], name.encode())
        self._copied = end
        return end + 1, 0

    def _end(self, start: int) -> Generator[None, None, int]:
        """Return the end of the text that begins at ``start``."""
        text, at, size = self._text, start, len(self._text)
        while at < size:
            limit = min(at + _STEP, size)
            quote = text.find(b'"', at, limit)
            escape = text.find(b"\\", at, limit if quote < 0 else quote)
            if escape >= 0:
                found = _TO_ITS_END.match(text, escape)
                assert found is not None  # noqa: S101 -- it matches nothing, too
                at = found.end()
                if at == escape:  # nothing follows a backslash
                    break
                if text[at : at + 1] == b'"':
                    return at
            elif quote >= 0:
                return quote
            else:
                at = limit
            yield
        return size

    # -- the field that exceeds a limit --------------------------------------------------------------------------------
    def _names(self, place: int) -> Generator[None, None, Names]:
        """Return the path of the value at ``place``, or of the first excessive one before it."""
        text, at, values, signs = self._text, 0, 0, 0
        names: Names = []
        is_name_next = False
        while values <= MOST_VALUES and (found := _SIGN.search(text, at, place)):
            sign, at = found[0].decode(), found.end()
            values += sign in ",[{"
            if sign == '"':
                start = at
                end = yield from self._end(start)
                at = end + 1
                if is_name_next and names:
                    names[-1] = text[start : min(end, start + _KEY_BYTES + 1)].decode(errors="replace")
                is_name_next = False
            else:
                is_name_next = _walk(names, sign)
            signs += 1
            if signs % _STRINGS == 0:
                yield
        return names


def _walk(names: Names, sign: str) -> bool:
    """Follow a delimiter; return whether a member name comes next."""
    if sign in "{[":
        names.append("" if sign == "{" else 0)
    elif sign in "}]":
        del names[-1:]
        return False
    elif names and isinstance(place := names[-1], int):
        names[-1] = place + 1
    return bool(names) and isinstance(names[-1], str)


def path_of(names: Names, *, into_lists: bool) -> str | None:
    """Return a path as errors name it: up to a field with arbitrary members, a list or its element."""
    free = next((number for number, name in enumerate(names, 1) if name in _FREE), None)
    places = (number for number, name in enumerate(names) if isinstance(name, int) and not into_lists)
    end = next(places, len(names)) if free is None else free
    if end > DEEPEST:
        return None
    path = ""
    for name in names[:end]:
        if isinstance(name, int):
            path += f"[{name}]"
        elif _FIELD.fullmatch(name):
            path += f".{name}" if path else name
        else:
            break
    return path or None
