"""Distinguishes English questions, statements and requests by their signs and first words."""

from __future__ import annotations

import re

_MOST = 2_000
"""Characters that are read."""

_LEAST_STATEMENT = 4
"""Fewer words are ambiguous: a greeting, a name, an answer."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ASKING = _set("how what what's when where which who who's whose why")
YES_OR_NO = _set("am are can could did do does had has have is may might must shall should was were will would")
_REQUESTS = _set(
    "answer ask bring call check close count describe don't explain find forget give go help imagine let let's"
    " list look make name open play please put read recite remind repeat say send set show sing speak spell"
    " start stop suggest take talk tell thank thanks translate try turn use wait write"
)
_GREETINGS = _set("bye good goodbye hello hey hi no okay ok sorry welcome yes")

_ASKS_TO_SAY = re.compile(
    r"^\W*(?:(?:now|please|can|could|will|would|you)\W+)*"
    r"(?:say|spell|read|recite|quote|repeat|echo|translate|correct|rephrase|proofread)\b|\brepeat after me\b",
    re.IGNORECASE,
)
_TOLD_TO_SAY = re.compile(
    r"(?<!not )(?<!never )(?<!n't )(?<!n’t )\b(?:repeat|echo|translat|proofread|rephras|paraphras|dictat|transcri)"
    r"|\bgrammar\b|\bverbatim\b",
    re.IGNORECASE,
)


def first_word(said: str) -> str:
    """Return the first word in lower case, or an empty text."""
    word = _WORD.search(said)
    return word[0].casefold().replace("’", "'") if word else ""


def is_question(said: str) -> bool:
    """Say whether a text is a question, by its sign or first word."""
    return said.rstrip().endswith("?") or first_word(said) in ASKING | YES_OR_NO


def is_statement(said: str) -> bool:
    """Say whether a text is a statement: no question, request or greeting, and not too short."""
    text = said[:_MOST]
    return (
        not is_question(said)
        and first_word(text) not in _REQUESTS | _GREETINGS
        and len(_WORD.findall(text)) >= _LEAST_STATEMENT
    )


def wants_own_words(said: str, instructions: str = "") -> bool:
    """Say whether the user or the ``instructions`` ask to repeat, spell or translate the user's words."""
    return bool(_ASKS_TO_SAY.search(said[:_MOST]) or _TOLD_TO_SAY.search(instructions[:_MOST]))
