"""Questions, statements and requests, as speech to text writes them."""

from __future__ import annotations

import pytest

from antiphon.text.asking import is_question, is_statement, wants_own_words


@pytest.mark.parametrize("said", ["Is it?", "You like tea?", "what is tea", "Can you help me.", "Who’s there"])
def test_questions(said: str) -> None:
    assert is_question(said)
    assert not is_statement(said)


@pytest.mark.parametrize("said", ["I like tea very much.", "the train was late", "My cat sleeps.  All day!"])
def test_statements(said: str) -> None:
    assert is_statement(said)
    assert not is_question(said)


@pytest.mark.parametrize(
    "said", ["Tell me a joke about cats.", "Good morning to you all.", "Ada Lovelace.", "Thank you very much.", "", "…"]
)
def test_neither(said: str) -> None:
    assert not is_question(said)
    assert not is_statement(said)


def test_own_words_are_wanted_where_the_user_or_the_instructions_say_so() -> None:
    assert wants_own_words("Could you please spell my name?")
    assert wants_own_words("Now repeat after me: good day.")
    assert wants_own_words("Hi.", "You translate into French.")
    assert not wants_own_words("They say it rains.", "Never repeat the user. Give short, correct answers.")
