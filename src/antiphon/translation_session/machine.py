"""The translation state machine: utterances are transcribed, translated and spoken, and leave in their order.

Like the conversation machine it has no I/O: it takes inputs and returns effects.
"""

from __future__ import annotations

from typing import Any, assert_never

from msgspec import UNSET
from msgspec.structs import replace

from antiphon.audio.ticks import TICKS_PER_MS, VAD_WINDOW_TICKS
from antiphon.translation_session import job_timeouts
from antiphon.translation_session.effects import (
    CancelJob,
    Close,
    ComponentChanged,
    Effect,
    Forget,
    Send,
    SendAudio,
    StartSpeech,
    StartTranscription,
    StartTranslation,
)
from antiphon.translation_session.inputs import (
    Appended,
    AudioMade,
    CloseAsked,
    Failed,
    Input,
    Opened,
    SpeechMade,
    Tick,
    Transcribed,
    Translated,
    Updated,
    VoiceScored,
)
from antiphon.translation_session.state import State, Utterance
from antiphon.wire.realtime_server import Error, ErrorDetail
from antiphon.wire.translation import (
    SessionClosed,
    SessionCreated,
    SessionInputTranscriptDelta,
    SessionOutputAudioDelta,
    SessionOutputTranscriptDelta,
    SessionUpdated,
    TranslationAudio,
    TranslationInput,
    TranslationOutput,
    TranslationSessionUpdate,
)

THRESHOLD = 0.5
START_WINDOWS = 2
SILENCE_TICKS = 500 * TICKS_PER_MS
PADDING_TICKS = 300 * TICKS_PER_MS
LONGEST_TICKS = 12_000 * TICKS_PER_MS
"""Maximum length of an utterance: longer speech is cut, so that the translation does not fall further behind."""
CLOSE_TICKS = 500 * TICKS_PER_MS
"""Silence appended to the end of the input, so that all of it is scored."""
DEFAULT_LANGUAGE = "es"

_WORKER_GONE = "worker_stopped"
"""Another worker takes the next job: no component is down."""


