"""Random schedules of a stream: fragments, results and timeouts in any order."""

from __future__ import annotations

from random import Random
from typing import Any

from antiphon.dubbing.effects import Cancel, Deliver, Effect, Forget, Send, Start
from antiphon.dubbing.inputs import Done, Ticked
from antiphon.entities.dubbing import ProcessingError
from tests.options import stream_rules
from tests.unit.dubbing.stages import Stage


class Schedule:
    """A random worker, network and job backend under one virtual clock."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.stage = Stage(
            stream_rules(keep_results=self.random.choice([4, 64])), timeout_ms=self.random.choice([1000, 8000])
        )
        self.numbers = self.random.randrange(1, 24)
        self.todo: list[tuple[float, int, str]] = []
        """Future events: time, fragment, kind."""
        self.jobs: dict[str, tuple[float, int]] = {}
        self.results: list[Any] = []
        self.gaps: list[tuple[int, int]] = []
        self.accepted: set[int] = set()
        self.audio: set[str] = set()
        self.severities = ["low"]
        self.complete: Any = None

    def run(self) -> None:
        random = self.random
        for number in range(self.numbers):
            if random.random() < 0.9:  # else it is lost
                self.todo.append((number * 0.2 + random.random() * random.choice([0.1, 3.0]), number, "offer"))
        while self.todo or self.jobs:
            self._step()
        self.note(self.stage.wait(20))
        self.note(self.stage.end())

    def _step(self) -> None:
        """Run the next event: an arrival, the end of a job, or a timeout."""
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
        if "BACKPRESSURE_EXCEEDED" in refusals or (own and self.random.random() < 0.1):
            self.todo.append((self.stage.now - 100 + self.random.random() * 2, number, "offer"))
        self.note(told)

    def _end(self, job: str) -> None:
        status = self.random.choice(["success", "success", "partial", "failed", "failed"])
        is_retryable = self.random.random() < 0.5
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
                    takes = self.random.choice([0.0, 0.1, 0.5, 2.0, 12.0]) * self.random.random()
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
                    self.gaps.append((payload.details["expected"], payload.details["received"]))
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
        if may_be_retried and self.random.random() < 0.7:
            self.todo.append((self.stage.now - 100 + self.random.random(), result.sequence_number, "offer"))
