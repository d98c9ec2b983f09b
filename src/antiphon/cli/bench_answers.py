"""``antiphon bench answers``: usability of the packaged LLM's answers to forty spoken lines."""

from __future__ import annotations

import asyncio
import re
import time
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from statistics import median
from typing import Any

import msgspec
from rich.table import Table

from antiphon.app.engines import engine_context
from antiphon.app.settings import Settings, load_settings
from antiphon.cli.screen import ERR, OUT, print_json
from antiphon.entities.chat import VOICE_INSTRUCTIONS, ChatMessage, ChatRequest, TextDelta
from antiphon.ports.llm import LanguageModel
from antiphon.providers.registry import load
from antiphon.text.echo import MOST_OVERLAP, is_echo, overlap
from antiphon.text.scripts import languages_of_script
from antiphon.text.wer import normalise

ENGINE = "smollm2"
_FILE = "bench_answers.toml"
_READ = "bench_answers_read.toml"
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_SHORT = 3
"""Answers with fewer words need not have a typically English word."""
_ENGLISH = frozenset({
    "a", "an", "and", "are", "can", "do", "for", "have", "he", "how", "i", "im", "in", "is", "it", "its", "my", "no",
    "not", "of", "on", "so", "that", "thats", "the", "they", "this", "to", "was", "we", "what", "yes", "you", "your",
    "youre",
})  # fmt: skip


class Line(msgspec.Struct, frozen=True):
    """A line spoken to a voice agent."""

    said: str
    about: Sequence[str]
    """Words, one of which an answer on topic contains; a star stands for any ending."""
    held_out: bool = False
    """Not used while the prompt was tuned."""


class Read(msgspec.Struct, frozen=True):
    """Two answers to a line, judged by a reader."""

    said: str
    before: str
    before_is_usable: bool
    after: str
    after_is_usable: bool


class AnswerRow(msgspec.Struct, frozen=True):
    """Counts of answers by quality."""

    lines: str
    """"now", or "before", when the model had no help; "held out" are those lines alone."""
    answers: int
    not_empty: int
    little_overlap: int
    """Less than 70 % of the words are the user's."""
    in_language: int
    on_topic: int
    usable: int
    """All four."""
    by_reader: int
    """Judged usable by a reader, among the answers in the file."""
    unread: int
    """Not in the file: this machine generated another answer."""
    echoes: int
    """Repeat the user's statement or question."""
    repeated: int
    """Contain a sentence of the prompt's examples."""
    p50_ms: float
    """Median time to the first words, at the second request of each line."""


class Usability(msgspec.Struct, frozen=True):
    """One answer, judged."""

    said: str
    answer: str
    not_empty: bool
    little_overlap: bool
    in_language: bool
    on_topic: bool
    is_echo: bool
    is_repeated: bool
    by_reader: bool | None
    """None for an answer that was not read."""

    @property
    def usable(self) -> bool:
        """Whether all four checks pass."""
        return self.not_empty and self.little_overlap and self.in_language and self.on_topic


def run(json_out: bool) -> Sequence[AnswerRow]:
    """Send every line to the model, print each answer with its faults, and the counts.

    Raises `WeightsMissing` without the model.
    """
    rows = asyncio.run(measure(lines(), load_settings()))
    if json_out:
        print_json(rows)
    else:
        OUT.print(_table(rows))
    return rows


def lines() -> list[Line]:
    """Return the packaged lines."""
    return msgspec.convert(_table_of(_FILE)["lines"], list[Line])


def read() -> dict[str, Read]:
    """Return the answers that were read, by line."""
    return {one.said: one for one in msgspec.convert(_table_of(_READ)["answers"], list[Read])}


def _table_of(name: str) -> dict[str, Any]:
    return tomllib.loads(files("antiphon.cli").joinpath(name).read_text("utf-8"))


async def measure(asked: Sequence[Line], settings: Settings) -> list[AnswerRow]:
    """Return the counts of earlier and current answers, for all lines and for those held out."""
    engine = load("llm", (ENGINE,), engine_context(settings))
    await engine.start()
    results: list[Usability] = []
    times: list[float] = []
    try:
        for line in asked:
            answer, _ = await _answer(engine, line.said)
            times.append((await _answer(engine, line.said))[1])
            results.append(judge(line, answer))
            ERR.print(f"{_faults(results[-1])}{line.said} -> {answer}", markup=False, highlight=False, soft_wrap=True)
    finally:
        await engine.close()
    known = read()
    before = [judge(line, known[line.said].before) for line in asked]
    return [*_rows("before", asked, before, []), *_rows("now", asked, results, times)]


