"""English numbers, written out."""

from __future__ import annotations

import re

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_POWERS = (
    (10**12, "trillion"),
    (10**9, "billion"),
    (10**6, "million"),
    (10**3, "thousand"),
    (100, "hundred"),
)
_LARGEST = 10**15
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_NUMBER = re.compile(r"(?<!\d)(?P<whole>\d++(?:,++\d++)*)(?:\.(?P<part>\d++))?(?P<ordinal>st|nd|rd|th)?\b")

NUMBER_WORDS = frozenset([*_SMALL, *_TENS[2:], *(name for _, name in _POWERS)])


def spell_cardinal(number: int) -> str:
    """Write out a number from 0 up to 10**15 in American English, without hyphens and "and": "one hundred five"."""
    if number < len(_SMALL):
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f" {_SMALL[ones]}" if ones else "")
    size, name = next((size, name) for size, name in _POWERS if number >= size)
    count, rest = divmod(number, size)
    return f"{spell_cardinal(count)} {name}" + (f" {spell_cardinal(rest)}" if rest else "")


def spell_ordinal(number: int) -> str:
    """Write out "twenty first" for 21."""
    *front, last = spell_cardinal(number).split()
    plain = f"{last[:-1]}ie" if last.endswith("y") else last
    return " ".join([*front, _ORDINALS.get(last) or f"{plain}th"])


def spell_year(number: int) -> str:
    """Write out a year from 1100 to 1999 in pairs, as it is spoken: "nineteen oh five"."""
    century, rest = divmod(number, 100)
    if not rest:
        return f"{spell_cardinal(century)} hundred"
    return f"{spell_cardinal(century)} {'oh ' if rest < 10 else ''}{spell_cardinal(rest)}"


def spell_numbers(text: str) -> str:
    """Write out every number in ``text``; digits of more than 15 places are read one by one."""
    return _NUMBER.sub(lambda match: f" {_spell(match)} ", text)


def _spell(match: re.Match[str]) -> str:
    digits = match["whole"].replace(",", "")
    number = int(digits) if len(digits) <= 15 else _LARGEST
    if number >= _LARGEST or (digits[0] == "0" and len(digits) > 1):
        return _one_by_one(digits)
    if match["part"]:
        return f"{spell_cardinal(number)} point {_one_by_one(match['part'])}"
    if match["ordinal"]:
        return spell_ordinal(number)
    is_year = 1100 <= number < 2000 and "," not in match["whole"]
    return spell_year(number) if is_year else spell_cardinal(number)


def _one_by_one(digits: str) -> str:
    return " ".join(_SMALL[int(digit)] for digit in digits)
