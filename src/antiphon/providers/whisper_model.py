"""Whisper's network by CTranslate2, one stretch of sound at a time; blocks, so it belongs into a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_ctranslate2_storage, get_suppressed_tokens, merge_punctuations
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from antiphon.entities.speech import Word
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.vad import RATE_HZ, WINDOW_SAMPLES
from antiphon.providers.whisper_window import Belief, token_limit

Samples = NDArray[np.float32]
"""Mono, 16 kHz, full scale 1.0."""

PADDED_S = 30.0
"""The window that Whisper was trained on."""
_FRAMES_PER_S = 100
TIME_CODE_S = 0.02
_BEFORE_WORD = "\"'“¿([{-"
_AFTER_WORD = "\"'.。,，!！?？:：”)]}、"


class Cancelled(Exception):
    """Nobody waits for the rest."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to decode a stretch."""

    padding_s: float
    """Zeros behind the clip."""
    time_codes: bool = True
    beam_size: int = 1
    tokens_per_s: float = 20.0
    no_repeat: int = 0
    """Phrases of so many tokens come only once; 0 is no rule."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the network made of a stretch."""

    text: str
    tokens: list[int]
    is_cut: bool
    """True when the token limit ended it."""
    belief: Belief
    language: str
    encoded: Any
    tokenizer: Tokenizer


class WhisperNetwork:
    """The network, loaded. Up to ``workers`` threads may use it at a time; more wait for one another."""

    def __init__(self, folder: Path, *, threads: int, workers: int) -> None:
        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=threads, num_workers=workers
        )
        self._detector = get_vad_model()

    @property
    def is_multilingual(self) -> bool:
        """False for models that know English only."""
        return bool(self._model.model.is_multilingual)

    def detect(self, samples: Samples) -> list[float]:
        """Return how likely somebody speaks in each window of 512 samples."""
        padded = np.pad(samples, (0, -len(samples) % WINDOW_SAMPLES))
        return self._detector(padded).tolist()

    def decode(
        self, part: Samples, options: TranscribeOptions, attempt: Attempt, is_cancelled: Callable[[], bool]
    ) -> Decoded:
        """Decode at most 30 s. Raises `Cancelled` at the next step after ``is_cancelled`` turns true."""
        _check(is_cancelled)
        encoded = self._model.model.encode(self._features(part, attempt.padding_s), to_cpu=False)
        _check(is_cancelled)
        language = self._language(options, encoded)
        _check(is_cancelled)
        task = "translate" if options.translate else "transcribe"
        tokenizer = Tokenizer(self._model.hf_tokenizer, self.is_multilingual, task=task, language=language)
        previous = tokenizer.encode(" " + options.prompt.strip()) if options.prompt.strip() else []
        prompt = self._model.get_prompt(tokenizer, previous, without_timestamps=not attempt.time_codes)
        limit = token_limit(len(part) / RATE_HZ, attempt.tokens_per_s)
        result = self._model.model.generate(
            encoded,
            [prompt],
            # the engine gives half of max_length to new tokens, whatever the length of the prompt
            max_length=min(self._model.max_length, max(2 * limit, len(prompt) + limit)),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, (-1,)),
            no_repeat_ngram_size=attempt.no_repeat,
            **_search(options.temperature, attempt.beam_size),
        )[0]
        tokens = result.sequences_ids[0]
        logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        belief = Belief(logprob, result.no_speech_prob)
        text = tokenizer.decode(tokens).strip()
        return Decoded(text, tokens, len(tokens) >= limit, belief, language, encoded, tokenizer)

    def align(self, decoded: Decoded, duration_s: float, offset_s: float) -> list[Word]:
        """Return the words of a text with their times, for sound of ``duration_s`` that begins at ``offset_s``."""
        tokens = [token for token in decoded.tokens if token < decoded.tokenizer.eot]
        frames = int(duration_s * _FRAMES_PER_S)
        # its annotation forgets that it takes and returns batches
        batch: Any = self._model.find_alignment(decoded.tokenizer, cast("Any", [tokens]), decoded.encoded, frames)
        alignment = batch[0]
        merge_punctuations(alignment, _BEFORE_WORD, _AFTER_WORD)
        return [_word(entry, duration_s, offset_s) for entry in alignment if entry["word"].strip()]

    def _features(self, part: Samples, padding_s: float) -> Any:
        """Return the log-mel spectrogram of the clip and the zeros behind it, at most 30 s."""
        longest = int(PADDED_S * RATE_HZ)
        room = np.zeros(min(longest, len(part) + int(padding_s * RATE_HZ)), np.float32)
        room[: len(part)] = part[:longest]
        features = self._model.feature_extractor(room, padding=0)
        even = features.shape[1] // 2 * 2  # the encoder halves the rate
        return get_ctranslate2_storage(features[None, :, :even])

    def _language(self, options: TranscribeOptions, encoded: Any) -> str:
        if not self.is_multilingual:
            return "en"
        wanted = (options.language or "").lower().split("-")[0]
        if wanted in self._model.supported_languages:
            return wanted
        (token, _), *_ = self._model.model.detect_language(encoded)[0]
        return str(token)[2:-2]


def _word(entry: dict[str, Any], duration_s: float, offset_s: float) -> Word:
    start_s = min(float(entry["start"]), duration_s)
    end_s = min(max(float(entry["end"]), start_s), duration_s)
    probability = float(entry["probability"])
    return Word(entry["word"].strip(), round(offset_s + start_s, 2), round(offset_s + end_s, 2), probability)


def _search(temperature: float, beam_size: int) -> dict[str, Any]:
    if temperature > 0:
        return {"beam_size": 1, "sampling_topk": 0, "sampling_temperature": temperature}
    return {"beam_size": beam_size}


def _check(is_cancelled: Callable[[], bool]) -> None:
    if is_cancelled():
        raise Cancelled
