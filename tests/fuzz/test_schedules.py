"""Random schedules: in any order of inputs the conversation stays valid and a new turn is answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from antiphon.conversation import inputs
from antiphon.ports.limiter import Allowance
from antiphon.wire.realtime_items import FunctionCall
from antiphon.wire.realtime_server import Component
from tests.options import session_rules
from tests.simulation import World

EXAMPLES = max(1000, settings.default.max_examples)
"""Schedules in one run; the long profile asks for more."""
STEPS = 20

DETECTIONS: list[Any] = [
    None,
    {"type": "server_vad"},
    {"type": "server_vad", "interrupt_response": False},
    {"type": "server_vad", "create_response": False},
    {"type": "server_vad", "idle_timeout_ms": 1500},
    {"type": "semantic_vad", "eagerness": "high"},
]
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}
CHOICES: list[Any] = ["auto", "none", "required", {"type": "function", "name": "look"}]
COMPONENTS: list[Component] = ["redis", "database"]
NAMES = ["mine", "speculation", "root", "item_seed0000031", "resp_seed0000020", 'a"b']


class Schedules(RuleBasedStateMachine):
    """One conversation; the checks sit in `World` and in its client."""

    world: World

    @initialize(pace=st.booleans(), speculate=st.sampled_from([0, 96]), heard=st.sampled_from(["yes", ""]))
    def begin(self, pace: bool, speculate: int, heard: str) -> None:
        rules = session_rules(
            pace=pace,
            speculate_ms=speculate,
            max_items=12,
            max_out_of_band=2,
            max_buffer_s=20.0,
            job_timeout_s=4.0,
            apology="Sorry. I understood: {heard}",
        )
        self.world = World(rules)
        self.world.heard = heard

    def _item(self, number: int) -> str:
        items = self.world.client.order
        return items[number % len(items)] if items else "nobody"

    @rule(detection=st.sampled_from(DETECTIONS), text=st.booleans(), transcribed=st.booleans())
    def configure(self, detection: Any, text: bool, transcribed: bool) -> None:
        audio = {"input": {"turn_detection": detection, "transcription": {"model": "m"} if transcribed else None}}
        modalities = ["text"] if text else ["audio"]
        self.world.send("session.update", session={"type": "realtime", "output_modalities": modalities, "audio": audio})

    @rule(tools=st.booleans(), choice=st.sampled_from(CHOICES))
    def equip(self, tools: bool, choice: Any) -> None:
        wish = {"tools": [TOOL] if tools else [], "tool_choice": choice}
        self.world.send("session.update", session={"type": "realtime", **wish})

    @rule(remaining=st.sampled_from([None, 0, 5]))
    def limit(self, remaining: int | None) -> None:
        left = () if remaining is None else (Allowance("requests", 5, remaining, 10.0),)
        self.world.tell(inputs.AllowanceChanged(left))

    @rule(ms=st.integers(20, 900), loud=st.booleans())
    def hear(self, ms: int, loud: bool) -> None:
        has_vad = self.world.machine.state.session.audio.input.turn_detection is not None
        self.world.append(ms, (0.95 if loud else 0.02) if has_vad else None)

    @rule()
    def commit(self) -> None:
        self.world.send("input_audio_buffer.commit")

    @rule()
    def clear(self) -> None:
        self.world.send("input_audio_buffer.clear")

    @rule(place=st.one_of(st.none(), st.just("root"), st.integers(0, 9)))
    def write(self, place: Any) -> None:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        fields = {} if place is None else {"previous_item_id": place if place == "root" else self._item(place)}
        self.world.send("conversation.item.create", item=item, **fields)

    @rule(name=st.sampled_from(NAMES), ms=st.integers(0, 900))
    def send_speech(self, name: str, ms: int) -> None:
        self.world.say_audio(ms, id=name)

    @rule(number=st.integers(0, 9))
    def answer_call(self, number: int) -> None:
        calls = [record.item for record in self.world.machine.state.records if isinstance(record.item, FunctionCall)]
        call_id = str(calls[number % len(calls)].call_id) if calls else "nobody"
        item = {"type": "function_call_output", "call_id": call_id, "output": "seen"}
        self.world.send("conversation.item.create", item=item, event_id="mine")

    @rule(number=st.integers(0, 9))
    def delete(self, number: int) -> None:
        self.world.send("conversation.item.delete", item_id=self._item(number))

    @rule(number=st.integers(0, 9))
    def retrieve(self, number: int) -> None:
        self.world.send("conversation.item.retrieve", item_id=self._item(number))

    @rule(number=st.integers(0, 9), ms=st.integers(0, 4000))
    def truncate(self, number: int, ms: int) -> None:
        self.world.send("conversation.item.truncate", item_id=self._item(number), content_index=0, audio_end_ms=ms)

    @rule(out_of_band=st.booleans(), tool=st.booleans(), reference=st.one_of(st.none(), st.integers(0, 9)))
    def respond(self, out_of_band: bool, tool: bool, reference: int | None) -> None:
        wish: dict[str, Any] = {"conversation": "none"} if out_of_band else {}
        if reference is not None:
            wish["input"] = [{"type": "item_reference", "id": self._item(reference)}]
        if tool:
            wish |= {"tools": [TOOL], "tool_choice": "required"}
        self.world.send("response.create", response=wish)

    @rule(number=st.one_of(st.none(), st.integers(0, 9)))
    def cancel(self, number: int | None) -> None:
        running = [*self.world.client.open, "nobody"]
        named = {} if number is None else {"response_id": running[number % len(running)]}
        self.world.send("response.cancel", **named)

    @rule(reason=st.sampled_from(["stop", "length", "content_filter"]))
    def finish_like_this(self, reason: str) -> None:
        self.world.finish_reason = reason

    @precondition(lambda self: self.world.jobs)
    @rule(number=st.integers(0, 9), steps=st.integers(1, 6))
    def work(self, number: int, steps: int) -> None:
        self.world.work(list(self.world.jobs)[number % len(self.world.jobs)], steps)

    @precondition(lambda self: self.world.jobs)
    @rule(number=st.integers(0, 9))
    def fail(self, number: int) -> None:
        self.world.fail(list(self.world.jobs)[number % len(self.world.jobs)])

    @rule(component=st.sampled_from(COMPONENTS), is_down=st.booleans())
    def see_component(self, component: Component, is_down: bool) -> None:
        self.world.tell(inputs.ComponentSeen(component, is_down))

    @rule(asks=st.booleans())
    def ask_to_be_told(self, asks: bool) -> None:
        wish = {"type": "realtime", "include": ["antiphon.degraded"] if asks else None}
        self.world.send("session.update", session=wish)

    @rule(ms=st.integers(1, 3000))
    def wait(self, ms: int) -> None:
        self.world.advance(ms / 1000)

    @rule(missed=st.booleans())
    def resume(self, missed: bool) -> None:
        self.world.resume(missed=missed)

    def teardown(self) -> None:
        """Let all jobs finish, then ask something new."""
        world = getattr(self, "world", None)
        if world is None:
            return
        for _ in range(5):
            world.finish()
            world.advance(30)
        if world.machine.state.active:
            world.send("response.cancel")
        world.finish_reason = "stop"
        world.tell(inputs.AllowanceChanged(()))
        manual = {"type": "realtime", "audio": {"input": {"turn_detection": None}}, "tool_choice": "auto"}
        world.send("session.update", session=manual)
        world.finish()
        world.advance(60)
        if len(world.client.order) >= world.machine.state.rules.max_items:
            world.send("conversation.item.delete", item_id=world.client.order[0])
        world.say_text("something new")
        world.send("response.create")
        world.finish()
        world.advance(60)
        done = world.last("response.done")["response"]
        assert done["status"] == "completed", "a fresh turn is answered"
        assert not world.client.open
        assert world.speech == set(), "no speech is left behind"
        state = world.machine.state
        assert not state.jobs
        assert [str(record.item.id) for record in state.records] == world.client.order
        assert len({record.position for record in state.records}) == len(state.records)
        assert world.replay() == world.raw


TestSchedules = pytest.mark.timeout(3600)(Schedules.TestCase)
TestSchedules.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
