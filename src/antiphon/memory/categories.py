"""What a user's words are about, by their form: enough to sort memories, not to understand them."""

from __future__ import annotations

import re

from antiphon.entities.memories import Category

_VERBS = r"(really |do not |don't )?(like|love|prefer|hate|enjoy|want)"
_DEEDS = "(was|were|went|did|had|visited|bought|moved|met)"
_RULES: tuple[tuple[Category, re.Pattern[str]], ...] = (
    ("preference", re.compile(rf"\b(i|we) {_VERBS}\b|\bmy favou?rite\b")),
    ("habit", re.compile(r"\b(i|we) (always|usually|often|never|every)\b|\bevery (day|morning|evening|week|night)\b")),
    ("history", re.compile(rf"\b(i|we) {_DEEDS}\b|\b(yesterday|last (week|year|month))\b")),
    ("personality", re.compile(r"\b(i am|i'm) (a|an|very|quite|not)\b")),
)
"""The first that matches wins; other words, and other languages, are context."""


def category_of(text: str) -> Category:
    """Return the category of a text."""
    plain = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    for category, rule in _RULES:
        if rule.search(plain):
            return category
    return "context"
