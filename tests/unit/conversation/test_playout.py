"""How much of an answer was heard, and how it is truncated to that."""

from __future__ import annotations

import random
from typing import Any, Literal

import pytest

from antiphon.audio.ticks import TICKS_PER_S
from antiphon.conversation import effects, inputs, playout
from antiphon.conversation.state import ItemRecord, Playout, SpokenSentence
from antiphon.wire.realtime_items import Content, Message
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    LONG,
    WORD_MS,
    answering,
    spoken_answer,
    strict_world,
    transcript_of,
)


def is_close(world: World, item_id: str, heard_ms: int) -> bool:
    """Say whether the item holds the words of that time, one more or less, in the words that were said."""
    text = transcript_of(world, item_id)
    assert LONG.startswith(text), "a beginning of what was said, whole words"
    assert not LONG[len(text) :][:1].isalnum(), "whole words"
    return abs(len(text.split()) - heard_ms / WORD_MS) <= 1


@pytest.mark.parametrize("pace", [False, True])
def test_after_a_truncate_an_item_holds_the_words_that_were_played_within_one(pace: bool) -> None:
    places = random.Random(7)
    for _ in range(6):
        world = strict_world(session_rules(pace=pace))
        item_id = spoken_answer(world, piece_ms=300)
        world.advance(20.0)
        at_ms = places.randrange(len(LONG.split()) * WORD_MS)
        world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=at_ms)
        assert world.last("conversation.item.truncated")["audio_end_ms"] == at_ms
        assert is_close(world, item_id, at_ms)


@pytest.mark.parametrize("pace", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_after_a_barge_in_an_item_holds_the_words_that_were_played_within_one(pace: bool, whole: bool) -> None:
    places = random.Random(11)
    for _ in range(6):
        world = strict_world(session_rules(pace=pace))
        item_id = spoken_answer(world, piece_ms=300, whole=whole)
        played_s = places.uniform(0.3, len(LONG.split()) * WORD_MS / 1000 - 0.3)
        world.advance(played_s)
        world.append(100, 0.9)
        world.advance(2.1)
        assert abs(world.last("conversation.item.truncated")["audio_end_ms"] - played_s * 1000) < 310
        assert is_close(world, item_id, round(played_s * 1000))


def test_the_llm_is_not_shown_words_of_a_cancelled_answer_that_were_never_sent() -> None:
    world = strict_world(session_rules(pace=True))
    item_id = spoken_answer(world)
    world.advance(0.9)
    world.send("response.cancel")
    assert transcript_of(world, item_id).strip() == LONG
    world.send("response.create")
    said = next(message.text for message in world.request().messages if message.role == "assistant")
    assert 3 <= len(said.split()) <= 5


def test_a_truncated_answer_does_not_grow_again() -> None:
    world = strict_world()
    item_id = spoken_answer(world)
    for at_ms in (900, 5000, 600, 700):
        world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=at_ms)
    ends = [event["audio_end_ms"] for event in world.events if event["type"] == "conversation.item.truncated"]
    assert ends == [900, 900, 600, 600]
    assert transcript_of(world, item_id) == "This is"


def test_a_truncate_at_zero_leaves_an_empty_item() -> None:
    world = strict_world()
    item_id = spoken_answer(world)
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
    assert transcript_of(world, item_id) == ""
    world.send("response.create")
    assert [message.role for message in world.request().messages] == ["user"]


def test_the_clients_truncate_replaces_the_estimate() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.finish()
    item_id = world.last("response.output_item.done")["item"]["id"]
    world.advance(0.7)
    world.append(640, 0.9)
    assert not world.started(effects.CutAudio)
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1000)
    assert world.last("conversation.item.truncated")["audio_end_ms"] == 1000
    world.send("conversation.item.retrieve", item_id=item_id)
    assert world.last("conversation.item.retrieved")["item"]["content"][0]["transcript"] == "It is noon."
    world.events.clear()
    world.advance(5)
    assert world.events == [], "the estimate no longer counts"


def test_barge_in_without_a_truncate_is_cut_to_the_estimate() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.finish()
    item_id = world.last("response.output_item.done")["item"]["id"]
    world.advance(1.1)
    world.append(640, 0.9)
    world.advance(1.9)
    assert "conversation.item.truncated" not in world.types()
    world.advance(0.2)
    cut = world.last("conversation.item.truncated")
    assert (cut["item_id"], cut["audio_end_ms"]) == (item_id, 1100)


def test_the_llm_is_shown_only_words_that_were_heard_even_before_the_estimate_is_final() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.finish()
    world.advance(1.05)
    world.speak()
    world.finish()
    spoken = [message.text for message in world.request().messages if message.role == "assistant"]
    assert spoken == ["It is noon."]


def test_truncate_beyond_the_end_is_clamped_and_acknowledged() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    world.finish()
    item_id = world.last("response.output_item.done")["item"]["id"]
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=99_999)
    assert world.last("conversation.item.truncated")["audio_end_ms"] == 2000
    assert "error" not in world.types()


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"item_id": "nobody", "content_index": 0}, "item_truncate_invalid_item_id", "item_id"),
        ({"item_id": "USER", "content_index": 0}, "item_truncate_invalid_item", "item_id"),
        ({"item_id": "ANSWER", "content_index": 3}, "item_truncate_invalid_content_index", "content_index"),
    ],
)
def test_a_wrong_truncate_names_the_field(fields: dict[str, Any], code: str, param: str) -> None:
    world = strict_world()
    user = world.say_text()
    world.send("response.create")
    world.finish()
    known = {"USER": user, "ANSWER": world.last("response.output_item.done")["item"]["id"]}
    fields["item_id"] = known.get(fields["item_id"], fields["item_id"])
    world.send("conversation.item.truncate", audio_end_ms=10, **fields)
    error = world.last("error")["error"]
    assert (error["code"], error["param"]) == (code, param)


