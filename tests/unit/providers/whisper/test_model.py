"""Whisper's network: attempts, languages, words, and cancelling."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from antiphon.errors import InvalidRequest
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.whisper.model import Cancelled, DecodeAttempt, WhisperNetwork
from antiphon.providers.whisper.voice import Samples
from antiphon.text.wer import word_errors
from tests.unit.providers.whisper.stage import RATE_HZ, recording, weights

pytestmark = pytest.mark.engines("whisper-base")

SHORT = DecodeAttempt(3.0, time_codes=False)
JOY = "what joy there is in living"


@pytest.fixture(scope="module")
def joy() -> Samples:
    return recording("spk2_snt2.wav")


def never() -> bool:
    return False


def test_a_short_window_is_decoded_without_time_codes_in_its_tokens(network: WhisperNetwork, joy: Samples) -> None:
    decoded = network.decode(joy, TranscribeOptions("en"), SHORT, never)
    assert word_errors(JOY, decoded.text).errors == 0
    assert (decoded.language, decoded.is_cut, decoded.lead_in_s) == ("en", False, 0.0)
    assert all(token < decoded.tokenizer.timestamp_begin for token in decoded.tokens)
    assert -1 < decoded.belief.average_logprob < 0
    assert decoded.belief.no_speech_probability < 0.5


def test_with_time_codes_tokens_have_them(network: WhisperNetwork, joy: Samples) -> None:
    decoded = network.decode(joy, TranscribeOptions("en"), DecodeAttempt(3.0), never)
    assert any(token >= decoded.tokenizer.timestamp_begin for token in decoded.tokens)
    assert word_errors(JOY, decoded.text).errors == 0


def test_a_text_that_reaches_the_token_limit_is_cut(network: WhisperNetwork) -> None:
    clip = recording("jfk.wav")
    decoded = network.decode(clip, TranscribeOptions("en"), DecodeAttempt(3.0, tokens_per_s=0.1), never)
    assert decoded.is_cut
    assert len(decoded.tokens) == 17


@pytest.mark.parametrize("lead_in_s", [0.0, 0.5])
def test_words_have_times_of_the_clip_without_its_lead_in(
    network: WhisperNetwork, joy: Samples, lead_in_s: float
) -> None:
    duration_s = len(joy) / RATE_HZ
    decoded = network.decode(joy, TranscribeOptions("en"), DecodeAttempt(3.0, lead_in_s=lead_in_s), never)
    words = network.align(decoded, duration_s, 10.0)
    assert word_errors(JOY, " ".join(word.text for word in words)).errors == 0
    times = [at for word in words for at in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert 10.0 <= times[0] <= times[-1] <= 10.0 + duration_s + 0.01
    assert all(0 < (word.probability or 0) <= 1 for word in words)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_cancelled_decode_stops_at_its_next_step(network: WhisperNetwork, joy: Samples, steps: int) -> None:
    asked = iter([*[False] * steps, True])
    with pytest.raises(Cancelled):
        network.decode(joy, TranscribeOptions("en"), SHORT, lambda: next(asked))


@pytest.mark.parametrize(
    ("wanted", "language"), [("en", "en"), ("EN-gb", "en"), ("fr", "fr"), ("xx", "en"), (None, "en"), ("", "en")]
)
def test_a_known_language_is_taken_as_it_is_and_another_is_detected(
    network: WhisperNetwork, joy: Samples, wanted: str | None, language: str
) -> None:
    assert network.decode(joy, TranscribeOptions(wanted), SHORT, never).language == language


def test_a_usual_language_that_nobody_knows_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidRequest, match="'xx'") as refused:
        WhisperNetwork(weights(), threads=1, workers=1, usual_language="xx")
    assert refused.value.param == "ANTIPHON_WHISPER_USUAL_LANGUAGE"


def test_the_detector_scores_each_window(network: WhisperNetwork, joy: Samples) -> None:
    scores = network.detect(joy).forwards
    assert len(scores) == -(-len(joy) // 512)
    assert max(scores) > 0.9
    assert network.detect(np.zeros(0, np.float32)).forwards == []


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities on Linux")
def test_a_copy_in_the_background_decodes_the_same_at_the_lowest_priority(
    network: WhisperNetwork, joy: Samples
) -> None:
    before = niceness()
    copy = network.in_background()
    assert copy is not network
    texts = [one.decode(joy, TranscribeOptions("en"), SHORT, never).text for one in (network, copy)]
    assert texts[0] == texts[1]
    assert 19 in niceness() - before
    assert os.getpriority(os.PRIO_PROCESS, 0) == 0


def niceness() -> Counter[int]:
    """How many threads of this process have which priority of the system."""
    tasks = Path("/proc/self/task").iterdir()
    return Counter(os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks)
