"""The comparison of both ways over answers of a word or two."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.app.settings import load_settings
from antiphon.cli import bench_phrases
from antiphon.cli.bench_phrases import PhraseRow, measure, phrases


def test_there_are_forty_phrases_of_one_to_three_words() -> None:
    assert len(set(phrases())) == 40
    assert {len(phrase.split()) for phrase in phrases()} == {1, 2, 3}


@pytest.mark.engines("whisper-base")
async def test_answers_of_a_word_are_heard_once_and_in_their_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_phrases, "VOICES", (("hibari", ""), ("nobody", "")))
    (row,) = await measure(["No.", "Next."], load_settings())
    assert (row.voice, row.clips, row.doubled, row.other_script, row.short_wer) == ("hibari", 4, 0, 0, 0.0)
    assert row.short_s < row.padded_s


def test_a_voice_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    row = PhraseRow("hibari", 80, 0, 1, 0.0225, 0.0125, 0.2, 1.0)

    async def measured(*_: object) -> list[PhraseRow]:
        return [row]

    monkeypatch.setattr(bench_phrases, "measure", measured)
    bench_phrases.run(json_out=False)
    told = capsys.readouterr().out
    assert "2.2% / 1.2%" in told
    assert "5.0x" in told
    bench_phrases.run(json_out=True)
    assert msgspec.json.decode(capsys.readouterr().out, type=list[PhraseRow]) == [row]
