"""Whisper's network on CTranslate2, one stretch of audio at a time; blocks, so run it in a thread."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
from ctranslate2.models import Whisper as Network
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_ctranslate2_storage, get_suppressed_tokens, merge_punctuations
from faster_whisper.vad import get_vad_model

from antiphon.entities.speech import Word
from antiphon.errors import InvalidRequest
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.vad import RATE_HZ
from antiphon.providers.whisper.voice import Samples, VoiceScores, score_voice
from antiphon.providers.whisper.window import Belief, token_limit

PADDED_S = 30.0
"""The window that Whisper was trained on."""
_FRAMES_PER_S = 100
TIME_CODE_S = 0.02
_BEFORE_WORD = "\"'“¿([{-"
_LONG_ENOUGH_S = 2.5
"""In longer clips the network detects the language reliably; from one or two words it seldom does."""
_LATIN = frozenset({
    "af", "az", "bs", "ca", "cs", "cy", "da", "de", "en", "es", "et", "eu", "fi", "fo", "fr", "gl", "hr", "ht", "hu",
    "id", "is", "it", "la", "lb", "lt", "lv", "ms", "mt", "nl", "nn", "no", "oc", "pl", "pt", "ro", "sk", "sl", "so",
    "sq", "sv", "sw", "tl", "tr", "uz", "yo",
})  # fmt: skip
"""Languages written in Latin letters, except those with diacritics on most of them, as Vietnamese."""
_CLEAR_ODDS, _CLEAR_ODDS_LATIN = 40.0, 5.0
"""How much likelier than the usual language another one must be in a short clip; more if it has another script.
For English words Whisper base gave other scripts odds up to 35, and Latin ones up to 4."""
_AFTER_WORD = "\"'.。,，!！?？:：”)]}、"


class Cancelled(Exception):
    """The caller has cancelled."""


@dataclass(frozen=True, slots=True)
class DecodeAttempt:
    """One way to decode a stretch."""

    padding_s: float
    """Zeros after the clip."""
    lead_in_s: float = 0.0
    """Zeros before it."""
    time_codes: bool = True
    beam_size: int = 1
    tokens_per_s: float = 20.0
    no_repeat: int = 0
    """Phrases of this many tokens may occur only once; 0: no limit."""


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The result of decoding a stretch."""

    text: str
    tokens: list[int]
    is_cut: bool
    """True when the token limit ended it."""
    belief: Belief
    language: str
    lead_in_s: float
    """Seconds to subtract from the time codes."""
    encoded: Any
    tokenizer: Tokenizer


