"""The translation machine: utterances come out in their order, none is lost, and the session ends once."""

from __future__ import annotations

import random
from collections import deque
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antiphon.audio.ticks import VAD_WINDOW_TICKS
from antiphon.translation_session import effects, inputs
from antiphon.translation_session.machine import CLOSE_TICKS, LONGEST_TICKS, TranslationMachine
from antiphon.translation_session.state import State
from antiphon.wire.translation import (
    SourceTranscription,
    TranslationAudio,
    TranslationInput,
    TranslationOutput,
    TranslationSession,
    TranslationSessionUpdate,
)

MS = 24
LISTENING = TranslationAudio(
    input=TranslationInput(transcription=SourceTranscription(model="whisper-1")),
    output=TranslationOutput(language="fr"),
)
LOUD, QUIET = 0.9, 0.1
TIMEOUT_S = 35.0


class World:
    """One session with workers that move when told to, and a shadow that is dumped and loaded before each input.

    The first utterance is heard as "0", the next as "1", and so on; speech is made in two pieces.
    """

    def __init__(self, audio: TranslationAudio = LISTENING) -> None:
        session = TranslationSession(id="sess_1", model="m", expires_at=1, audio=audio)
        self.machine, self.shadow = (
            TranslationMachine(State(seed="seed", session=session, job_timeout_s=TIMEOUT_S)) for _ in range(2)
        )
        self.effects: list[effects.Effect] = []
        self.jobs: dict[str, deque[inputs.Input]] = {}
        self.heard: dict[str, str] = {}
        """Texts of the utterances by the job that transcribes them."""
        self.clips: list[tuple[int, int]] = []
        self.windows: list[bool] = []
        """Which windows before the close held speech."""
        self._refs = 0
        self.now = 1000.0
        self.tell(inputs.Opened())

    def tell(self, event: inputs.Input) -> list[effects.Effect]:
        """Give one input to the machine and its shadow; returns the effects."""
        found = self.machine.receive(event, self.now)
        dumped = msgspec.msgpack.encode(self.shadow.state)
        self.shadow = TranslationMachine(msgspec.msgpack.decode(dumped, type=State))
        assert self.shadow.receive(event, self.now) == found, "a loaded session gives the same effects"
        self.effects += found
        for effect in found:
            self._note(effect)
        return found

    def hear(self, probability: float, ms: int) -> None:
        """Append whole windows that all sound like that."""
        count = -(-ms // 32)
        if self.machine.state.close_at is None:
            self.windows += [probability > 0.5] * count
        self.tell(inputs.Appended(count * VAD_WINDOW_TICKS))
        self.tell(inputs.VoiceScored((probability,) * count))

    def utter(self, ms: int = 320) -> None:
        """Say something, and be silent."""
        self.hear(LOUD, ms)
        self.hear(QUIET, 544)

    def close(self) -> None:
        """End the session; silence follows, as at the gateway."""
        self.tell(inputs.CloseAsked())
        self.hear(QUIET, CLOSE_TICKS // MS)

    def update(self, **audio: Any) -> None:
        """Change the session."""
        self.tell(inputs.Updated(msgspec.convert({"audio": audio}, TranslationSessionUpdate)))

    def work(self, index: int = 0) -> None:
        """Let one of the running jobs take a step."""
        job_id = list(self.jobs)[index % len(self.jobs)]
        queue = self.jobs[job_id]
        event = queue.popleft()
        if not queue:
            del self.jobs[job_id]
        self.tell(event)

    def fail(self, index: int = 0) -> None:
        """Let one of the running jobs fail."""
        job_id = list(self.jobs)[index % len(self.jobs)]
        del self.jobs[job_id]
        self.tell(inputs.Failed(job_id, "provider_unavailable", "it broke"))

    def wait(self, seconds: float) -> list[effects.Effect]:
        """Let time pass; returns what it leads to."""
        self.now += seconds
        due_at = self.machine.due_at
        return self.tell(inputs.Tick()) if due_at is not None and due_at <= self.now else []

    def finish(self) -> None:
        """Let all jobs end, and those that follow them."""
        while self.jobs:
            self.work(len(self.jobs) - 1)

    def _note(self, effect: effects.Effect) -> None:
        match effect:
            case effects.StartTranscription():
                text = self.heard[effect.job_id] = str(len(self.heard))
                self.clips.append((effect.start, effect.end))
                self.jobs[effect.job_id] = deque([inputs.Transcribed(effect.job_id, f" {text} ", "en")])
            case effects.StartTranslation():
                self.jobs[effect.job_id] = deque([inputs.Translated(effect.job_id, f"[{effect.target}] {effect.text}")])
            case effects.StartSpeech():
                self._refs += 2
                made = [inputs.AudioMade(effect.job_id, self._refs - 1), inputs.AudioMade(effect.job_id, self._refs)]
                self.jobs[effect.job_id] = deque([*made, inputs.SpeechMade(effect.job_id)])
            case _:
                pass

    # -- what the client got -----------------------------------------------------------------------------------------
    def events(self) -> list[dict[str, Any]]:
        """All events as dictionaries, in order."""
        sent = [effect.event for effect in self.effects if isinstance(effect, effects.Send | effects.SendAudio)]
        return [msgspec.to_builtins(event) for event in sent]

    def said(self) -> list[str]:
        """What was shown and spoken: ``in 0``, ``out [fr] 0``, ``audio``, …"""
        names = {"input_transcript": "in", "output_transcript": "out", "output_audio": "audio"}
        found: list[str] = []
        for event in self.events():
            name = names.get(event["type"].partition(".")[2].partition(".")[0])
            if name is not None:
                found.append(f"{name} {event['delta']}".strip())
        return found

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events()]


def whole(number: int) -> list[str]:
    """All that the client gets of an utterance that goes well."""
    return [f"in {number}", f"out [fr] {number}", "audio", "audio"]


# -- utterances --------------------------------------------------------------------------------------------------------
def test_an_utterance_ends_with_half_a_second_of_silence_and_begins_a_little_before_its_speech() -> None:
    world = World()
    world.hear(QUIET, 3200)
    world.utter(320)
    start, end = world.clips[0]
    assert start == 3200 * MS - 300 * MS
    assert end == (3200 + 320 + 512) * MS


def test_a_single_loud_window_is_no_speech() -> None:
    world = World()
    for _ in range(5):
        world.hear(LOUD, 32)
        world.hear(QUIET, 640)
    world.close()
    assert world.clips == []
    assert world.kinds() == ["session.created", "session.closed"]


def test_a_short_pause_does_not_end_an_utterance() -> None:
    world = World()
    for _ in range(3):
        world.hear(LOUD, 320)
        world.hear(QUIET, 480)
    world.hear(QUIET, 32)
    assert len(world.clips) == 1


def test_speech_without_a_pause_is_cut_after_twelve_seconds_and_nothing_falls_between_the_pieces() -> None:
    world = World()
    world.hear(LOUD, 30_000)
    world.close()
    world.finish()
    (first, second, third) = world.clips
    assert first[1] - first[0] == second[1] - second[0] == LONGEST_TICKS
    assert (first[1], second[1]) == (second[0], third[0])
    assert third[1] >= 30_000 * MS
    assert world.said() == [*whole(0), *whole(1), *whole(2)]


def test_silence_is_forgotten_a_second_at_a_time_and_never_the_padding_of_what_follows() -> None:
    world = World()
    for _ in range(100):
        world.hear(QUIET, 96)
    forgotten = [effect.end for effect in world.effects if isinstance(effect, effects.Forget)]
    assert 5 <= len(forgotten) <= 9
    world.utter()
    assert world.clips[0][0] == (9600 - 300) * MS >= forgotten[-1]


# -- order -------------------------------------------------------------------------------------------------------------
def test_utterances_that_finish_in_the_wrong_order_come_out_in_the_right_one() -> None:
    world = World()
    for _ in range(3):
        world.utter()
    for _ in range(2):  # transcribe and translate, the last first
        for index in (2, 1, 0):
            world.work(index)
    assert world.said() == ["in 0", "out [fr] 0"]
    world.finish()
    assert world.said() == [*whole(0), *whole(1), *whole(2)]
    starts = [event["elapsed_ms"] for event in world.events() if "elapsed_ms" in event]
    assert starts == sorted(starts)


def test_a_translation_that_fails_leaves_its_transcript_in_its_turn() -> None:
    world = World()
    world.utter()
    world.utter()
    world.work(1)
    world.fail(1)
    assert world.said() == []
    world.finish()
    assert world.said() == [*whole(0), "in 1"]


def test_an_utterance_without_a_transcript_is_left_out_and_delays_no_other() -> None:
    world = World()
    for _ in range(3):
        world.utter()
    silent = next(iter(world.jobs))
    world.fail(1)
    world.jobs[silent] = deque([inputs.Transcribed(silent, "  ", "en")])
    world.finish()
    assert world.said() == whole(2)


def test_a_tts_that_fails_leaves_the_text_and_the_next_utterance_continues() -> None:
    world = World()
    world.utter()
    world.utter()
    speaking = world.machine.state.utterances[0]
    while "audio" not in world.said():
        world.work(list(world.jobs).index(speaking.job_id))
    world.fail(list(world.jobs).index(speaking.job_id))
    world.finish()
    assert world.said() == [*whole(0)[:3], *whole(1)]


def test_results_of_unknown_jobs_change_nothing() -> None:
    world = World()
    world.utter()
    before = msgspec.msgpack.encode(world.machine.state)
    for event in (
        inputs.Transcribed("job_9", "a", "en"),
        inputs.Translated("job_9", "a"),
        inputs.AudioMade("job_9", 1),
        inputs.SpeechMade("job_9"),
        inputs.Failed("job_9", None, "a"),
    ):
        assert world.tell(event) == []
    assert msgspec.msgpack.encode(world.machine.state) == before


# -- time --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("steps", "stage", "said"), [
    (0, "transcribe", []),
    (1, "translate", ["in 0"]),
    (2, "speak", ["in 0", "out [fr] 0"]),
    (3, "speak", ["in 0", "out [fr] 0", "audio"]),
])  # fmt: skip
def test_a_job_without_a_result_ends_its_utterance_with_an_error_and_the_session_continues(
    steps: int, stage: str, said: list[str]
) -> None:
    world = World()
    world.utter()
    for _ in range(steps):
        world.work()
    job_id = world.machine.state.utterances[0].job_id
    assert world.wait(TIMEOUT_S - 0.1) == []
    found = world.wait(0.1)
    assert effects.CancelJob(job_id) in found
    (error,) = [event["error"] for event in world.events() if event["type"] == "error"]
    assert (error["type"], error["code"]) == ("timeout_error", "no_result")
    assert stage in error["message"]
    assert world.said() == said
    assert world.machine.due_at is None
    world.jobs.clear()
    world.utter()
    world.finish()
    assert world.said() == [*said, *whole(1)]


