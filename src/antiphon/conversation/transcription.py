"""Transcription of the user's speech: the jobs and their results."""

from __future__ import annotations

from msgspec.structs import replace

from antiphon.audio.ticks import TICKS_PER_S
from antiphon.conversation import degraded, reports
from antiphon.conversation.effects import CancelJob, StartTranscription
from antiphon.conversation.inputs import Failed, Transcribed, Transcribing
from antiphon.conversation.state import ItemRecord
from antiphon.conversation.step import Step
from antiphon.text.scripts import continuation
from antiphon.wire.realtime_items import Content, Message
from antiphon.wire.realtime_server import (
    InputAudioTranscriptionCompleted,
    InputAudioTranscriptionDelta,
    InputAudioTranscriptionFailed,
    TranscriptionError,
)
from antiphon.wire.realtime_session import Transcription
from antiphon.wire.usage import DurationUsage

_USUAL_S = 30
"""Longer turns have a longer timeout: a service may read all of the audio before its first result."""


def begin(step: Step, record: ItemRecord, start: int = 0, end: int = 0) -> None:
    """Start to transcribe an item's audio, or its part from ``start`` to ``end``."""
    record.hearing, record.asked_at = "pending", step.now
    item_id = str(record.item.id)
    extra_s = max(0, record.input_ticks // TICKS_PER_S - _USUAL_S)
    step.do(transcription_job(step, step.new_job("item", item_id, extra_s=extra_s), item_id, start, end))


def transcription_job(step: Step, job_id: str, item_id: str, start: int, end: int) -> StartTranscription:
    """Return the effect that starts a transcription under the session's hints."""
    wish = step.state.session.audio.input.transcription or Transcription()
    languages = wish.languages or []
    language = wish.language or (languages[0] if len(languages) == 1 else None)
    prompt = " ".join([wish.prompt or "", *(wish.keywords or [])]).strip()
    return StartTranscription(job_id, item_id, start, end, language or None, prompt, wish.model or "")


def forget(step: Step, record: ItemRecord) -> None:
    """Cancel the transcription of a deleted item."""
    item_id = str(record.item.id)
    for job_id, owner in list(step.state.jobs.items()):
        if (owner.kind, owner.id) == ("item", item_id):
            del step.state.jobs[job_id]
            step.do(CancelJob(job_id))


def partial(step: Step, event: Transcribing) -> None:
    """Handle a part of a transcript."""
    record = _item_of(step, event.job_id)
    if record is not None:
        more(step, record, continuation(record.heard or "", event.segment.text))


def more(step: Step, record: ItemRecord, delta: str) -> None:
    """Send a further part of a transcript."""
    if not delta or not is_shown(step):
        return
    record.heard = (record.heard or "") + delta
    step.send(
        InputAudioTranscriptionDelta,
        item_id=str(record.item.id),
        content_index=_audio_index(record),
        delta=delta,
    )


def completed(step: Step, event: Transcribed) -> None:
    """Handle a complete transcript."""
    record = _item_of(step, event.job_id)
    step.state.jobs.pop(event.job_id, None)
    if record is not None:
        finish(step, record, event.text, event.duration_s, event.engine)


def _item_of(step: Step, job_id: str) -> ItemRecord | None:
    """Return the item that a job transcribes; None once the job is cancelled or the item deleted."""
    item_id = step.owner(job_id, "item")
    return None if item_id is None else step.find(item_id)


def finish(step: Step, record: ItemRecord, text: str, duration_s: float, engine: str = "") -> None:
    """Store a transcript with its item, then send it: clients retrieve the item at once."""
    had_deltas = bool(record.heard)
    record.heard = text
    record.hearing = "done"
    seconds = duration_s or record.input_ticks / TICKS_PER_S
    reports.transcribed(step, record, text, seconds, engine, is_shown=is_shown(step))
    if not is_shown(step):
        return
    _show_transcript(record, text)
    item_id, index = str(record.item.id), _audio_index(record)
    if text and not had_deltas:
        step.send(InputAudioTranscriptionDelta, item_id=item_id, content_index=index, delta=text)
    step.send(
        InputAudioTranscriptionCompleted,
        item_id=item_id,
        content_index=index,
        transcript=text,
        usage=DurationUsage(seconds=round(seconds, 3)),
    )
    step.persist(record)


def failed(step: Step, event: Failed) -> None:
    """Handle a failed transcription; its item stays."""
    record = _item_of(step, event.job_id)
    step.state.jobs.pop(event.job_id, None)
    if record is None:
        return
    degraded.failed(step, "stt", event)
    record.heard = None
    record.hearing = "failed"
    if is_shown(step):
        step.send(
            InputAudioTranscriptionFailed,
            item_id=str(record.item.id),
            content_index=_audio_index(record),
            error=TranscriptionError(
                type=event.error_type, code=event.code or "transcription_failed", message=event.message
            ),
        )


def is_shown(step: Step) -> bool:
    """Say whether the client asked for transcripts."""
    return step.state.session.audio.input.transcription is not None


def _audio_index(record: ItemRecord) -> int:
    if isinstance(record.item, Message):
        for index, part in enumerate(record.item.content):
            if part.type == "input_audio":
                return index
    return 0


def _show_transcript(record: ItemRecord, text: str) -> None:
    item, index = record.item, _audio_index(record)
    if isinstance(item, Message):
        content = list(item.content)
        content[index] = Content(type="input_audio", transcript=text)
        record.item = replace(item, content=tuple(content))
