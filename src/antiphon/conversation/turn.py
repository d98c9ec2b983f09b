"""Turns of speech: from voice scores to speech_started, speech_stopped and a committed item."""

from __future__ import annotations

from antiphon.audio.ticks import TICKS_PER_S, VAD_WINDOW_TICKS, from_ms, ms
from antiphon.conversation import items, playout, response, speculation, transcription
from antiphon.conversation.effects import CancelJob, CommitAudio, ForgetInput, RestartVad, StartScore
from antiphon.conversation.inputs import TurnScored, VoiceScored
from antiphon.conversation.state import ItemRecord
from antiphon.conversation.step import EventRefused, Step
from antiphon.wire.realtime_items import Content, Message
from antiphon.wire.realtime_server import (
    InputAudioBufferCleared,
    InputAudioBufferCommitted,
    InputAudioBufferSpeechStarted,
    InputAudioBufferSpeechStopped,
    InputAudioBufferTimeoutTriggered,
)
from antiphon.wire.realtime_session import RealtimeSession, SemanticVadConfig, ServerVadConfig

START_WINDOWS = 2
"""Consecutive windows with voice that begin a turn: 64 ms, so that a click does not."""
HYSTERESIS = 0.15
"""A turn continues while scores are at most this far below the threshold (Silero's recommendation)."""
SEMANTIC_THRESHOLD = 0.5
SEMANTIC_SILENCE_MS = 200
"""Silence after which the end-of-turn model is asked."""
SEMANTIC_SURE = 0.5
MAX_WAIT_MS = {"low": 8000, "medium": 4000, "high": 2000, "auto": 4000}
"""Longest silence of a turn that does not sound finished, by eagerness."""
TAIL_TICKS = TICKS_PER_S // 5
"""Trailing silence that is transcribed with a turn: the detector is late, and words fade."""
KEEP_TICKS = TICKS_PER_S
"""Audio before a turn is dropped in pieces of about this size."""

Detection = ServerVadConfig | SemanticVadConfig


def on_voice(step: Step, event: VoiceScored) -> None:
    """Handle scores of consecutive windows."""
    detection = step.state.session.audio.input.turn_detection
    buffer = step.state.buffer
    if detection is None or event.stream != buffer.stream:
        return
    threshold = detection.threshold if isinstance(detection, ServerVadConfig) else SEMANTIC_THRESHOLD
    for probability in event.probabilities:
        buffer.scored = min(buffer.written, buffer.scored + VAD_WINDOW_TICKS)
        if buffer.speech_item:
            floor = max(0.01, min(threshold, max(threshold - HYSTERESIS, 0.05)))
            _during_speech(step, detection, voiced=probability >= floor)
        else:
            _before_speech(step, detection, voiced=probability >= max(threshold, 0.01))
    on_silence(step)
    _forget_old(step, detection)


def on_silence(step: Step) -> None:
    """End the turn after exactly its silence duration, not at the detector's next window.

    The rest that is not scored yet is shorter than a window, and speech begins with a whole window.
    """
    buffer = step.state.buffer
    detection = step.state.session.audio.input.turn_detection
    if buffer.silence_start is None or not isinstance(detection, ServerVadConfig):
        return
    is_scored = buffer.written - buffer.scored < VAD_WINDOW_TICKS
    if is_scored and ms(buffer.written - buffer.silence_start) >= detection.silence_duration_ms:
        end_turn(step, detection)


def _before_speech(step: Step, detection: Detection, *, voiced: bool) -> None:
    buffer = step.state.buffer
    buffer.run = buffer.run + 1 if voiced else 0
    if buffer.run < START_WINDOWS:
        return
    begin = buffer.scored - buffer.run * VAD_WINDOW_TICKS - _padding(detection)
    buffer.speech_start = max(buffer.start, begin, 0)
    buffer.speech_item = step.new_item_id()
    buffer.silence_start = None
    buffer.run = 0
    step.state.idle_due = None
    step.send(InputAudioBufferSpeechStarted, audio_start_ms=ms(buffer.speech_start), item_id=buffer.speech_item)
    if detection.interrupt_response:
        _barge_in(step)