def test_a_result_gives_all_jobs_of_its_stage_time_again_and_no_others() -> None:
    world = World()
    for _ in range(3):
        world.utter()
    world.work()
    world.wait(TIMEOUT_S - 5)
    transcribing = [one.job_id for one in world.machine.state.utterances[1:]]
    world.work(list(world.jobs).index(transcribing[0]))
    found = world.wait(5)
    assert [type(effect) for effect in found if isinstance(effect, effects.CancelJob)] == [effects.CancelJob]
    assert [one.stage for one in world.machine.state.utterances] == ["translate", "transcribe"]


def test_speech_that_waits_for_its_turn_does_not_time_out() -> None:
    world = World()
    world.utter()
    world.utter()
    world.work(1)
    world.work(1)
    assert world.machine.state.utterances[1].stage == "speak"
    for _ in range(3):
        world.wait(TIMEOUT_S - 1)
        world.tell(inputs.AudioMade(world.machine.state.utterances[0].job_id, 1))
        if world.machine.state.utterances[0].stage != "speak":
            world.work()
    assert "error" not in world.kinds()


def test_a_detector_that_is_stuck_does_not_keep_a_closed_session_open() -> None:
    world = World()
    world.tell(inputs.Appended(VAD_WINDOW_TICKS))
    world.tell(inputs.CloseAsked())
    assert world.wait(TIMEOUT_S - 1) == []
    world.wait(1)
    assert world.kinds()[-1] == "session.closed"