class TranslationMachine:
    """One translation session."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._effects: list[Effect] = []
        self._now = 0.0

    def receive(self, event: Input, now: float) -> list[Effect]:
        """Apply one input and return its effects, in order; ``now`` is in seconds and never decreases."""
        self._effects, self._now = [], now
        if not self.state.closed:
            self._dispatch(event)
            self._advance()
        return self._effects

    @property
    def due_at(self) -> float | None:
        """When the next `Tick` is due, seconds; None if none is."""
        return job_timeouts.due_at(self.state)

    def refuse(self, message: str, *, code: str | None, param: str | None, event_id: str | None) -> Error:
        """Return the error that answers a bad event."""
        detail = ErrorDetail("invalid_request_error", code, message, param, event_id)
        return Error(event_id=self._id("event"), error=detail)

    def _dispatch(self, event: Input) -> None:
        match event:
            case Opened():
                self._send(SessionCreated, session=self.state.session)
            case Updated():
                self._update(event.session)
            case Appended():
                self.state.written += event.ticks
            case VoiceScored():
                for probability in event.probabilities:
                    if not self._is_scored:
                        self._score(probability >= THRESHOLD)
                self._forget_old()
            case CloseAsked():
                self._close()
            case Tick():
                self._ticked()
            case AudioMade() | Transcribed() | Translated() | SpeechMade() | Failed():
                self._worked(event)
            case _:
                assert_never(event)

    def _id(self, prefix: str) -> str:
        self.state.counter += 1
        return f"{prefix}_{self.state.seed}{self.state.counter:07d}"

    def _send(self, kind: type[Any], **fields: Any) -> None:
        self._effects.append(Send(kind(event_id=self._id("event"), **fields)))

    def _update(self, wish: TranslationSessionUpdate) -> None:
        if wish.audio is not UNSET and wish.audio is not None:
            present = self.state.session.audio
            self.state.session = replace(self.state.session, audio=merge(present, wish.audio))
        self._send(SessionUpdated, session=self.state.session)

    # -- utterances --------------------------------------------------------------------------------------------------
    def _score(self, voiced: bool) -> None:
        state = self.state
        state.scored = min(state.written, state.scored + VAD_WINDOW_TICKS)
        if state.speech_start is None:
            state.run = state.run + 1 if voiced else 0
            if state.run >= START_WINDOWS:
                state.speech_start = max(state.kept, state.scored - state.run * VAD_WINDOW_TICKS - PADDING_TICKS)
                state.silence_start = None
            return
        if voiced:
            state.silence_start = None
        elif state.silence_start is None:
            state.silence_start = state.scored - VAD_WINDOW_TICKS
        is_over = state.silence_start is not None and state.scored - state.silence_start >= SILENCE_TICKS
        if is_over or state.scored - state.speech_start >= LONGEST_TICKS:
            self._end_utterance(state.scored)

    def _end_utterance(self, end: int) -> None:
        state = self.state
        if state.speech_start is None:
            return
        target = state.session.audio.output.language or DEFAULT_LANGUAGE
        utterance = Utterance(state.speech_start, str(target), job_id="")
        job_timeouts.start(state, utterance, self._id("job"), self._now)
        state.utterances.append(utterance)
        self._effects.append(StartTranscription(utterance.job_id, utterance.start, end))
        state.speech_start = state.silence_start = None
        state.run = 0
        state.kept = end

    def _forget_old(self) -> None:
        state = self.state
        keep = state.scored - PADDING_TICKS - START_WINDOWS * VAD_WINDOW_TICKS
        if state.speech_start is None and keep - state.kept > 1000 * TICKS_PER_MS:
            state.kept = keep
            self._effects.append(Forget(keep))

    def _close(self) -> None:
        """Note the end of the input, of which the last part is not scored yet."""
        if self.state.close_at is None:
            self.state.close_at = self.state.written
            self.state.close_due = self._now + self.state.job_timeout_s

    # -- stages ------------------------------------------------------------------------------------------------------
    def _worked(self, event: Transcribed | Translated | AudioMade | SpeechMade | Failed) -> None:
        utterance = next((one for one in self.state.utterances if one.job_id == event.job_id), None)
        if utterance is None:
            return
        job_timeouts.progress(self.state, utterance.stage, self._now)
        if not isinstance(event, Failed):
            self._component(utterance.stage, is_down=False)
        match event:
            case Transcribed():
                utterance.said, utterance.source = event.text.strip(), event.language
                self._translate(utterance)
            case Translated():
                utterance.translated = event.text
                utterance.stage = "speak"
                job_timeouts.end(utterance)
            case AudioMade():
                delta = SessionOutputAudioDelta(
                    event_id=self._id("event"), delta="", elapsed_ms=utterance.start // TICKS_PER_MS
                )
                self._effects.append(SendAudio(delta, event.ref))
            case SpeechMade():
                self._end(utterance)
            case Failed():
                if event.transient and event.code != _WORKER_GONE:
                    self._component(utterance.stage, is_down=True)
                self._end(utterance)

    def _end(self, utterance: Utterance) -> None:
        """End the jobs of an utterance; the text it has so far is still sent in its turn."""
        utterance.stage = "done"
        job_timeouts.end(utterance)

    def _component(self, stage: str, *, is_down: bool) -> None:
        component = job_timeouts.COMPONENTS[stage]
        if (component in self.state.down) == is_down:
            return
        if is_down:
            self.state.down.append(component)
        else:
            self.state.down.remove(component)
        self._effects.append(ComponentChanged(component, is_down))

    def _ticked(self) -> None:
        """End utterances whose jobs are overdue, with an error; the session continues."""
        state = self.state
        for utterance in job_timeouts.overdue(state, self._now):
            self._effects.append(CancelJob(utterance.job_id))
            self._component(utterance.stage, is_down=True)
            text = f"The {utterance.stage} job of an utterance had no result for {state.job_timeout_s:g} s."
            self._send(Error, error=ErrorDetail("timeout_error", "no_result", text, None, None))
            self._end(utterance)
        if state.close_at is not None and self._now >= state.close_due:  # the detector is stuck
            state.scored = max(state.scored, state.close_at)

    def _translate(self, utterance: Utterance) -> None:
        if not utterance.said:
            self._end(utterance)
            return
        utterance.stage = "translate"
        job_timeouts.start(self.state, utterance, self._id("job"), self._now)
        effect = StartTranslation(utterance.job_id, utterance.said, utterance.source, utterance.target)
        self._effects.append(effect)

    @property
    def _is_scored(self) -> bool:
        """True once all audio before the client's close is scored; later audio is ignored."""
        state = self.state
        return state.close_at is not None and state.scored >= state.close_at

    def _advance(self) -> None:
        """Continue with the oldest utterance, and with the next ones once it is done."""
        state = self.state
        if self._is_scored:
            self._end_utterance(state.scored)
        while state.utterances:
            head = state.utterances[0]
            if head.job_id == "" and head.said:  # translated or failed, and all before it are done
                self._show(head)
            if head.stage == "speak" and not head.job_id:
                job_timeouts.start(state, head, self._id("job"), self._now)
                self._effects.append(StartSpeech(head.job_id, head.translated, head.target))
            if head.stage != "done":
                return
            state.utterances.pop(0)
        if self._is_scored:
            state.closed = True
            self._send(SessionClosed)
            self._effects.append(Close())

    def _show(self, utterance: Utterance) -> None:
        if utterance.shown:
            return
        utterance.shown = True
        elapsed_ms = utterance.start // TICKS_PER_MS
        if self.state.session.audio.input.transcription:
            self._send(SessionInputTranscriptDelta, delta=f"{utterance.said} ", elapsed_ms=elapsed_ms)
        if utterance.translated:
            self._send(SessionOutputTranscriptDelta, delta=f"{utterance.translated} ", elapsed_ms=elapsed_ms)


def merge(present: TranslationAudio, wish: TranslationAudio) -> TranslationAudio:
    """Return the configuration with a client's update applied: absent keeps, null clears all but the language."""
    own, asked = present.input, wish.input
    return TranslationAudio(
        input=TranslationInput(
            transcription=own.transcription if asked.transcription is UNSET else asked.transcription,
            noise_reduction=own.noise_reduction if asked.noise_reduction is UNSET else asked.noise_reduction,
        ),
        output=TranslationOutput(
            language=wish.output.language or present.output.language or DEFAULT_LANGUAGE,
        ),
    )
