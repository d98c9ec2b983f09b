"""Fitting a conversation into a model's context, in the model's tokens or an estimate of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from antiphon.entities.chat import ChatMessage
from antiphon.text.tokens import estimate_tokens

Count = Callable[[str], int]
"""Counts the tokens of a text."""

GAP = " … "
"""Stands where a text was cut."""

_MESSAGE_TOKENS = 5
"""Tokens of a message besides its text: role and separators."""

_IMAGE_TOKENS = 800
"""A typical count; services charge 85 to 1,600."""

_MOST_CHARS = 32
"""Characters of one token, at most."""

_LEAST_TEXT = 8
"""Texts of a turn are not cut below this many tokens while a tool call can be dropped instead."""


def cost(messages: Sequence[ChatMessage], count: Count = estimate_tokens) -> int:
    """Return the tokens of a prompt made of ``messages``."""
    return sum(_cost(message, count) for message in messages)


def fit(
    messages: Sequence[ChatMessage], limit: int, count: Count = estimate_tokens, *, stride: int = 1
) -> tuple[ChatMessage, ...]:
    """Return the part of a conversation that costs at most ``limit`` tokens (128 or more).

    A leading system message is kept, cut at its end to half of ``limit``. The current turn is kept: the last user
    message and all after it. If it is too long, its texts are cut in the middle, longest first; then its oldest tool
    calls are dropped. Of the earlier turns the newest are kept. A tool call and its output are kept or dropped
    together. With a ``stride``, earlier messages are dropped in blocks of that many groups, so that the prompt keeps
    its beginning for several turns and hits the prefix cache.
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
    low, high = 0, min(len(text), limit * _MOST_CHARS) // 2
    while low < high:
        middle = (low + high + 1) // 2
        if count(_around_gap(text, middle)) <= limit:
            low = middle
        else:
            high = middle - 1
    shortened = _around_gap(text, low)
    return shortened if count(shortened) <= limit else ""


def _clip(message: ChatMessage, limit: int) -> ChatMessage:
    """Cut a message that is too long for any tokenizer, so that counting stays cheap."""
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
    """Group messages so that each call and its output are together, with all messages between them."""
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
    """Return the position of the group with the last user message, or of the last group if there is none."""
    for at in range(len(groups) - 1, -1, -1):
        if any(message.role == "user" for message in groups[at]):
            return at
    return max(0, len(groups) - 1)


def _squeeze(groups: list[list[ChatMessage]], budget: int, count: Count) -> list[list[ChatMessage]]:
    """Cut the texts of a turn, the longest first, until it fits; then drop calls, the oldest first."""
    texts = [[count(message.text) for message in group] for group in groups]
    costs = [cost(group, count) for group in groups]
    whole, least = sum(costs), sum(costs) - sum(_beyond(sizes) for sizes in texts)
    kept = list(range(len(groups)))
    while whole > budget and least > budget and len(kept) > 1:
        dropped = kept.pop(1)
        whole -= costs[dropped]
        least -= costs[dropped] - _beyond(texts[dropped])
    left = [groups[index] for index in kept]
    if whole <= budget:
        return left
    sizes = [size for index in kept for size in texts[index]]
    cap = max(0, _cap(sizes, budget - (whole - sum(sizes))))
    return [[_shorten(message, cap, count) for message in group] for group in left]


def _beyond(sizes: Sequence[int]) -> int:
    """Return how many tokens cutting texts of these sizes can save at most."""
    return sum(max(0, size - _LEAST_TEXT) for size in sizes)


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