def test_a_component_is_reported_once_when_it_fails_and_when_it_works_again() -> None:
    world = World()
    for _ in range(3):
        world.utter()
    changed: list[effects.Effect] = []
    for transient, code in ((False, "bad_request"), (True, "worker_stopped"), (True, "provider_unavailable")):
        job_id = next(iter(world.jobs))
        del world.jobs[job_id]
        found = world.tell(inputs.Failed(job_id, code, "it broke", transient))
        changed += [effect for effect in found if isinstance(effect, effects.ComponentChanged)]
    assert changed == [effects.ComponentChanged("stt", is_down=True)]
    world.utter()
    world.finish()
    found = [effect for effect in world.effects if isinstance(effect, effects.ComponentChanged)]
    assert found == [*changed, effects.ComponentChanged("stt", is_down=False)]


# -- configuration -----------------------------------------------------------------------------------------------------
def test_an_utterance_is_translated_into_the_language_that_held_at_its_end() -> None:
    world = World()
    world.utter()
    world.hear(LOUD, 320)
    world.update(output={"language": "de"})
    world.hear(QUIET, 544)
    world.finish()
    assert [text for text in world.said() if text.startswith("out")] == ["out [fr] 0", "out [de] 1"]
    assert [effect.language for effect in world.effects if isinstance(effect, effects.StartSpeech)] == ["fr", "de"]