def test_an_answer_that_was_heard_to_its_end_is_not_truncated() -> None:
    world = World()
    answering(world)
    world.finish()
    world.advance(60)
    world.append(1000, 0.9)
    world.advance(5)
    assert world.machine.state.cuts == []
    assert "conversation.item.truncated" not in world.types()


def test_two_interrupted_answers_are_truncated_each_in_its_time() -> None:
    world = World()
    world.made_audio(answering(world).speak_job_id, 5000 * MS, "It is noon.")
    world.advance(0.5)
    world.speak()
    world.work(world.started(effects.StartTranscription)[-1].job_id)
    world.made_audio(world.started(effects.StartAnswer)[-1].speak_job_id, 5000 * MS, "It is noon.")
    world.advance(0.5)
    world.append(1000, 0.9)
    first, second = world.machine.state.cuts
    world.advance(1.6)
    cut = [event["item_id"] for event in world.events if event["type"] == "conversation.item.truncated"]
    assert (cut, world.machine.state.cuts) == ([first], [second])
    world.advance(2)
    assert world.last("conversation.item.truncated")["item_id"] == second


def test_an_interrupted_item_that_the_client_deletes_is_not_truncated() -> None:
    world = World()
    answering(world)
    world.finish()
    world.append(1000, 0.9)
    (item_id,) = world.machine.state.cuts
    world.send("conversation.item.delete", item_id=item_id)
    world.advance(5)
    assert world.machine.state.cuts == []
    assert "conversation.item.truncated" not in world.types()


def test_speech_that_was_not_sent_is_cut_unless_the_client_has_truncated() -> None:
    world = World()
    world.made_audio(answering(world).speak_job_id, 5000 * MS, "It is noon and the sun stands high.")
    world.advance(2.0)
    world.append(1000, 0.9)
    (item_id,) = world.machine.state.cuts
    world.tell(inputs.Unsent(item_id, 4500 * MS))
    assert effects.CutAudio(item_id, 500 * MS) in world.effects
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=300)
    world.tell(inputs.Unsent(item_id, 400 * MS))
    world.tell(inputs.Unsent("nobody", 400 * MS))
    cuts = [effect for effect in world.effects if isinstance(effect, effects.CutAudio)]
    assert cuts[-1] == effects.CutAudio(item_id, 300 * MS)
    world.advance(5)
    assert world.last("conversation.item.truncated")["audio_end_ms"] == 300


S = TICKS_PER_S


@pytest.mark.parametrize(
    ("now", "heard"), [(9.0, 2 * S), (10.0, 2 * S), (11.5, 2 * S + 3 * S // 2), (12.0, 4 * S), (99.0, 4 * S)]
)
def test_speech_is_heard_as_time_passes_and_never_more_than_was_sent(now: float, heard: int) -> None:
    assert playout.position(Playout(sent=4 * S, base=2 * S, since=10.0), now) == heard


def test_after_an_underrun_the_estimate_continues_where_speech_had_stopped() -> None:
    speech = Playout(since=0.0)
    playout.sent(speech, S, now=0.0)
    playout.sent(speech, S, now=5.0)
    assert (playout.position(speech, 5.5), playout.position(speech, 6.0)) == (S + S // 2, 2 * S)


def test_speech_sent_ahead_of_the_listener_is_heard_one_piece_after_the_other() -> None:
    speech = Playout(since=0.0)
    for now in (0.0, 0.25, 0.5):
        playout.sent(speech, S, now)
    assert playout.position(speech, 0.75) == 3 * S // 4
    assert (playout.reached_at(speech, 2 * S), playout.reached_at(speech, 3 * S)) == (2.0, 3.0)


def test_a_sentence_begins_where_its_first_piece_does() -> None:
    speech = Playout()
    for text, ticks in (("One.", 100), ("", 50), ("Two.", 30)):
        playout.made(speech, text, ticks)
    assert speech.spans == [SpokenSentence("One.", 0), SpokenSentence("Two.", 150)]
    assert speech.made == 180


@pytest.mark.parametrize(("cut", "cut_due", "most"), [(None, None, 9), (5, 12.0, 9), (5, None, 5)])
def test_an_estimate_does_not_bound_a_truncate_and_a_final_cut_does(
    cut: int | None, cut_due: float | None, most: int
) -> None:
    assert playout.longest(Playout(sent=9, cut=cut, cut_due=cut_due)) == most


@pytest.mark.parametrize(("status", "speech", "heard"), [
    ("completed", None, "one two three four"),
    ("completed", Playout(sent=500), "one two three four"),
    ("completed", Playout(sent=1000, cut=500), "one two"),
    ("incomplete", Playout(sent=500), "one two"),
    ("incomplete", Playout(sent=0), ""),
])  # fmt: skip
def test_the_words_of_an_answer_are_cut_only_where_it_was_interrupted(
    status: Literal["completed", "incomplete"], speech: Playout | None, heard: str
) -> None:
    text = "one two three four"
    if speech is not None:
        speech.text, speech.made, speech.whole = text, 1000, 1000
    content = (Content(type="output_audio", transcript=text),)
    item = Message(id="a", role="assistant", status=status, content=content)
    assert playout.transcript(ItemRecord(item=item, position=0, playout=speech)) == heard
