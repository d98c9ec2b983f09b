"""The process of espeak-ng: phonemes, speeds, stops and its list of voices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from antiphon.providers.espeak.tts import espeak_process
from antiphon.providers.hosting.child_process import ChildProcess
from antiphon.providers.hosting.frames import Audio, Phonemes, Phonemize, Say

pytest.importorskip("espeakng_loader")
pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "The quick brown fox jumps over the lazy dog."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[ChildProcess]:
    made = espeak_process(30.0)
    await made.start()
    yield made
    await made.close()


async def phonemes(process: ChildProcess, text: str, language: str = "en-us") -> str:
    async with aclosing(process.ask(lambda id_: Phonemize(id_, text, language))) as replies:
        return "".join([reply.text async for reply in replies if isinstance(reply, Phonemes)])


async def pieces(process: ChildProcess, text: str = TEXT, *, speed: float = 1.0, voice: str = "") -> list[bytes]:
    async with aclosing(process.ask(lambda id_: Say(id_, text, voice, "en", speed))) as replies:
        return [reply.pcm async for reply in replies if isinstance(reply, Audio)]


@pytest.mark.parametrize(
    ("language", "text", "ipa"),
    [
        ("en-us", "Hello", "həlˈoʊ"),
        ("en-gb", "Hello", "həlˈəʊ"),
        ("de", "Straße", "ʃtɾˈɑːsə"),
        ("es", "hola", "ˈola"),
    ],
)
async def test_phonemes_are_ipa_of_the_language(process: ChildProcess, language: str, text: str, ipa: str) -> None:
    assert await phonemes(process, text, language) == ipa


@pytest.mark.parametrize(
    ("text", "marks"),
    [("Yes, no.", ",."), ("Really?! Yes…", "?…"), ("3.5 or 1,000", ""), ("はい。", "。"), ("a; b: c", ";:")],
)
async def test_punctuation_between_clauses_is_kept(process: ChildProcess, text: str, marks: str) -> None:
    found = await phonemes(process, text)
    assert [sign for sign in found if sign in ",;:.!?…。"] == list(marks)


@pytest.mark.parametrize("text", ["", "   ", "...", "😀"])
async def test_any_text_has_phonemes_perhaps_none(process: ChildProcess, text: str) -> None:
    assert isinstance(await phonemes(process, text), str)
    assert await phonemes(process, "yes") == "jˈɛs"


async def test_speech_comes_in_pieces_and_a_stretched_one_at_once(process: ChildProcess) -> None:
    assert len(await pieces(process)) > 5
    assert len(await pieces(process, speed=8.0)) == 1


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.8, 1.3, 2.0, 3.0, 4.0])
async def test_the_length_follows_the_speed(process: ChildProcess, speed: float) -> None:
    normal, changed = b"".join(await pieces(process)), b"".join(await pieces(process, speed=speed))
    assert len(changed) * speed == pytest.approx(len(normal), rel=0.1)


async def test_a_closed_request_is_stopped_and_the_next_one_is_answered(process: ChildProcess) -> None:
    before = sum(map(len, await pieces(process)))
    async with aclosing(process.ask(lambda id_: Say(id_, TEXT * 50, "", "en"))) as replies:
        assert isinstance(await anext(replies), Audio)
    assert sum(map(len, await pieces(process))) == pytest.approx(before, rel=0.01)


@pytest.mark.parametrize("voice", ["../../etc/passwd", "en-us\0", "x" * 100, "en us", "no-such"])
async def test_a_name_that_is_no_voice_is_the_default(process: ChildProcess, voice: str) -> None:
    expected = sum(map(len, await pieces(process)))
    assert sum(map(len, await pieces(process, voice=voice))) == pytest.approx(expected, rel=0.01)


async def test_its_voices_have_a_language_and_a_name(process: ChildProcess) -> None:
    ready = await process.start()
    assert ready.rate_hz == 22_050
    assert ("en-us", "en-us", "English (America)") in ready.voices
    assert all(language and voice == language and name for voice, language, name in ready.voices)
