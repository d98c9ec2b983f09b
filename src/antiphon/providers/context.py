"""Fitting a conversation into a model's context, in the model's tokens or an estimate of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from antiphon.entities.chat import ChatMessage

Count = Callable[[str], int]
"""Counts the tokens of a text."""

GAP = " … "
"""Stands where a text was cut."""

_MESSAGE_TOKENS = 5
"""What a message costs besides its text: role and separators."""

_IMAGE_TOKENS = 800
"""A usual size; services charge 85 to 1,600."""

_MOST_CHARS = 32
"""Characters of one token, at most."""

_LEAST_TEXT = 8
"""Texts of a turn are not cut below this many tokens while there is a call to drop instead."""

_WORD = re.compile(r"[A-Za-z]+")


def estimate_tokens(text: str, *, bytes_per_token: float = 2.0) -> int:
    """Estimate tokens on the high side, without a tokenizer.

    A word of up to six letters and every digit and sign count as one; other scripts by their UTF-8 bytes, of
    which large vocabularies put two or more into a token and small ones a single one.
    """
    words = _WORD.findall(text)
    letters = sum(map(len, words))
    plain = sum(map(str.isascii, text))
    signs = plain - letters - text.count(" ")
    others = len(text.encode(errors="replace")) - plain
    return sum(map(_word_tokens, words)) + signs + math.ceil(others / bytes_per_token)


def _word_tokens(word: str) -> int:
    """Long words are rare ones, or none: names, compounds, keys."""
    return 1 + len(word) // 7 if len(word) < 16 else len(word) // 2


def cost(messages: Sequence[ChatMessage], count: Count = estimate_tokens) -> int:
    """Return the tokens of a prompt made of ``messages``."""
    return sum(_cost(message, count) for message in messages)


def fit(
    messages: Sequence[ChatMessage], limit: int, count: Count = estimate_tokens, *, stride: int = 1
) -> tuple[ChatMessage, ...]:
    """Return the part of a conversation that costs at most ``limit`` tokens (128 or more).

    The first message stays where it is a system message, cut at its end to half of ``limit``. The current turn
    stays: the last user message and all behind it; where it is too long its texts are cut in the middle, longest
    first, then its oldest tool calls go. Of the earlier turns the newest stay. A tool call and its output stay or
    go together. With a ``stride``, earlier messages go in blocks of that many groups, so that the prompt keeps its
    beginning for several turns and a prefix cache pays.
    """
    head, rest = _system([_clip(message, limit) for message in messages], limit // 2, count)
    groups = _groups(rest)
    turn = _current_turn(groups)
    budget = limit - cost(head, count)
    current = _squeeze(groups[turn:], budget, count)
    budget -= sum(cost(group, count) for group in current)
    kept = _newest(groups[:turn], budget, count, stride)
    return (*head, *(message for group in [*kept, *current] for message in group))


def cut_middle(text: str, limit: int, count: Count = estimate_tokens) -> str:
    """Return ``text``, or its beginning and its end around a gap, so that it counts at most ``limit``."""
    if count(text) <= limit:
        return text
    low, high = 0, len(text) // 2
    while low < high:
        middle = (low + high + 1) // 2
        if count(_around_gap(text, middle)) <= limit:
            low = middle
        else:
            high = middle - 1
    shortened = _around_gap(text, low)
    return shortened if count(shortened) <= limit else ""


def _clip(message: ChatMessage, limit: int) -> ChatMessage:
    """Cut what is too long under any tokenizer, so that counting stays cheap however much was sent."""
    most = limit * _MOST_CHARS
    return message if len(message.text) <= most else replace(message, text=_around_gap(message.text, most // 2))


def _around_gap(text: str, side: int) -> str:
    return text[:side] + GAP + text[len(text) - side :]


def _cost(message: ChatMessage, count: Count) -> int:
    calls = sum(count(call.name) + count(call.arguments) + _MESSAGE_TOKENS for call in message.tool_calls)
    return _MESSAGE_TOKENS + count(message.text) + calls + len(message.images) * _IMAGE_TOKENS


def _system(
    messages: Sequence[ChatMessage], limit: int, count: Count
) -> tuple[tuple[ChatMessage, ...], Sequence[ChatMessage]]:
    """Split off a leading system message, cut at its end: instructions begin with what matters most."""
    if not messages or messages[0].role != "system":
        return (), messages
    first = messages[0]
    low, high = 0, len(first.text)
    if _cost(first, count) > limit:
        while low < high:
            middle = (low + high + 1) // 2
            fits = _MESSAGE_TOKENS + count(first.text[:middle]) <= limit
            low, high = (middle, high) if fits else (low, middle - 1)
        first = replace(first, text=first.text[:low])
    return (first,), messages[1:]


def _groups(messages: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """Group messages so that each call and its output are together, with whatever came between them."""
    answered = {message.call_id: at for at, message in enumerate(messages) if message.role == "tool"}
    groups: list[list[ChatMessage]] = []
    open_until = -1
    for at, message in enumerate(messages):
        if at <= open_until:
            groups[-1].append(message)
        else:
            groups.append([message])
        ends = [answered[call.call_id] for call in message.tool_calls if call.call_id in answered]
        open_until = max([open_until, *ends])
    return groups


def _current_turn(groups: Sequence[Sequence[ChatMessage]]) -> int:
    """Return where the last user message stands, or the last group where there is none."""
    for at in range(len(groups) - 1, -1, -1):
        if any(message.role == "user" for message in groups[at]):
            return at
    return max(0, len(groups) - 1)


def _squeeze(groups: list[list[ChatMessage]], budget: int, count: Count) -> list[list[ChatMessage]]:
    """Cut the texts of a turn, the longest first, until it fits; then drop calls, the oldest first."""
    while True:
        messages = [message for group in groups for message in group]
        texts = [count(message.text) for message in messages]
        left = budget - (cost(messages, count) - sum(texts))
        if sum(texts) <= left:
            return groups
        cap = _cap(texts, left)
        if cap >= _LEAST_TEXT or len(groups) <= 1:
            return [[_shorten(message, max(cap, 0), count) for message in group] for group in groups]
        del groups[1]


def _cap(sizes: Sequence[int], budget: int) -> int:
    """Return the largest cap under which ``sizes`` sum up to at most ``budget``."""
    low, high = 0, max(sizes, default=0)
    while low < high:
        middle = (low + high + 1) // 2
        fits = sum(min(size, middle) for size in sizes) <= budget
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _shorten(message: ChatMessage, limit: int, count: Count) -> ChatMessage:
    return message if count(message.text) <= limit else replace(message, text=cut_middle(message.text, limit, count))


def _newest(groups: Sequence[list[ChatMessage]], budget: int, count: Count, stride: int) -> Sequence[list[ChatMessage]]:
    """Return the last groups that fit together, beginning at a multiple of ``stride``."""
    start = len(groups)
    while start > 0 and (budget := budget - cost(groups[start - 1], count)) >= 0:
        start -= 1
    return groups[min(len(groups), math.ceil(start / stride) * stride) :]
