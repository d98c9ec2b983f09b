"""Jobs that show no result for too long: nobody works on them, or whoever does hangs.

An engine has timeouts of its own, which come first and say more. This bound holds whatever else is broken.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from antiphon.conversation.effects import CancelJob
from antiphon.conversation.inputs import Failed
from antiphon.conversation.step import Step

_COARSE_S = 1.0
"""A due time is put off by no less: most results change nothing, and no timer has to be set again."""


def due_at(step: Step) -> float:
    """Return when the next job is given up, seconds."""
    return min((owner.due for owner in step.state.jobs.values() if owner.due), default=math.inf)


def progress(step: Step, job_id: str) -> None:
    """A job has shown a result: it has time again, and so have those that work with it for the same owner."""
    jobs = step.state.jobs
    owner = jobs.get(job_id)
    due = step.now + step.state.rules.job_timeout_s
    if owner is not None and owner.due and due - owner.due >= _COARSE_S:
        for name, other in jobs.items():
            if other.due and (other.kind, other.id) == (owner.kind, owner.id):
                jobs[name] = replace(other, due=due)


def done(step: Step, job_id: str) -> None:
    """A job has shown its last result."""
    owner = step.state.jobs.get(job_id)
    if owner is not None and owner.due:
        step.state.jobs[job_id] = replace(owner, due=0.0)


def restart(step: Step) -> None:
    """Nobody was there for a while: all jobs have time again."""
    jobs = step.state.jobs
    for name, owner in jobs.items():
        if owner.due:
            jobs[name] = replace(owner, due=step.now + step.state.rules.job_timeout_s)


def time_out(step: Step) -> list[Failed]:
    """Cancel what is overdue; returns what its owners are to be told."""
    late = [name for name, owner in step.state.jobs.items() if owner.due and step.now >= owner.due]
    for name in late:
        step.do(CancelJob(name))
    text = f"Nothing came of it for {step.state.rules.job_timeout_s:g} s."
    return [Failed(name, "timeout_error", "no_result", text) for name in late]
