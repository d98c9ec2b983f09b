"""Parts of a prompt that are the same for every service."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.entities.chat import ChatMessage
from antiphon.text.surrogates import replace_surrogates

SILENCE = "(The user says nothing. Begin, or continue.)"
"""Sent as the user message if the service requires one and there is none."""
NO_OUTPUT = "(no output yet)"
"""Sent as the output of a tool call that has none in the conversation."""


def instructions_of(messages: Sequence[ChatMessage]) -> str:
    """Return all system messages, in order; empty if there are none."""
    return "\n\n".join(
        replace_surrogates(message.text) for message in messages if message.role == "system" and message.text.strip()
    )
