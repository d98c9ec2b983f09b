from __future__ import annotations

from antiphon.providers.kokoro.phonemes import MAX_TOKENS, tokens


def test_english_phonemes_are_written_in_the_models_alphabet() -> None:
    assert tokens("həlˈoʊ.", "en-us") == [50, 83, 54, 156, 31, 4]
    assert tokens("dʒˈʌdʒ tʃˈeɪndʒ", "en") == [82, 156, 138, 82, 16, 133, 156, 24, 56, 82]


def test_british_vowels_stay_long() -> None:
    assert len(tokens("fˈɑːðə", "en-gb")) == len(tokens("fˈɑːðə", "en-us")) + 1


def test_notes_and_unknown_signs_are_left_out() -> None:
    assert tokens("(en)a☃_b(fr)", "de") == [43, 44]


def test_a_long_sentence_fits_the_model() -> None:
    assert len(tokens("a" * 1_000, "de")) == MAX_TOKENS
