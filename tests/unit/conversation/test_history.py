"""The conversation as the LLM is shown it."""

from __future__ import annotations

from antiphon.conversation import effects, inputs
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import (
    TOOL,
    answer,
    answering,
    message,
    strict_world,
    updated,
)


def test_a_cancelled_call_is_not_shown_to_the_llm_unless_it_was_answered() -> None:
    world = strict_world()
    updated(world, output_modalities=["text"], tools=[TOOL])
    world.say_text()
    for number in (1, 2):
        world.send("response.create")
        job = world.started(effects.StartAnswer)[-1]
        world.jobs.clear()
        world.tell(inputs.CallMade(job.job_id, 0, f"call_{number}", "look", '{"at":'))
        world.send("response.cancel")
    output = {"type": "function_call_output", "call_id": "call_2", "output": "seen"}
    world.send("conversation.item.create", item=output)
    answer(world)
    calls = [call.call_id for message in world.request().messages for call in message.tool_calls]
    assert calls == ["call_2"]


def test_an_image_reaches_a_model_that_takes_it() -> None:
    world = World(session_rules(accepts_images=True))
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAAN", "detail": "low"}
    world.send("conversation.item.create", item=message("user", image))
    world.send("response.create")
    assert world.request().messages[-1].images == ("data:image/png;base64,iVBORw0KGgoAAAAN",)


def test_the_llm_is_not_shown_a_turn_without_a_transcript() -> None:
    world = World()
    world.heard = ""
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    world.append(1000)
    world.send("input_audio_buffer.commit")
    world.finish()
    answering(world)
    assert [message.text for message in world.request().messages if message.role == "user"] == ["hello"]
