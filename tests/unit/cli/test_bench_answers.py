"""What of the answers counts as usable, and how it is told."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console

from antiphon.cli import bench_answers
from antiphon.cli.bench_answers import AnswerRow, Line, judge, lines, read

DOG = Line("The child almost hurt the small dog.", ["dog*", "safe"])


def test_there_are_forty_lines_of_which_twelve_are_held_out() -> None:
    said = [line.said for line in lines()]
    assert len(set(said)) == len(said) == 40
    assert sum(line.held_out for line in lines()) == 12
    assert DOG.said in said
    assert all(line.about for line in lines())
    assert list(read()) == said


def test_the_filter_of_echoes_leaves_none_and_a_reader_prefers_the_answers_of_now() -> None:
    before = [judge(line, read()[line.said].before) for line in lines()]
    after = [judge(line, read()[line.said].after) for line in lines()]
    assert [sum(one.is_echo for one in answers) for answers in (before, after)] == [2, 0]
    assert sum(bool(one.by_reader) for one in before) < sum(bool(one.by_reader) for one in after)
    assert judge(DOG, "I was not read.").by_reader is None


@pytest.mark.parametrize(
    ("answer", "faults"),
    [
        ("Poor dog! I hope it is well.", set[str]()),
        ("Dogs!", set[str]()),
        ("", {"not_empty", "on_topic"}),
        ("The child almost hurt the small dog.", {"little_overlap"}),
        ("Das Wetter wird morgen sehr schön sein.", {"in_language", "on_topic"}),
        ("Собака, dog.", {"in_language"}),
        ("I am sorry for your loss.", {"on_topic"}),
    ],
)
def test_an_answer_is_usable_that_has_no_fault(answer: str, faults: set[str]) -> None:
    result = judge(DOG, answer)
    named = ("not_empty", "little_overlap", "in_language", "on_topic")
    assert {name for name in named if not getattr(result, name)} == faults
    assert result.usable == (not faults)


def test_echoes_and_sentences_of_the_examples_are_seen() -> None:
    assert judge(DOG, "You said the child almost hurt the small dog.").is_echo
    assert not judge(DOG, "The dog is safe.").is_echo
    assert judge(DOG, "Poor dog. The giraffe!").is_repeated
    assert not judge(DOG, "The giraffe is a dog.").is_repeated


def test_all_lines_and_those_held_out_are_a_row_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        AnswerRow("now", 40, 40, 39, 40, 32, 31, 25, 1, 0, 1, 88.4),
        AnswerRow("before", 12, 12, 12, 12, 9, 9, 4, 0, 0, 0, 0),
    ]

    async def measured(*_: object) -> list[AnswerRow]:
        return rows

    monkeypatch.setattr(bench_answers, "measure", measured)
    monkeypatch.setattr(bench_answers, "OUT", Console(width=200))
    bench_answers.run(json_out=False)
    told = capsys.readouterr().out
    assert "31 of 40" in told
    assert "25 of 39" in told
    bench_answers.run(json_out=True)
    assert msgspec.json.decode(capsys.readouterr().out, type=list[AnswerRow]) == rows