def _padding(detection: Detection) -> int:
    return from_ms(detection.prefix_padding_ms if isinstance(detection, ServerVadConfig) else 300)


def _barge_in(step: Step) -> None:
    """The user speaks: cancel the response that is in progress or due."""
    playout.interrupt(step)
    step.state.due.clear()
    step.state.answer_anyway = False
    active = step.state.responses.get(step.state.active)
    if active is not None:
        response.end(step, active, "cancelled", "turn_detected")


def _during_speech(step: Step, detection: Detection, *, voiced: bool) -> None:
    buffer = step.state.buffer
    if voiced:
        if buffer.silence_start is not None:
            _speech_resumed(step)
        if ms(buffer.scored - buffer.speech_start) > step.state.rules.max_buffer_s * 900:
            end_turn(step, detection)
        return
    if buffer.silence_start is None:
        buffer.silence_start = buffer.scored - VAD_WINDOW_TICKS
    silence_ms = ms(buffer.scored - buffer.silence_start)
    if isinstance(detection, ServerVadConfig):
        if silence_ms >= detection.silence_duration_ms:
            end_turn(step, detection)
        elif 0 < step.state.rules.speculate_ms <= silence_ms:
            speculation.begin(step)
        return
    if silence_ms >= MAX_WAIT_MS[detection.eagerness] or buffer.score_sure:
        end_turn(step, detection)
    elif silence_ms >= SEMANTIC_SILENCE_MS and not buffer.score_job:
        _ask_score(step)


def _speech_resumed(step: Step) -> None:
    step.state.buffer.silence_start = None
    _forget_score(step)
    speculation.drop(step)


def _ask_score(step: Step) -> None:
    buffer = step.state.buffer
    buffer.score_job = step.new_job("turn", buffer.speech_item)
    step.do(StartScore(buffer.score_job, buffer.speech_start, buffer.scored))


def _forget_score(step: Step) -> None:
    buffer = step.state.buffer
    if step.state.jobs.pop(buffer.score_job, None):
        step.do(CancelJob(buffer.score_job))
    buffer.score_job = ""
    buffer.score_sure = False


def on_score(step: Step, event: TurnScored) -> None:
    """Handle a score of the end-of-turn model; a late score of an earlier silence is ignored."""
    buffer = step.state.buffer
    step.state.jobs.pop(event.job_id, None)
    if event.job_id != buffer.score_job or event.probability < SEMANTIC_SURE:
        return
    detection = step.state.session.audio.input.turn_detection
    buffer.score_sure = True
    if detection is not None and buffer.silence_start is not None:
        end_turn(step, detection)


def end_turn(step: Step, detection: Detection) -> None:
    """End the turn: commit it as an item, and make a response due."""
    buffer = step.state.buffer
    _forget_score(step)
    silence = buffer.scored if buffer.silence_start is None else buffer.silence_start
    item_id, start, end = buffer.speech_item, buffer.speech_start, buffer.scored
    step.send(InputAudioBufferSpeechStopped, audio_end_ms=ms(end), item_id=item_id)
    buffer.speech_item = ""
    buffer.silence_start = None
    record = _make_item(step, item_id, start, end)
    if not speculation.adopt(step, record):
        transcription.begin(step, record, start, min(end, silence + TAIL_TICKS))
    step.do(ForgetInput(end))
    if detection.create_response and isinstance(step.state.session, RealtimeSession):
        step.state.due.append(item_id)


def _make_item(step: Step, item_id: str, start: int, end: int) -> ItemRecord:
    """Commit a stretch of the input buffer as a user message."""
    buffer = step.state.buffer
    buffer.start = end
    message = Message(
        id=item_id,
        object="realtime.item",
        status="completed",
        role="user",
        content=(Content(type="input_audio", transcript=None),),
    )
    record = ItemRecord(item=message, position=0, input_ticks=end - start)
    step.do(CommitAudio(item_id, start, end))
    items.make_room(step)
    step.send(InputAudioBufferCommitted, previous_item_id=step.last_id(), item_id=item_id)
    items.append(step, record)
    items.announce(step, record)
    return record


