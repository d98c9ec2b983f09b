"""Echo mode: simulated errors that the worker requests."""

from __future__ import annotations

from antiphon.dubbing.inputs import Simulated
from antiphon.dubbing.state import State
from antiphon.dubbing.step import Step
from antiphon.entities.dubbing import ProcessingError
from antiphon.wire.dubbing_client import FragmentData, SimulationRule
from antiphon.wire.dubbing_server import SimulationAck


def configure(step: Step, event: Simulated) -> None:
    """Replace the rules for simulated errors."""
    if step.state.init is None:
        step.not_found("")
        return
    wish = event.simulation
    step.state.simulation = wish.rules if wish.enabled else ()
    step.send("config:error_simulation:ack", SimulationAck(status="accepted", rules_count=len(wish.rules)))


def simulated_error(state: State, fragment: FragmentData) -> ProcessingError | None:
    """Return the simulated error of a fragment, None if no rule matches."""
    rule = next((one for one in state.simulation if _matches(one, fragment, state.accepted)), None)
    if rule is None:
        return None
    return ProcessingError(stage=rule.stage, code=rule.error_code, message=rule.error_message, retryable=rule.retryable)


def _matches(rule: SimulationRule, fragment: FragmentData, accepted: int) -> bool:
    match rule.trigger:
        case "sequence_number":
            return fragment.sequence_number == rule.value
        case "fragment_id":
            return fragment.fragment_id == rule.value
        case "nth_fragment":
            return accepted % int(rule.value) == 0
