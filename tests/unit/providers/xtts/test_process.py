"""The model in its own process: languages, portions, speeds and stops."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.errors import ProviderUnavailable
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.xtts.process import LANGUAGES, language_for, portions
from antiphon.providers.xtts.tts import XttsTts
from tests.unit.providers.xtts.stage import asked, sample, seconds, speak


@pytest.mark.parametrize(
    ("wanted", "text", "language"),
    [
        ("es", "Hola.", "es"),
        ("pt-BR", "Bom dia.", "pt"),
        ("ZH-cn", "Hola.", "zh"),
        ("ru", "さようなら", "ru"),
        ("", "Hello.", "en"),
        ("", "さようなら", "ja"),
        ("sv", "Hej.", "en"),
        ("sv", "Привет", "ru"),
        ("", "ไทย", "en"),
    ],
)
def test_the_language_is_the_requested_one_else_the_script_s_else_english(
    wanted: str, text: str, language: str
) -> None:
    assert language_for(wanted, text) == language
    assert language in LANGUAGES


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("Hello.", 10, ["Hello."]),
        ("One, two, three", 10, ["One, two,", "three"]),
        ("one two three", 10, ["one two", "three"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("今日は、良い天気", 5, ["今日は、", "良い天気"]),
        ("line\nbreak", 6, ["line", "break"]),
        ("   ", 2, []),
        ("", 5, []),
    ],
)
def test_portions_end_at_a_clause_else_a_word_else_anywhere(text: str, limit: int, parts: list[str]) -> None:
    assert portions(text, limit) == parts


@given(st.text(st.sampled_from("ab ,:。、\n"), max_size=60), st.integers(1, 20))
def test_portions_are_short_and_lose_no_letter(text: str, limit: int) -> None:
    parts = portions(text, limit)
    assert all(0 < len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("es", "Hola.", "es"),
        ("pt-BR", "Bom dia.", "pt"),
        ("ZH-cn", "Hola.", "zh"),
        (None, "Hello.", "en"),
        (None, "さようなら", "ja"),
        ("sv", "Hej.", "en"),
    ],
)
async def test_the_language_is_the_one_asked_for_else_the_script_s_else_english(
    voice: XttsTts, log: Path, language: str | None, text: str, spoken: str
) -> None:
    await speak(voice, text, language=language)
    assert [one["language"] for one in asked(log)] == [spoken]


async def test_what_is_longer_than_the_model_s_limit_is_cut_between_clauses(voice: XttsTts, log: Path) -> None:
    text = "今日はとても良い天気ですから、" * 12 + "散歩に行きましょう"
    await speak(voice, text, language="ja")
    parts = [one["text"] for one in asked(log)]
    assert "".join(parts) == text
    assert max(len(part) for part in parts) <= 71
    assert all(part.endswith("、") for part in parts[:-1])


@pytest.mark.parametrize(("speed", "own"), [(0.25, 0.5), (0.5, 0.5), (1.3, 1.3), (2.0, 2.0), (4.0, 2.0)])
async def test_the_model_s_own_speed_is_helped_where_it_ends(
    voice: XttsTts, log: Path, speed: float, own: float
) -> None:
    chunks = await speak(voice, "One two three four five.", speed=speed)
    assert [one["speed"] for one in asked(log)] == [own]
    assert seconds(chunks) == pytest.approx(1.5 / speed, rel=0.02)


async def test_a_sentence_that_the_model_refuses_fails_alone(voice: XttsTts) -> None:
    with pytest.raises(ProviderUnavailable, match="400 tokens"):
        await speak(voice, "This is broken.")
    assert await speak(voice, "This is not.")


async def test_closing_the_stream_stops_the_model_inside_the_sentence(voice: XttsTts, log: Path) -> None:
    text = "word " * 39 + "end."
    for _ in range(20):  # the model may be through before the word arrives
        async with aclosing(voice.synthesize(text, SpeakOptions())) as chunks:
            await anext(chunks)
        await speak(voice, "Next.")
        if any("stopped" in one for one in asked(log)):
            break
    assert {"stopped": text} in asked(log)


async def test_the_voice_of_a_recording_is_learnt_once(voice: XttsTts, log: Path, tmp_path: Path) -> None:
    path = sample(tmp_path / "voices" / "anna.wav")
    for _ in range(2):
        await speak(voice, "Hello.", voice="anna.wav")
    heard, *spoken = asked(log)
    assert heard == {"heard": str(path)}
    assert [one["latents"] for one in spoken] == [f"latents of {path}"] * 2
