"""Degraded modes: how a conversation continues without a component, and how its client is told.

The failure of a component never leads to an ``error`` event: some clients disconnect on any error.
"""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.conversation import history
from antiphon.conversation.effects import ComponentChanged
from antiphon.conversation.inputs import Failed
from antiphon.conversation.state import ItemRecord, ResponseState
from antiphon.conversation.step import Step
from antiphon.wire.realtime_server import Component, Degraded, Mode, Recovered
from antiphon.wire.realtime_session import ToolChoiceFunction

MODES: dict[Component, Mode] = {
    "stt": "text_input_only",
    "llm": "apology",
    "tts": "text_only",
    "redis": "no_new_sessions",
    "database": "buffered",
}
"""How a conversation continues without each component."""
INCLUDE = "antiphon.degraded"

_WORKER_GONE = "worker_stopped"
"""Another worker takes the next job: no component is down."""
_OF_REDIS = "redis_unavailable"
_SENTENCE_ENDS = ".!?\n。！？"
_MOST_HEARD = 200
"""Maximum length of the user's words in an apology, characters."""


def seen(step: Step, component: Component, *, is_down: bool) -> None:
    """Record whether a component works; a change is sent to clients that asked for it."""
    if (component in step.state.down) == is_down:
        return
    if is_down:
        step.state.down.append(component)
    else:
        step.state.down.remove(component)
    step.do(ComponentChanged(component, MODES[component], is_down))
    if is_told(step):
        step.send(Degraded if is_down else Recovered, component=component, mode=MODES[component])


def spoken(step: Step, *, by_another: bool) -> None:
    """Record whether a fallback engine has spoken; a change is sent to clients that asked for it."""
    if step.state.has_other_voice == by_another:
        return
    step.state.has_other_voice = by_another
    if is_told(step):
        step.send(Degraded if by_another else Recovered, component="tts", mode="other_voice")


def failed(step: Step, component: Component, event: Failed) -> bool:
    """Record that a job has failed; returns False if the request or a single worker is the cause."""
    is_outage = event.transient and event.code != _WORKER_GONE
    if is_outage and event.code != _OF_REDIS:  # Redis is reported as a component of its own
        seen(step, component, is_down=True)
    return is_outage


def catch_up(step: Step, *, was_told: bool) -> None:
    """Tell a client that has only now asked which components are down."""
    if not was_told and is_told(step):
        for component in step.state.down:
            step.send(Degraded, component=component, mode=MODES[component])
        if step.state.has_other_voice:
            step.send(Degraded, component="tts", mode="other_voice")


def is_told(step: Step) -> bool:
    """Say whether the client asked for these events."""
    return INCLUDE in (step.state.session.include or ())


def apology(step: Step, response: ResponseState, records: Sequence[ItemRecord]) -> str:
    """Return the apology in place of an answer to ``records``; empty if only an LLM can answer."""
    is_forced = response.tool_choice == "required" or isinstance(response.tool_choice, ToolChoiceFunction)
    if response.conversation_id is None or is_forced:
        return ""
    text = step.state.rules.apology
    heard = history.last_said(records)
    if heard:
        return text.replace("{heard}", heard if len(heard) <= _MOST_HEARD else f"{heard[:_MOST_HEARD].rstrip()} …")
    before, placeholder, _ = text.partition("{heard}")
    whole = max(before.rfind(end) for end in _SENTENCE_ENDS) + 1 if placeholder else len(text)
    return before[:whole].rstrip() or text.replace("{heard}", "…")
