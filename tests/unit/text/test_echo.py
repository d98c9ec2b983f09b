"""The user's own words are no answer, however they are dressed; words of its own go out at once."""

from __future__ import annotations

import re

import pytest

from antiphon.text.echo import EchoFilter, overlap

DOG = "The child almost hurt the small dog."


def filtered(said: str, answer: str) -> str:
    """Feed the answer in tokens, as a model writes it."""
    echoes = EchoFilter(said)
    passed = "".join(echoes.feed(token) for token in re.findall(r"\s*(?:\w{1,6}|\W)", answer)) + echoes.flush()
    assert echoes.has_passed == bool(passed.strip())
    return passed


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (DOG, DOG),
        (DOG, "the child almost hurt the small dog"),
        (DOG, "The child was almost hurting the small dog."),
        (DOG, "The child nearly hurt the small dog!"),
        (DOG, "The small dog was almost hurt by the child."),
        (DOG, "You said: The child almost hurt the small dog."),
        (DOG, f"Oh, so you're saying the child almost hurt the small dog. {DOG}\n{DOG}"),
        ("I need to call my bank.", "You need to call your bank."),
        ("I am really tired today.", "Yes, you are really tired today."),
        ("What is the capital of France?", "What is the capital of France?"),
        ("Is the sky blue?", "Is the sky blue?"),
        ("Monday.", "Monday!"),
        ("我 的 猫 睡觉", "我的猫睡觉。"),
    ],
)
def test_an_echo_does_not_go_out(said: str, answer: str) -> None:
    assert filtered(said, answer) == ""


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (DOG, "Poor dog! I hope that it is well."),
        (DOG, "The small dog is safe now."),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("what is the capital of france", "The capital of France is Paris."),
        ("What is the largest planet in the solar system?", "The largest planet in the solar system is Jupiter."),
        ("Which is bigger, the sun or the moon?", "The sun is bigger."),
        ("Is the sky blue?", "The sky is blue."),
        ("Can you help me?", "I can help you."),
        ("How are you?", "I am well. How are you today, my friend?"),
        ("Hello.", "Hello!"),
        ("Good morning.", "Good morning!"),
        ("Do you like tea or coffee?", "I like tea."),
        ("", "Hello."),
        (DOG, "…"),
    ],
)
def test_an_answer_goes_out_as_it_is(said: str, answer: str) -> None:
    assert filtered(said, answer) == answer


def test_only_the_sentences_that_are_an_echo_are_left_out() -> None:
    assert filtered(DOG, f"{DOG} Is it well? {DOG} I hope so.") == "Is it well? I hope so."


@pytest.mark.parametrize(("answer", "told"), [(DOG, (False, True)), ("", (False, False)), ("Poor dog.", (True, False))])
def test_an_echo_is_told_from_an_answer_of_nothing(answer: str, told: tuple[bool, bool]) -> None:
    echoes = EchoFilter(DOG)
    echoes.feed(answer)
    echoes.flush()
    assert (echoes.has_passed, echoes.has_withheld) == told


def test_a_word_of_its_own_goes_out_at_once_and_a_known_one_waits_for_two() -> None:
    assert EchoFilter(DOG).feed("Poor") == "Poor"
    echoes = EchoFilter(DOG)
    assert [echoes.feed(token) for token in ("The", " dog", " ran", " away", " fast")] == [
        "", "", "", "The dog ran away", " fast",
    ]  # fmt: skip


def test_an_answer_to_a_question_goes_out_at_once_though_it_has_its_words() -> None:
    assert EchoFilter("What is the capital of France?").feed("The") == "The"
    assert EchoFilter("How are you?").feed("I") == "I"
    echoes = EchoFilter("What should I wear?")
    assert [echoes.feed(token) for token in ("What", " should", " you", " eat")] == ["", "", "", "What should you eat"]


def test_small_words_alone_do_not_make_a_beginning_of_an_echo() -> None:
    echoes = EchoFilter("Tell me a joke.")
    assert [echoes.feed(token) for token in ("A", " man")] == ["", "A man"]


def test_the_overlap_is_the_share_of_the_answer() -> None:
    assert overlap("What is the capital of France?", "The capital of France is Paris.") == pytest.approx(5 / 6)
    assert overlap("The dog.", "the the dog") == pytest.approx(2 / 3)
    assert overlap("Hello.", "") == 0
