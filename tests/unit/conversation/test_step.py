"""Ids and owners of jobs."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from antiphon.conversation import effects
from antiphon.conversation.state import Owner
from antiphon.conversation.step import EventRefused
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import (
    fresh_step,
    strict_world,
    text_record,
    user,
)


def test_a_job_that_fails_never_fails_a_response_that_an_item_is_named_after() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.say_audio(1000, id=world.last("response.created")["response"]["id"])
    world.fail(world.started(effects.StartTranscription)[-1].job_id)
    assert "response.done" not in world.types()
    world.finish()
    assert world.last("response.done")["response"]["status"] == "completed"


def written(world: World) -> str:
    return world.say_text()


def spoken(world: World) -> str:
    world.speak()
    return world.last("input_audio_buffer.committed")["item_id"]


def answered(world: World) -> str:
    world.send("response.create")
    world.finish()
    return world.last("response.output_item.done")["item"]["id"]


@pytest.mark.parametrize("make", [written, spoken, answered])
def test_an_id_that_a_client_has_given_to_its_own_item_is_skipped(make: Callable[[World], str]) -> None:
    usual, other = strict_world(), strict_world()
    usual.send("conversation.item.create", item=user(id="item_of_the_client"))
    wanted = make(usual)
    other.send("conversation.item.create", item=user(id=wanted))
    assert make(other) > wanted
    assert len(other.client.order) == len(set(other.client.order)) == len(usual.client.order)
    other.finish()
    assert "error" not in other.types()


def test_ids_have_their_kind_and_the_seed_and_grow() -> None:
    step = fresh_step()
    ids = [step.new_id(kind) for kind in ("event", "item", "item")]
    assert ids == ["event_seed0000001", "item_seed0000002", "item_seed0000003"]


@pytest.mark.parametrize(("timeout_s", "extra_s", "due"), [(10.0, 0, 110.0), (10.0, 5, 115.0), (0.0, 5, 0.0)])
def test_a_job_is_due_after_its_timeout_and_never_without_one(timeout_s: float, extra_s: int, due: float) -> None:
    step = fresh_step(session_rules(job_timeout_s=timeout_s))
    job_id = step.new_job("item", "item_1", extra_s=extra_s)
    assert step.state.jobs[job_id] == Owner("item", "item_1", due)


def test_a_job_that_changes_its_owner_keeps_its_timeout() -> None:
    step = fresh_step(session_rules(job_timeout_s=10.0))
    job_id = step.new_job("speculation")
    step.now += 4
    step.hand_over(job_id, "item", "item_1")
    assert step.state.jobs[job_id] == Owner("item", "item_1", 110.0)
    assert (step.owner(job_id, "item"), step.owner(job_id, "speculation")) == ("item_1", None)


def test_an_unknown_job_has_no_owner_and_no_timeout_when_it_is_handed_over() -> None:
    step = fresh_step(session_rules(job_timeout_s=10.0))
    assert step.owner("job_unknown", "item") is None
    step.hand_over("job_unknown", "response", "resp_1")
    assert step.state.jobs["job_unknown"] == Owner("response", "resp_1", 0.0)


def test_items_are_found_by_id_and_by_their_neighbour() -> None:
    step = fresh_step()
    assert (step.last_id(), step.find("a"), step.before("a")) == (None, None, None)
    step.state.records += [text_record(name) for name in "abc"]
    assert step.find("b") is step.by_id()["b"] is step.state.records[1]
    assert [step.before(name) for name in "abc"] == [None, "a", "b"]
    assert (step.last_id(), step.before("unknown")) == ("c", "c")


def test_every_version_of_an_item_that_is_stored_has_its_own_revision() -> None:
    step = fresh_step()
    record = text_record("a")
    step.persist(record)
    step.persist(record)
    assert step.effects == [effects.PersistItem("a", 0, number, record.item) for number in (1, 2)]


def test_a_refusal_is_one_error_with_all_its_fields() -> None:
    step = fresh_step()
    step.refuse(EventRefused("no", code="c", param="p.q", kind="rate_limit_error"), "mine")
    (effect,) = step.effects
    assert isinstance(effect, effects.Send)
    error = msgspec.to_builtins(effect.event)["error"]
    assert error == {"type": "rate_limit_error", "code": "c", "message": "no", "param": "p.q", "event_id": "mine"}
