"""What every service is told of a conversation in the same words."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.entities.chat import ChatMessage
from antiphon.text.surrogates import replace_surrogates

SILENCE = "(The user says nothing. Begin, or go on.)"
"""Stands where a service wants a word of the user and there is none."""
NO_OUTPUT = "(no output yet)"
"""Stands for the output of a call that the conversation does not have."""


def instructions_of(messages: Sequence[ChatMessage]) -> str:
    """Return all instructions, in order; empty where there are none."""
    return "\n\n".join(
        replace_surrogates(message.text) for message in messages if message.role == "system" and message.text.strip()
    )
