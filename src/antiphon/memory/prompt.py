"""Memories in a request to the LLM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from antiphon.entities.chat import ChatMessage, ChatRequest

MOST_CHARACTERS = 2_000
"""Longest list of memories in a prompt; those that do not fit are left out, the least similar first."""


def question(request: ChatRequest) -> str:
    """Return the user's last words in a request; empty if there are none."""
    return next((message.text for message in reversed(request.messages) if message.role == "user"), "")


def with_memories(request: ChatRequest, memories: Sequence[str]) -> ChatRequest:
    """Return the request with a list of memories before the user's last words, the most similar first."""
    lines, left = list[str](), MOST_CHARACTERS
    for number, memory in enumerate(memories, 1):
        line = f"{number}. {' '.join(memory.split())}"
        if len(line) > left:
            break
        left -= len(line)
        lines.append(line)
    if not lines:
        return request
    message = ChatMessage("system", "\n".join(["Relevant memories:", *lines]))
    last = max(place for place, one in enumerate(request.messages) if one.role == "user")
    return replace(request, messages=(*request.messages[:last], message, *request.messages[last:]))