def test_the_words_of_the_source_are_shown_only_while_transcription_is_set() -> None:
    world = World(TranslationAudio())
    for transcription in (None, {"model": "whisper-1"}, None):
        world.update(input={"transcription": transcription})
        world.utter()
        world.finish()
    assert [text for text in world.said() if text.startswith("in")] == ["in 1"]
    assert [text for text in world.said() if text.startswith("out")] == ["out [es] 0", "out [es] 1", "out [es] 2"]


HEARD = {"transcription": {"model": "whisper-1"}}
NEAR = {"noise_reduction": {"type": "near_field"}}


@pytest.mark.parametrize(("wish", "result"), [
    ({}, {"input": HEARD, "output": {"language": "fr"}}),
    ({"output": {}}, {"input": HEARD, "output": {"language": "fr"}}),
    ({"output": {"language": None}}, {"input": HEARD, "output": {"language": "fr"}}),
    ({"output": {"language": "pt-BR"}}, {"input": HEARD, "output": {"language": "pt-BR"}}),
    ({"input": {"transcription": None}}, {"input": {"transcription": None}, "output": {"language": "fr"}}),
    ({"input": NEAR}, {"input": HEARD | NEAR, "output": {"language": "fr"}}),
])  # fmt: skip
def test_an_update_keeps_what_it_leaves_out(wish: dict[str, Any], result: dict[str, Any]) -> None:
    world = World()
    world.update(**wish)
    assert world.events()[-1]["session"]["audio"] == result


@pytest.mark.parametrize("audio", [msgspec.UNSET, None])
def test_an_update_without_audio_is_answered_and_changes_nothing(audio: Any) -> None:
    world = World()
    world.tell(inputs.Updated(replace(TranslationSessionUpdate(), audio=audio)))
    created, updated = world.events()
    assert (updated["type"], updated["session"]) == ("session.updated", created["session"])


def test_a_refusal_takes_the_next_event_id() -> None:
    world = World()
    error = world.machine.refuse("no", code="invalid_event", param="type", event_id="mine")
    assert error.event_id > world.events()[-1]["event_id"]
    assert (error.error.message, error.error.code, error.error.param, error.error.event_id) == (
        "no", "invalid_event", "type", "mine",
    )  # fmt: skip


# -- the end -----------------------------------------------------------------------------------------------------------
def test_a_session_in_which_nothing_was_said_closes_at_once() -> None:
    world = World()
    assert [type(effect) for effect in world.tell(inputs.CloseAsked())] == [effects.Send, effects.Close]
    assert world.kinds() == ["session.created", "session.closed"]