def commit(step: Step) -> None:
    """Handle ``input_audio_buffer.commit``."""
    buffer = step.state.buffer
    length = ms(buffer.written - buffer.start)
    least = step.state.rules.min_commit_ms
    if length < least:
        raise EventRefused(
            f"Error committing input audio buffer: buffer too small. Expected at least {least}ms of audio, "
            f"but buffer only has {length}ms of audio.",
            code="input_audio_buffer_commit_empty",
        )
    item_id = buffer.speech_item or step.new_item_id()
    start, end = buffer.start, buffer.written
    if buffer.speech_item:  # every speech_started has its speech_stopped
        step.send(InputAudioBufferSpeechStopped, audio_end_ms=ms(end), item_id=item_id)
    _restart(step)
    record = _make_item(step, item_id, start, end)
    transcription.begin(step, record, start, end)
    step.do(ForgetInput(end, is_break=True))


def clear(step: Step) -> None:
    """Handle ``input_audio_buffer.clear``."""
    buffer = step.state.buffer
    _restart(step)
    buffer.start = buffer.written
    step.do(ForgetInput(buffer.written, is_break=True))
    step.send(InputAudioBufferCleared)


def lose_input(step: Step) -> int:
    """Discard the lost input buffer; returns the millisecond from which the client has to send it again."""
    buffer = step.state.buffer
    _restart(step)
    start = ms(buffer.start)
    buffer.start = buffer.written = buffer.scored = from_ms(start)
    step.state.idle_from = min(step.state.idle_from, buffer.written)
    step.do(ForgetInput(buffer.start, is_break=True))
    return start


def detection_changed(step: Step, before: Detection | None) -> None:
    """Handle a change of detection: a turn in progress continues under it; without detection it awaits a commit."""
    after = step.state.session.audio.input.turn_detection
    if not isinstance(after, ServerVadConfig) or after.idle_timeout_ms is None:
        step.state.idle_due = None
    if before == after or (step.state.buffer.speech_item and after is not None and before is not None):
        return
    _restart(step)


def _restart(step: Step) -> None:
    """Drop the turn in progress and ignore all earlier scores."""
    buffer = step.state.buffer
    _forget_score(step)
    speculation.drop(step)
    buffer.speech_item = ""
    buffer.silence_start = None
    buffer.run = 0
    buffer.stream += 1
    buffer.scored = buffer.written
    step.do(RestartVad(buffer.stream))


def _forget_old(step: Step, detection: Detection) -> None:
    """Drop old audio between turns; only the padding is needed."""
    buffer = step.state.buffer
    if buffer.speech_item:
        return
    keep = buffer.scored - _padding(detection) - START_WINDOWS * VAD_WINDOW_TICKS
    if keep - buffer.start > KEEP_TICKS:
        buffer.start = keep
        step.do(ForgetInput(keep))


def idle(step: Step) -> None:
    """Handle the idle timeout: commit the silence and answer it."""
    state = step.state
    state.idle_due = None
    if state.buffer.speech_item or state.active:
        return
    end = state.buffer.written
    silent = max(min(state.idle_from, end), end - from_ms(_idle_timeout_ms(step)))
    item_id = step.new_item_id()
    step.send(InputAudioBufferTimeoutTriggered, audio_start_ms=ms(silent), audio_end_ms=ms(end), item_id=item_id)
    record = _make_item(step, item_id, max(state.buffer.start, silent), end)
    step.do(ForgetInput(end))
    transcription.finish(step, record, "", 0.0)
    state.due.append(item_id)
    state.answer_anyway = True


def _idle_timeout_ms(step: Step) -> int:
    detection = step.state.session.audio.input.turn_detection
    return (detection.idle_timeout_ms or 0) if isinstance(detection, ServerVadConfig) else 0
