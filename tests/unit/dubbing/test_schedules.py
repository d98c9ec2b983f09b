"""Schedules by chance: whatever comes in whatever order, results leave in order, each once, and no hole is hidden."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from antiphon.dubbing.effects import Cancel, Deliver, Effect, Forget, Send, Start
from antiphon.dubbing.inputs import Done, Ticked
from antiphon.entities.dubbing import ProcessingError
from tests.options import stream_rules
from tests.unit.dubbing.stages import Stage

SCHEDULES = 1_000
BATCHES = 6


class Schedule:
    """A worker, its network and those who do the fragments, all by chance, under one clock."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.stage = Stage(
            stream_rules(keep_results=self.chance.choice([4, 64])), timeout_ms=self.chance.choice([1000, 8000])
        )
        self.numbers = self.chance.randrange(1, 24)
        self.todo: list[tuple[float, int, str]] = []
        """When something happens: its time, the fragment, what happens."""
        self.jobs: dict[str, tuple[float, int]] = {}
        self.results: list[Any] = []
        self.holes: list[tuple[int, int]] = []
        self.accepted: set[int] = set()
        self.audio: set[str] = set()
        self.severities = ["low"]
        self.complete: Any = None

    def run(self) -> None:
        chance = self.chance
        for number in range(self.numbers):
            if chance.random() < 0.9:  # else it never comes
                self.todo.append((number * 0.2 + chance.random() * chance.choice([0.1, 3.0]), number, "offer"))
        while self.todo or self.jobs:
            self._step()
        self.note(self.stage.wait(20))
        self.note(self.stage.end())

    def _step(self) -> None:
        """Let the next thing happen: a fragment comes, a job ends, a time is over."""
        stage = self.stage
        arrival = min(self.todo, default=None)
        job = min(self.jobs, key=lambda one: self.jobs[one], default=None)
        due = stage.stream.next_due
        at = min(
            arrival[0] + 100 if arrival else 1e9, self.jobs[job][0] if job else 1e9, due if due is not None else 1e9
        )
        stage.now = max(stage.now, at)
        if due is not None and due <= at:
            self.note(stage.tell(Ticked()))
        elif job is not None and self.jobs[job][0] <= at:
            del self.jobs[job]
            self._end(job)
        elif arrival is not None:
            self.todo.remove(arrival)
            self._offer(arrival[1])

    def _offer(self, number: int) -> None:
        told = self.stage.offer(number)
        refusals = [one.payload.code for one in told if isinstance(one, Send) and one.name == "error"]
        own = [one for one in told if isinstance(one, Send) and one.name == "fragment:ack"]
        if own:
            self.accepted.add(number)
        if "BACKPRESSURE_EXCEEDED" in refusals or (own and self.chance.random() < 0.1):
            self.todo.append((self.stage.now - 100 + self.chance.random() * 2, number, "offer"))
        self.note(told)

    def _end(self, job: str) -> None:
        status = self.chance.choice(["success", "success", "partial", "failed", "failed"])
        is_retryable = self.chance.random() < 0.5
        error = ProcessingError(stage="tts", code="MODEL_ERROR", message="m", retryable=is_retryable)
        done = Done(
            job, status, audio_bytes=0 if status == "failed" else 5, error=error if status == "failed" else None
        )
        if done.audio_bytes:
            self.audio.add(job)
        self.note(self.stage.tell(done))

    def note(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Start():
                    assert effect.job_id not in self.jobs
                    takes = self.chance.choice([0.0, 0.1, 0.5, 2.0, 12.0]) * self.chance.random()
                    self.jobs[effect.job_id] = (self.stage.now + takes, effect.fragment.sequence_number)
                case Cancel():
                    self.jobs.pop(effect.job_id, None)
                case Forget():
                    self.audio.discard(effect.job_id)
                case Deliver():
                    self._delivered(effect)
                case Send(name="error", payload=payload) if (
                    payload.code == "INVALID_SEQUENCE" and not payload.fragment_id
                ):
                    self.holes.append((payload.details["expected"], payload.details["received"]))
                case Send(name="backpressure", payload=payload):
                    assert payload.severity != self.severities[-1], "told only when it changes"
                    self.severities.append(payload.severity)
                case Send(name="stream:complete", payload=payload):
                    self.complete = payload
                case _:
                    pass
        assert self.stage.stream.in_flight <= 10
        assert (
            self.severities[-1]
            == ("low", "medium", "high")[stream_rules().thresholds.band(self.stage.stream.in_flight)]
        )

    def _delivered(self, effect: Deliver) -> None:
        assert (effect.audio in self.audio) or not effect.audio, "the audio of what is delivered is at hand"
        self.results.append(effect)
        result = effect.result
        may_be_retried = result.status == "failed" and result.error and result.error.retryable
        if may_be_retried and self.chance.random() < 0.7:
            self.todo.append((self.stage.now - 100 + self.chance.random(), result.sequence_number, "offer"))


@pytest.mark.parametrize("batch", range(BATCHES))
def test_results_leave_in_order_each_once_and_no_hole_is_hidden(batch: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(batch * SCHEDULES // BATCHES, (batch + 1) * SCHEDULES // BATCHES):
        schedule = Schedule(seed)
        schedule.run()
        first = [one.result.sequence_number for one in schedule.results if not one.again]
        assert first == sorted(set(first)), seed
        missed = {number for expected, received in schedule.holes for number in range(expected, received)}
        top = max(first, default=-1)
        assert set(range(top + 1)) - set(first) == missed, seed
        assert set(first) == schedule.accepted, seed
        last = {one.result.sequence_number: one.result.status for one in schedule.results}
        complete = schedule.complete
        assert complete.total_fragments == len(first), seed
        counted = Counter(last.values())
        assert (complete.success_count, complete.partial_count, complete.failed_count) == (
            counted["success"],
            counted["partial"],
            counted["failed"],
        ), seed
        assert sum(complete.error_breakdown.by_code.values()) == complete.failed_count
        assert not schedule.jobs
        seen.update(
            holes=len(schedule.holes),
            again=sum(one.again for one in schedule.results),
            high="high" in schedule.severities,
            timeouts=sum("TIMEOUT" in repr(one.result.error) for one in schedule.results),
        )
    assert min(seen.values()) > 10, f"the schedules have all that may happen: {seen}"
    assert len(seen) == 4


def test_the_same_schedule_gives_the_same_trace() -> None:
    first, second = Schedule(7), Schedule(7)
    first.run()
    second.run()
    assert repr(first.stage.effects) == repr(second.stage.effects)
