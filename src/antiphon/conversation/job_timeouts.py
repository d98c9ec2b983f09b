"""Timeouts of jobs that give no result: no worker has claimed the job, or its worker hangs.

Engines have shorter timeouts with better messages. This one holds whatever else is broken.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from antiphon.conversation.effects import CancelJob
from antiphon.conversation.inputs import Failed
from antiphon.conversation.step import Step

_COARSE_S = 1.0
"""Smallest extension of a due time, so that most results need not reset a timer."""


def due_at(step: Step) -> float:
    """Return when the next job times out, seconds."""
    return min((owner.due for owner in step.state.jobs.values() if owner.due), default=math.inf)


def progress(step: Step, job_id: str) -> None:
    """Restart the timeout of a job that gave a result, and of the other jobs of its owner."""
    jobs = step.state.jobs
    owner = jobs.get(job_id)
    due = step.now + step.state.rules.job_timeout_s
    if owner is not None and owner.due and due - owner.due >= _COARSE_S:
        for name, other in jobs.items():
            if other.due and (other.kind, other.id) == (owner.kind, owner.id):
                jobs[name] = replace(other, due=due)


def done(step: Step, job_id: str) -> None:
    """Stop the timeout of a job that gave its last result."""
    owner = step.state.jobs.get(job_id)
    if owner is not None and owner.due:
        step.state.jobs[job_id] = replace(owner, due=0.0)


def restart(step: Step) -> None:
    """Restart all timeouts after the session was resumed."""
    jobs = step.state.jobs
    for name, owner in jobs.items():
        if owner.due:
            jobs[name] = replace(owner, due=step.now + step.state.rules.job_timeout_s)


def time_out(step: Step) -> list[Failed]:
    """Cancel overdue jobs; returns the failures to report to their owners."""
    late = [name for name, owner in step.state.jobs.items() if owner.due and step.now >= owner.due]
    for name in late:
        step.do(CancelJob(name))
    text = f"The job gave no result for {step.state.rules.job_timeout_s:g} s."
    return [Failed(name, "timeout_error", "no_result", text) for name in late]
