"""What becomes of a conversation that has lost one of its components, and how it says so.

A turn never ends in an ``error`` event for it: some clients end on any error.
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
"""How a conversation goes on without each component."""
INCLUDE = "antiphon.degraded"

_WORKER_GONE = "worker_stopped"
"""Another worker takes the next job: nothing is down."""
_OF_REDIS = "redis_unavailable"
_SENTENCE_ENDS = ".!?\n。！？"
_MOST_HEARD = 200
"""Characters of what was understood that an apology repeats."""


def seen(step: Step, component: Component, *, is_down: bool) -> None:
    """Note whether a component works, and tell whoever wants to know when that has changed."""
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
    """Note whether the usual engine has spoken, and tell whoever wants to know when that has changed."""
    if step.state.has_other_voice == by_another:
        return
    step.state.has_other_voice = by_another
    if is_told(step):
        step.send(Degraded if by_another else Recovered, component="tts", mode="other_voice")


def failed(step: Step, component: Component, event: Failed) -> bool:
    """Note that a job has failed; False when a further one may well succeed, or it lies with the request."""
    is_outage = event.transient and event.code != _WORKER_GONE
    if is_outage and event.code != _OF_REDIS:  # a component of its own
        seen(step, component, is_down=True)
    return is_outage


def catch_up(step: Step, *, was_told: bool) -> None:
    """Tell a client that asks for it only now what is down already."""
    if not was_told and is_told(step):
        for component in step.state.down:
            step.send(Degraded, component=component, mode=MODES[component])
        if step.state.has_other_voice:
            step.send(Degraded, component="tts", mode="other_voice")


def is_told(step: Step) -> bool:
    """Say whether the client asked to be told."""
    return INCLUDE in (step.state.session.include or ())


def apology(step: Step, response: ResponseState, records: Sequence[ItemRecord]) -> str:
    """Return what is said in place of the answer to ``records``; empty where only a model's own answer is of use."""
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