def judge(line: Line, answer: str) -> Usability:
    """Judge an answer by its words, and by its reader if it was read."""
    words = normalise(answer)
    examples = {tuple(normalise(sentence)) for sentence in _examples()}
    known = read().get(line.said)
    by_reader = {known.before: known.before_is_usable, known.after: known.after_is_usable} if known else {}
    return Usability(
        said=line.said,
        answer=answer,
        not_empty=bool(words),
        little_overlap=overlap(line.said, answer) < MOST_OVERLAP,
        in_language=not languages_of_script(answer) and (len(words) < _SHORT or not _ENGLISH.isdisjoint(words)),
        on_topic=any(_has(words, idea) for idea in line.about),
        is_echo=is_echo(line.said, answer),
        is_repeated=any(tuple(normalise(sentence)) in examples for sentence in _SENTENCE.findall(answer)),
        by_reader=by_reader.get(answer),
    )


def _has(words: Sequence[str], idea: str) -> bool:
    return any(word.startswith(idea[:-1]) if idea.endswith("*") else word == idea for word in words)


def _examples() -> list[str]:
    from antiphon.providers.smollm2.prompt import EXAMPLES

    answers = (message.text for message in EXAMPLES if message.role == "assistant")
    return [sentence for answer in answers for sentence in _SENTENCE.findall(answer)]


async def _answer(engine: LanguageModel, said: str) -> tuple[str, float]:
    """Return the answer in a conversation that begins with ``said``, and the milliseconds to its first words."""
    request = ChatRequest((ChatMessage("system", VOICE_INSTRUCTIONS), ChatMessage("user", said)))
    started, first, answer = time.perf_counter(), 0.0, ""
    async for event in engine.respond(request):
        if isinstance(event, TextDelta):
            first = first or time.perf_counter() - started
            answer += event.text
    return answer.strip(), first * 1000


def _rows(name: str, asked: Sequence[Line], results: Sequence[Usability], times: Sequence[float]) -> list[AnswerRow]:
    held_out = [result for line, result in zip(asked, results, strict=True) if line.held_out]
    return [_row(name, results, times), _row(f"{name}, held out", held_out, [])]


def _row(name: str, results: Sequence[Usability], times: Sequence[float]) -> AnswerRow:
    return AnswerRow(
        lines=name,
        answers=len(results),
        not_empty=sum(one.not_empty for one in results),
        little_overlap=sum(one.little_overlap for one in results),
        in_language=sum(one.in_language for one in results),
        on_topic=sum(one.on_topic for one in results),
        usable=sum(one.usable for one in results),
        by_reader=sum(bool(one.by_reader) for one in results),
        unread=sum(one.by_reader is None for one in results),
        echoes=sum(one.is_echo for one in results),
        repeated=sum(one.is_repeated for one in results),
        p50_ms=round(median(times), 1) if times else 0.0,
    )


def _faults(result: Usability) -> str:
    named = {
        "empty": not result.not_empty,
        "overlap": not result.little_overlap,
        "language": not result.in_language,
        "off topic": not result.on_topic,
        "echo": result.is_echo,
        "repeated": result.is_repeated,
    }
    faults = [name for name, is_so in named.items() if is_so]
    return f"[{', '.join(faults)}] " if faults else ""


def _table(rows: Sequence[AnswerRow]) -> Table:
    counted = ("not empty", "overlap < 70 %", "English", "on topic", "echoes", "examples")
    table = Table("answers", "usable", "by a reader", *counted, "ms (p50)")
    for row in rows:
        counts = (row.not_empty, row.little_overlap, row.in_language, row.on_topic, row.echoes, row.repeated)
        usable = f"{row.usable} of {row.answers}"
        by_reader = f"{row.by_reader} of {row.answers - row.unread}"
        time_ms = f"{row.p50_ms:.0f}" if row.p50_ms else ""
        table.add_row(row.lines, usable, by_reader, *map(str, counts), time_ms)
    return table
