"""The words that were spoken up to a position."""

from __future__ import annotations

import pytest

from antiphon.conversation import effects, inputs
from antiphon.conversation.alignment import words
from antiphon.conversation.state import Playout, SpokenSentence
from tests.options import session_rules
from tests.simulation import MS
from tests.unit.conversation.stage import (
    WORD_MS,
    spoken_answer,
    strict_world,
    transcript_of,
)


@pytest.mark.parametrize("pace", [False, True])
def test_an_incomplete_sentence_counts_only_as_far_as_it_was_made(pace: bool) -> None:
    """The engine is slower than the listener: all that was made is played before the sentence is complete."""
    for made_ms in range(400, 3200, 400):
        world = strict_world(session_rules(pace=pace))
        item_id = spoken_answer(world, until_ms=made_ms)
        world.advance(5.0)
        world.append(100, 0.9)
        world.advance(2.1)
        assert world.last("conversation.item.truncated")["audio_end_ms"] == made_ms
        assert abs(len(transcript_of(world, item_id).split()) - made_ms / WORD_MS) <= 2  # its pace is not known yet


def test_an_engine_that_names_no_sentences_is_cut_by_the_share_of_the_whole() -> None:
    world = strict_world()
    world.say_text()
    world.send("response.create")
    job = world.started(effects.StartAnswer)[-1]
    world.jobs.clear()
    world.tell(inputs.TextMade(job.job_id, "one two three four"))
    world.tell(inputs.AnswerMade(job.job_id, "stop"))
    world.made_audio(job.speak_job_id, 2000 * MS, "")
    world.tell(inputs.SpeechMade(job.speak_job_id))
    item_id = world.client.order[-1]
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=2000)
    assert transcript_of(world, item_id) == "one two three four"
    world.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1000)
    assert transcript_of(world, item_id) == "one two"


@pytest.mark.parametrize(
    ("text", "share", "left"),
    [
        ("Привет, дорогой друг!", 0.5, "Привет,"),
        ("Größe übertrifft Schönheit", 0.5, "Größe"),
        ("مرحبا بالعالم الجميل", 0.5, "مرحبا"),
        ("今日はとても良い天気です", 0.5, "今日はとても"),
        ("สวัสดีครับ", 0.2, "ส"),
        ("한국어 문장은 짧다", 0.5, "한국어"),
        ("one", 0.8, ""),
        ("one", 1.0, "one"),
    ],
)
def test_words_are_cut_at_their_ends_in_every_script(text: str, share: float, left: str) -> None:
    playout = Playout(text=text, made=1000, whole=1000, sent=1000, spans=[SpokenSentence(text, 0)])
    assert words(playout, round(1000 * share)) == left


def test_a_sentence_that_the_engine_words_differently_does_not_lose_the_ones_behind_it() -> None:
    text = "It costs 5 €. That is cheap."
    spans = [SpokenSentence("It costs five euros.", 0), SpokenSentence("That is cheap.", 1000)]
    playout = Playout(text=text, made=2000, whole=2000, sent=2000, spans=spans)
    assert words(playout, 2000) == text
    assert words(playout, 1500) == "It costs 5 €. That is"
