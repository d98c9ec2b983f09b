from __future__ import annotations

import re
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.dubbing.words import spoken_words


def test_words_between_sounds_are_words() -> None:
    assert spoken_words("[Music] Welcome back (laughs) everyone ♪") == "Welcome back everyone"


@given(st.text("[]()*♪ ab"))
def test_sounds_are_left_out_from_the_first_sign_to_the_next(transcript: str) -> None:
    words = re.sub(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|♪[^♪]*♪?", " ", transcript)
    assert spoken_words(transcript) == (" ".join(words.split()) if {"a", "b"} & {*words} else "")


@pytest.mark.parametrize("sign", ["[", "(", "[(", "*(", "♪"])
def test_four_times_as_many_signs_take_four_times_as_long(sign: str) -> None:
    def quickest(signs: int) -> float:
        text = sign * signs
        return min(timeit.repeat(lambda: spoken_words(text), number=1, repeat=3))

    assert quickest(100_000) < 8 * quickest(25_000)
