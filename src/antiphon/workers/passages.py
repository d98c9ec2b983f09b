"""Chooses the language of each passage of a text by its script: a voice reads only the scripts of its language."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from antiphon.entities.capabilities import Capabilities
from antiphon.errors import Unsupported
from antiphon.text.languages import base_language
from antiphon.text.scripts import UNKNOWN, languages_of_script
from antiphon.text.sentences import split


class Passage(NamedTuple):
    """Sentences of one language; None for Latin letters without a requested language."""

    text: str
    language: str | None


class Passages:
    """Splits the texts of one job where their language changes.

    The script of most letters of a sentence decides. Among the languages written in it the requested one is chosen,
    then that of the previous sentence, then the likeliest; languages without a voice are skipped. Sentences in Latin
    letters have the requested language, and sentences without letters that of the previous sentence.
    """

    def __init__(self, voices: Capabilities, asked: str | None) -> None:
        self._voices = voices
        self._asked = asked
        self._before = asked

    def of(self, text: str) -> list[Passage]:
        """Return the passages of ``text``, in order.

        Raises `Unsupported` (``input``) where no voice speaks any language of a sentence's script.
        """
        likeliest = languages_of_script(text)[:1]  # only the whole text shows whether Han characters are Japanese
        sentences = [(self._language(sentence, likeliest), sentence) for sentence in split(text)]
        groups = groupby(sentences, key=lambda one: one[0])
        passages = [Passage("\n".join(sentence for _, sentence in group), language) for language, group in groups]
        if len(passages) > 1:
            return passages
        return [Passage(text, passages[0].language if passages else self._asked)]

    def _language(self, sentence: str, likeliest: tuple[str, ...]) -> str | None:
        if any(map(str.isalpha, sentence)):
            written = languages_of_script(sentence)
            self._before = self._spoken(written, likeliest) if written else self._asked
        return self._before

    def _spoken(self, written: tuple[str, ...], likeliest: tuple[str, ...]) -> str:
        wishes = (self._asked, self._before, *likeliest, written[0])
        for wish in wishes:
            if wish and base_language(wish) in written and self._voices.speaks(wish):
                return wish
        name = "the script of this text" if written[0] == UNKNOWN else f"the language of this text ({written[0]})"
        raise Unsupported(f"No voice of this server speaks {name}.", code="language_not_supported", param="input")
