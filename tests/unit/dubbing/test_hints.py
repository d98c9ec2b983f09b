from __future__ import annotations

import pytest

from antiphon.dubbing.hints import DOMAINS, GENERAL, initial_prompt


def test_the_domains_are_those_of_the_protocol() -> None:
    assert {"sports", "football", "basketball", "news", "interview", "general"} == DOMAINS


@pytest.mark.parametrize("language", ["en", "es", "pt", "fr", "de"])
def test_every_domain_has_words_of_its_own_in_the_languages_that_have_a_list(language: str) -> None:
    prompts = {domain: initial_prompt([domain], language) for domain in sorted(DOMAINS)}
    assert prompts.pop(GENERAL) == ""
    assert all(20 <= len(prompt) <= 120 for prompt in prompts.values())
    assert len(set(prompts.values())) == len(prompts)


@pytest.mark.parametrize("hint", ["sports", "Sports", " SPORTS "])
def test_case_and_space_do_not_matter(hint: str) -> None:
    assert initial_prompt([hint], "en").startswith("Sports commentary")


def test_the_first_hint_wins() -> None:
    assert initial_prompt(["news", "sports"], "en") == initial_prompt(["news"], "en")
    assert initial_prompt(["cooking", "sports"], "en") == ""


@pytest.mark.parametrize("hints", [[], ["general"], ["cooking"], [""]])
def test_general_unknown_and_no_hints_give_no_prompt(hints: list[str]) -> None:
    assert initial_prompt(hints, "en") == ""


def test_another_language_gets_no_english_words() -> None:
    assert initial_prompt(["sports"], "ja") == ""
    assert initial_prompt(["sports"], "es").startswith("Comentario")


def test_the_region_of_a_language_does_not_matter() -> None:
    assert initial_prompt(["news"], "PT_br") == initial_prompt(["news"], "pt")
