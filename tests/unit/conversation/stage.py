"""Worlds and wishes that the tests of the conversation share."""

from __future__ import annotations

from typing import Any, Literal

from antiphon.conversation import effects, inputs, snapshot
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import ItemRecord, Rules
from antiphon.conversation.step import Step
from antiphon.wire.realtime_items import Content, Message
from tests.contract.recorder import check_server_event
from tests.options import session_rules
from tests.simulation import MS, World

TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}
WORD_MS = 300
LONG = "This is the answer and it has a few more words. It goes on, for a while. Then it is over."
TEXT = {"type": "realtime", "output_modalities": ["text"]}
MANUAL = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
SORRY = "Sorry. I cannot answer now. I understood: {heard}"
DEGRADED_RULES = session_rules(apology=SORRY, job_timeout_s=10.0)


def strict_world(rules: Rules | None = None, **options: Any) -> World:
    """A world that holds every event against the contract."""
    return World(rules, contract=check_server_event, **options)


def fresh_step(rules: Rules | None = None, *, now: float = 100.0) -> Step:
    """A step of a conversation in which nothing has happened yet."""
    begun = Conversation.begin(
        describe(None, Defaults(), now=now), rules or session_rules(), seed="seed", now=now, lasts_s=3600.0
    )
    return Step(begun.state, now)


def text_record(item_id: str, text: str = "hello", role: Literal["system", "user", "assistant"] = "user") -> ItemRecord:
    """A record of a written message."""
    kind = "output_text" if role == "assistant" else "input_text"
    return ItemRecord(item=Message(id=item_id, role=role, content=(Content(type=kind, text=text),)), position=0)


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", **fields}


def user(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **fields}


def answer(world: World, **wish: Any) -> dict[str, Any]:
    """Ask for an answer and let it finish."""
    world.send("response.create", response=wish)
    world.finish()
    return world.last("response.done")["response"]


def updated(world: World, **fields: Any) -> dict[str, Any]:
    (event,) = world.send("session.update", session=session(**fields))
    return event["session"]


def spoken_answer(world: World, *, piece_ms: int = 200, until_ms: int | None = None, whole: bool = True) -> str:
    """Ask, and let ``until_ms`` of the answer be made, 300 ms a word; returns the id of its item."""
    world.say_text()
    world.send("response.create")
    job = world.started(effects.StartAnswer)[-1]
    world.jobs.clear()
    sentences = [f"{part.strip('.')}." for part in LONG.split(". ")]
    for sentence in sentences:
        world.tell(inputs.TextMade(job.job_id, f"{sentence} "))
    world.tell(inputs.AnswerMade(job.job_id, "stop", 7, 9))
    at_ms = 0
    for sentence in sentences:
        length_ms = len(sentence.split()) * WORD_MS
        for begin in range(0, length_ms, piece_ms):
            if until_ms is not None and at_ms >= until_ms:
                return world.client.order[-1]
            ticks = min(piece_ms, length_ms - begin) * MS
            world.made_audio(job.speak_job_id, ticks, "" if begin else sentence)
            at_ms += piece_ms
        if whole:
            world.tell(inputs.SentenceMade(job.speak_job_id))
    world.tell(inputs.SpeechMade(job.speak_job_id))
    return world.client.order[-1]


def transcript_of(world: World, item_id: str) -> str:
    """What the item says now."""
    world.send("conversation.item.retrieve", item_id=item_id)
    return world.last("conversation.item.retrieved")["item"]["content"][0]["transcript"]


def same_but_for_ids(before: bytes, world: World) -> bool:
    """Say whether nothing has changed since but the number of ids given out."""
    then, now = snapshot.load(before), snapshot.load(snapshot.dump(world.machine.state))
    then.counter, then.client_event = now.counter, now.client_event
    return then == now


def compact(types: list[str]) -> list[str]:
    """Neighbouring equal types count once."""
    return [kind for index, kind in enumerate(types) if index == 0 or types[index - 1] != kind]


def message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def answering(world: World) -> Any:
    """Ask something; returns the answer's jobs."""
    world.say_text()
    world.send("response.create")
    return world.started(effects.StartAnswer)[-1]


def degradable(*, rules: Rules = DEGRADED_RULES, include: bool = True) -> World:
    made = World(rules)
    if include:
        made.send("session.update", session={"type": "realtime", "include": ["antiphon.degraded"]})
    return made


def asked(made: World, text: str = "what time is it", **response: Any) -> str:
    """Ask something; returns the job that writes the answer."""
    made.say_text(text)
    made.send("response.create", response=response)
    return made.started(effects.StartAnswer)[-1].job_id


def ended(made: World) -> tuple[str, str]:
    """How the last answer ended, and its words."""
    made.finish()
    done = made.last("response.done")["response"]
    parts = [part for item in done["output"] for part in item["content"]]
    return done["status"], " ".join(part.get("transcript") or part.get("text") for part in parts)


def reported(made: World) -> list[tuple[str, str, str]]:
    return [
        (event["type"].removeprefix("antiphon."), event["leg"], event["mode"])
        for event in made.events
        if event["type"] in ("antiphon.degraded", "antiphon.recovered")
    ]


def long_conversation(count: int = 40, seed: str = "seed") -> World:
    world = World(session_rules(), seed=seed)
    for number in range(count):
        world.say_text(f"number {number}")
    return world