class WhisperNetwork:
    """The loaded network. Up to ``workers`` threads may use it at a time; others wait.

    ``compute_type`` is int8, float16 on a ``device`` other than the CPU, or float32 as a reference: the last digits
    of int8 differ between processors. ``usual_language`` is assumed for clips of a word or two, unless another is much
    likelier. Raises `InvalidRequest` when the model does not know it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        threads: int,
        workers: int,
        device: str = "cpu",
        compute_type: Literal["int8", "float16", "float32"] = "int8",
        usual_language: str = "en",
    ) -> None:
        self._load = partial(
            Network, str(folder), device=device, compute_type=compute_type, intra_threads=threads, inter_threads=workers
        )
        self._model = WhisperModel(
            str(folder), device=device, compute_type=compute_type, cpu_threads=threads, num_workers=workers
        )
        self._detector = get_vad_model()
        if self.is_multilingual and usual_language not in self._model.supported_languages:
            raise InvalidRequest(
                f"Whisper does not know the language '{usual_language}'", param="ANTIPHON_WHISPER_USUAL_LANGUAGE"
            )
        self._usual = usual_language

    def in_background(self) -> Self:
        """Return a copy with its own weights and threads, which have the lowest priority (on Linux)."""
        model, other = copy(self._model), copy(self)
        with ThreadPoolExecutor(1, initializer=_yield_to_others) as loading:  # its threads inherit the priority
            model.model = loading.submit(self._load).result()
        other._model = model  # noqa: SLF001 -- a copy of this very object
        return other

    @property
    def is_multilingual(self) -> bool:
        """False for English-only models."""
        return bool(self._model.model.is_multilingual)

    def detect(self, samples: Samples) -> VoiceScores:
        """Return the probability of speech in each window of 512 samples."""
        return score_voice(self._detector, samples)

    def decode(
        self, part: Samples, options: TranscribeOptions, attempt: DecodeAttempt, is_cancelled: Callable[[], bool]
    ) -> DecodedText:
        """Decode at most 30 s. Raises `Cancelled` at the next step after ``is_cancelled`` turns true."""
        _check(is_cancelled)
        encoded = self._model.model.encode(self._features(part, attempt), to_cpu=False)
        _check(is_cancelled)
        language = self._language(options, encoded, len(part) / RATE_HZ)
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
        return DecodedText(text, tokens, len(tokens) >= limit, belief, language, attempt.lead_in_s, encoded, tokenizer)

    def align(self, decoded: DecodedText, duration_s: float, offset_s: float) -> list[Word]:
        """Return the words of a text with their times, for sound of ``duration_s`` that begins at ``offset_s``."""
        tokens = [token for token in decoded.tokens if token < decoded.tokenizer.eot]
        frames = int((decoded.lead_in_s + duration_s) * _FRAMES_PER_S)
        # its annotation is wrong: it takes and returns batches
        batch: Any = self._model.find_alignment(decoded.tokenizer, cast("Any", [tokens]), decoded.encoded, frames)
        alignment = batch[0]
        merge_punctuations(alignment, _BEFORE_WORD, _AFTER_WORD)
        lead_in_s = decoded.lead_in_s
        return [_word(entry, lead_in_s, duration_s, offset_s) for entry in alignment if entry["word"].strip()]

    def _features(self, part: Samples, attempt: DecodeAttempt) -> Any:
        """Return the log-mel spectrogram of the padded clip, at most 30 s."""
        zeros = [int(length_s * RATE_HZ) for length_s in (attempt.lead_in_s, attempt.padding_s)]
        room = np.pad(part, zeros)[: int(PADDED_S * RATE_HZ)].astype(np.float32)
        features = self._model.feature_extractor(room, padding=0)
        even = features.shape[1] // 2 * 2  # the encoder halves the rate
        return get_ctranslate2_storage(features[None, :, :even])

    def _language(self, options: TranscribeOptions, encoded: Any, duration_s: float) -> str:
        if not self.is_multilingual:
            return "en"
        wanted = (options.language or "").lower().split("-")[0]
        if wanted in self._model.supported_languages:
            return wanted
        odds = {str(token)[2:-2]: odds for token, odds in self._model.model.detect_language(encoded)[0]}
        likeliest = max(odds, key=odds.__getitem__)
        clear = _CLEAR_ODDS_LATIN if likeliest in _LATIN else _CLEAR_ODDS
        is_known = duration_s >= _LONG_ENOUGH_S or odds[likeliest] >= clear * odds.get(self._usual, 0.0)
        return likeliest if is_known else self._usual


def _yield_to_others() -> None:
    """Give this thread, and those that it starts, the lowest priority, on systems with thread priorities."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def _word(entry: dict[str, Any], lead_in_s: float, duration_s: float, offset_s: float) -> Word:
    start_s, end_s = (min(max(float(entry[edge]) - lead_in_s, 0.0), duration_s) for edge in ("start", "end"))
    end_s = max(start_s, end_s)
    probability = float(entry["probability"])
    return Word(entry["word"].strip(), round(offset_s + start_s, 2), round(offset_s + end_s, 2), probability)


def _search(temperature: float, beam_size: int) -> dict[str, Any]:
    if temperature > 0:
        return {"beam_size": 1, "sampling_topk": 0, "sampling_temperature": temperature}
    return {"beam_size": beam_size}


def _check(is_cancelled: Callable[[], bool]) -> None:
    if is_cancelled():
        raise Cancelled