def test_a_word_that_the_close_cuts_short_is_still_translated() -> None:
    world = World()
    world.hear(LOUD, 320)
    world.close()
    assert world.kinds() == ["session.created"]
    world.finish()
    assert world.said() == whole(0)
    assert world.effects[-1] == effects.Close()


def test_audio_after_the_close_is_ignored() -> None:
    world = World()
    world.utter()
    world.close()
    for _ in range(5):
        world.hear(LOUD, 960)
        world.tell(inputs.CloseAsked())
        world.hear(QUIET, 960)
    world.finish()
    assert world.said() == whole(0)
    assert world.kinds().count("session.closed") == 1


def test_a_closed_session_does_nothing_more() -> None:
    world = World()
    world.close()
    assert world.tell(inputs.Opened()) == []
    world.utter()
    world.close()
    assert world.kinds() == ["session.created", "session.closed"]


SOUNDS = st.tuples(st.sampled_from(["loud", "quiet"]), st.integers(32, 2_000) | st.just(13_000))
WORK = st.tuples(st.sampled_from(["work", "fail", "babble"]), st.integers(0, 20))
SCHEDULES = st.tuples(
    st.integers(0, 4),  # utterances before anything else happens
    st.lists(st.one_of(SOUNDS, WORK, WORK, st.sampled_from([("close", 0), ("language", 0)])), max_size=40),
    st.randoms(use_true_random=False),  # in which order the rest finishes
)


@given(SCHEDULES)
def test_in_every_schedule_all_utterances_come_out_once_and_in_order_before_the_session_ends(
    schedule: tuple[int, list[tuple[str, int]], random.Random],
) -> None:
    utterances, steps, rest = schedule
    world = World()
    expected: dict[str, list[str]] = {}
    for _ in range(utterances):
        world.utter()
    for what, amount in [*steps, ("close", 0)]:
        take(world, what, amount, expected)
    while world.jobs:
        take(world, rest.choice(["work", "work", "work", "fail", "babble"]), rest.randrange(20), expected)
    check(world, expected)


def take(world: World, what: str, amount: int, expected: dict[str, list[str]]) -> None:
    """Take one step of a schedule, and note what has to come of it."""
    match what:
        case "loud" | "quiet":
            world.hear(LOUD if what == "loud" else QUIET, amount)
        case "close":
            world.close()
        case "language":
            world.update(output={"language": "fr"})
        case _ if world.jobs:
            job_id = list(world.jobs)[amount % len(world.jobs)]
            utterance = next(one for one in world.machine.state.utterances if one.job_id == job_id)
            number, stage = utterance.said or world.heard[job_id], utterance.stage
            if what == "babble" and stage == "transcribe":
                world.jobs[job_id] = deque([inputs.Transcribed(job_id, "", "en")])
            step = world.jobs[job_id][0]
            lines = expected.setdefault(number, [])
            match stage:
                case "translate":
                    lines += [f"in {number}"] + ([f"out [fr] {number}"] if what != "fail" else [])
                case "speak" if isinstance(step, inputs.AudioMade) and what != "fail":
                    lines.append("audio")
                case _:
                    pass
            (world.fail if what == "fail" else world.work)(amount)
        case _:
            pass


def check(world: World, expected: dict[str, list[str]]) -> None:
    """Hold all that the client got against the rules."""
    assert world.said() == [line for number in sorted(expected, key=int) for line in expected[number]]
    assert len(expected) == len(world.heard)
    kinds = world.kinds()
    assert (kinds[0], kinds[-1], kinds.count("session.closed")) == ("session.created", "session.closed", 1)
    assert [index for index, effect in enumerate(world.effects) if effect == effects.Close()] == [
        len(world.effects) - 1
    ]
    ids = [event["event_id"] for event in world.events()]
    assert ids == sorted(set(ids))
    assert all(before[1] <= after[0] for before, after in pairwise(world.clips))
    missed = [
        voiced and not any(start <= number * VAD_WINDOW_TICKS < end for start, end in world.clips)
        for number, voiced in enumerate(world.windows)
    ]
    assert not any(a and b for a, b in pairwise(missed)), "speech was lost"
