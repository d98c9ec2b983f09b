"""Whisper by short windows, on real recordings."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from faster_whisper.tokenizer import Tokenizer

from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.whisper import passages as whisper_passages
from antiphon.providers.whisper.model import TIME_CODE_S, Cancelled, DecodeAttempt, DecodedText, WhisperNetwork
from antiphon.providers.whisper.passages import PassageTranscriber, SpokenPassage
from antiphon.providers.whisper.voice import Samples
from antiphon.providers.whisper.window import Belief
from antiphon.text.wer import word_errors
from tests.unit.providers.whisper.stage import AUDIO, GAINS, RATE_HZ, recording, voiceless, weights

ENGLISH = TranscribeOptions(language="en")
JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"

RECORDINGS = {one["file"]: one["text"] for one in tomllib.loads((AUDIO / "recordings.toml").read_text())["recordings"]}

pytestmark = pytest.mark.engines("whisper-base")


def words(text: str) -> list[str]:
    return "".join(sign if sign.isalnum() else " " for sign in text.lower()).split()


@pytest.fixture(scope="module")
def transcriber(network: WhisperNetwork) -> PassageTranscriber:
    return PassageTranscriber(network, padding_s=3.0)


def listen(
    transcriber: PassageTranscriber, samples: Samples, options: TranscribeOptions = ENGLISH
) -> tuple[str, list[SpokenPassage]]:
    passages = list(transcriber.passages(samples, options, lambda: False))
    return " ".join(segment.text for passage in passages for segment in passage.segments), passages


def test_a_long_sentence_has_segments_and_words_in_order(transcriber: PassageTranscriber) -> None:
    text, passages = listen(transcriber, recording("jfk.wav"), TranscribeOptions("en", word_timestamps=True))
    assert word_errors(JFK, text).errors == 0
    segments = [segment for passage in passages for segment in passage.segments]
    words = [word for segment in segments for word in segment.words]
    assert len(words) == 22
    times = [at for word in words for at in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert next(word for word in words if word.text.startswith("country")).start_s == pytest.approx(5.8, abs=0.4)
    assert all(segment.average_logprob < 0 for segment in segments)


class Silent(WhisperNetwork):
    """A network whose decoder must not be asked."""

    def __init__(self, network: WhisperNetwork) -> None:
        self.__dict__.update(network.__dict__)

    def decode(self, *arguments: object) -> DecodedText:
        raise AssertionError("the decoder was asked for words in noise")


def test_noise_has_no_text_and_the_decoder_is_not_asked(network: WhisperNetwork) -> None:
    silent = PassageTranscriber(Silent(network), padding_s=3.0)
    for clips in voiceless().values():
        for clip in clips:
            for gain in GAINS:
                assert listen(silent, clip * gain, TranscribeOptions()) == ("", [])


@pytest.mark.parametrize("compute_type", ["int8", "float32"])
def test_in_a_crowd_no_sentence_is_invented(compute_type: Literal["int8", "float32"]) -> None:
    names = [name for name in RECORDINGS if name not in {"noise2.wav", "noise5.wav", "french.aiff"}][:8]
    clips = [recording(name)[: 4 * RATE_HZ] for name in names]
    crowd = np.zeros(4 * RATE_HZ, np.float32)
    for clip in clips:
        crowd[: len(clip)] += clip / len(clips)
    network = WhisperNetwork(weights(), threads=1, workers=1, compute_type=compute_type)
    heard, _ = listen(PassageTranscriber(network, padding_s=3.0), crowd)
    said = {word for name in names for word in words(RECORDINGS[name])}
    strange = [word for word in words(heard) if word not in said]
    assert len(strange) <= 3 + len(words(heard)) // 2, heard
    assert "thank you" not in heard.lower()


def test_a_recording_that_makes_the_short_window_loop_comes_out_clean(
    transcriber: PassageTranscriber, network: WhisperNetwork
) -> None:
    samples = recording("2609-156975-0001.flac")
    looped = network.decode(samples, ENGLISH, DecodeAttempt(3.0, time_codes=False), lambda: False)
    print("the short window says:", looped.text)  # it loops, but maybe not on every processor
    text, _ = listen(transcriber, samples)
    assert text.lower().count("hold on") == 1
    assert len(text) < 80


def test_the_language_is_detected(transcriber: PassageTranscriber) -> None:
    text, passages = listen(transcriber, recording("french.aiff"), TranscribeOptions())
    assert {passage.language for passage in passages} == {"fr"}
    assert "dictée" in text


def test_of_a_word_the_usual_language_is_taken_and_of_a_sentence_what_it_is(network: WhisperNetwork) -> None:
    french = recording("french.aiff")
    usual = WhisperNetwork(weights(), threads=1, workers=1, usual_language="fr")
    word = recording("jfk.wav")[: int(0.9 * RATE_HZ)]
    languages = [
        [passage.language for passage in listen(PassageTranscriber(one, padding_s=3.0), clip, TranscribeOptions())[1]]
        for one, clip in ((network, french), (usual, french), (network, word))
    ]
    assert languages == [["fr"], ["fr"], ["en"]]


def test_french_is_translated_to_english(transcriber: PassageTranscriber) -> None:
    text, _ = listen(transcriber, recording("french.aiff"), TranscribeOptions(translate=True))
    assert "dictée" not in text
    assert "number" in text.lower()


def test_a_prompt_teaches_spelling(transcriber: PassageTranscriber) -> None:
    samples = recording("austen-0870.wav")
    plain, _ = listen(transcriber, samples)
    prompted, _ = listen(transcriber, samples, TranscribeOptions("en", prompt="Glossary: Dashwoode, Elinor"))
    assert "Dashwood " in plain
    assert "Dashwoode " in prompted
    assert word_errors(plain, prompted).errors == 1


def test_a_clip_longer_than_the_window_is_transcribed_whole(transcriber: PassageTranscriber) -> None:
    names = ["jfk.wav", "austen-0870.wav", "austen-0890.wav", "austen-0920.wav", "jfk.wav"]
    pause = np.zeros(RATE_HZ // 2, np.float32)
    samples = np.concatenate([part for name in names for part in (recording(name), pause)])
    assert len(samples) > 40 * RATE_HZ
    text, passages = listen(transcriber, samples)
    assert len(passages) >= 2
    assert text.lower().count("fellow americans") == 2
    assert text.lower().count("ill-disposed") == 1
    segments = [segment for passage in passages for segment in passage.segments]
    starts = [segment.start_s for segment in segments]
    assert starts == sorted(starts)
    assert segments[-1].end_s == pytest.approx(len(samples) / RATE_HZ, abs=2.0)


def test_a_caller_who_has_gone_stops_the_work_between_two_steps(transcriber: PassageTranscriber) -> None:
    asked = 0

    def is_cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    with pytest.raises(Cancelled):
        list(transcriber.passages(recording("jfk.wav"), ENGLISH, is_cancelled))
    assert asked == 2


class Scripted(WhisperNetwork):
    """A network that hears what a script says of each attempt: text, belief, and whether it ran to the limit.

    ``<5.0>`` in a text is the time code of 5 s.
    """

    def __init__(self, network: WhisperNetwork, *script: tuple[str, float, bool]) -> None:
        self.__dict__.update(network.__dict__)
        self.script = list(script)
        self.asked: list[tuple[float, str | None]] = []

    def decode(
        self, part: Samples, options: TranscribeOptions, attempt: DecodeAttempt, is_cancelled: Callable[[], bool]
    ) -> DecodedText:
        self.asked.append((attempt.padding_s, options.language))
        text, logprob, is_cut = self.script.pop(0)
        tokenizer = Tokenizer(self._model.hf_tokenizer, self.is_multilingual, task="transcribe", language="en")
        first, belief = tokenizer.timestamp_begin, Belief(logprob, 0.1)
        parts = [part for piece in text.split("<") for part in piece.split(">")]
        tokens = [
            token
            for place, part in enumerate(parts)
            for token in (tokenizer.encode(part) if place % 2 == 0 else [first + round(float(part) / TIME_CODE_S)])
        ]
        return DecodedText(
            tokenizer.decode(tokens).strip(), tokens, is_cut, belief, "en", attempt.lead_in_s, None, tokenizer
        )


NOTHING, DISBELIEVED, LOOPED = ("", -0.9, False), ("Thank you.", -1.9, False), ("and go " * 30, -0.2, True)
DOUBTFUL = ("Thank you.", -0.9, False)
KNOWN = ("Sunday is the best part.", -0.2, False)
LOST = [("", -0.9)]


@pytest.mark.parametrize(
    ("script", "paddings", "texts"),
    [
        pytest.param([NOTHING, KNOWN], [3.0, 30.0], [(KNOWN[0], -0.2)], id="nothing, then words"),
        pytest.param([NOTHING, NOTHING], [3.0, 30.0], LOST, id="nothing at all"),
        pytest.param([DISBELIEVED, DISBELIEVED], [3.0, 30.0], [("", -1.9)], id="disbelieved"),
        pytest.param([DISBELIEVED, DOUBTFUL], [3.0, 30.0], [("", -0.9)], id="disbelieved, then doubtful"),
        pytest.param([DOUBTFUL], [3.0], [("Thank you.", -0.9)], id="doubtful at once"),
        pytest.param([LOOPED, NOTHING, NOTHING], [3.0, 5.0, 30.0], LOST, id="a loop, then nothing"),
        pytest.param([LOOPED] * 4, [3.0, 5.0, 30.0, 30.0], [("", -0.2)], id="loops to the end"),
    ],
)
def test_speech_that_is_not_recognised_is_tried_padded_and_then_told(
    network: WhisperNetwork,
    script: list[tuple[str, float, bool]],
    paddings: list[float],
    texts: list[tuple[str, float]],
) -> None:
    for language in (None, "en"):
        scripted = Scripted(network, *script)
        _, passages = listen(
            PassageTranscriber(scripted, padding_s=3.0),
            recording("jfk.wav")[: 3 * RATE_HZ],
            TranscribeOptions(language),
        )
        assert scripted.asked == [(padding_s, language) for padding_s in paddings]
        segments = [segment for passage in passages for segment in passage.segments]
        assert [(segment.text, segment.average_logprob) for segment in segments] == texts
        assert all(0 <= segment.start_s < segment.end_s <= 3.0 for segment in segments)


@pytest.mark.parametrize("heard", [NOTHING, DISBELIEVED, LOOPED])
def test_what_may_be_no_speech_is_tried_once_and_not_told(
    network: WhisperNetwork, heard: tuple[str, float, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper_passages, "is_certain_speech", lambda *_: False)
    scripted = Scripted(network, heard)
    _, passages = listen(PassageTranscriber(scripted, padding_s=3.0), recording("jfk.wav")[: 3 * RATE_HZ])
    assert passages == [SpokenPassage("", ())]
    assert len(scripted.asked) == 1


def test_what_the_decoder_leaves_out_between_two_segments_is_heard_by_itself(network: WhisperNetwork) -> None:
    samples = np.concatenate([recording("austen-0870.wav"), recording("austen-0890.wav")])
    for within, told in ((KNOWN, KNOWN[0]), (NOTHING, "")):
        scripted = Scripted(
            network,
            ("<0>And Mister Dashwood had then leisure.<3.0><8.0>Rather ill-disposed.<12.0>", -0.2, False),
            within,
            NOTHING,
        )
        passages = list(PassageTranscriber(scripted, padding_s=3.0).passages(samples, ENGLISH, lambda: False))
        segments = [(one.text, one.start_s, one.end_s) for passage in passages for one in passage.segments]
        assert [times for _, *times in segments] == [[0.0, 3.0], [3.0, 8.0], [8.0, 12.0]]
        assert segments[1][0] == told


def test_a_text_that_is_far_too_short_for_its_speech_is_heard_again_in_halves(network: WhisperNetwork) -> None:
    pause = np.zeros(RATE_HZ, np.float32)
    samples = np.concatenate([recording("austen-0870.wav"), pause, recording("austen-0890.wav")])
    scripted = Scripted(network, ("Hm.", -0.2, False), KNOWN, NOTHING, NOTHING)
    passages = list(PassageTranscriber(scripted, padding_s=3.0).passages(samples, ENGLISH, lambda: False))
    (first, second) = [segment for passage in passages for segment in passage.segments]
    assert (first.text, second.text) == (KNOWN[0], "")
    assert first.end_s == second.start_s == pytest.approx(7.6, abs=0.3)


def test_the_short_window_hears_what_the_padded_one_hears(transcriber: PassageTranscriber) -> None:
    samples = recording("spk1_snt4.wav")
    text, _ = listen(transcriber, samples)
    assert word_errors(transcriber.padded(samples, "en"), text).errors == 0
