from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.sentences import MAX_CHARACTERS, Splitter, split, spoken_words
from tests.unit.text.growth import is_linear


def by_characters(text: str) -> list[str]:
    splitter = Splitter()
    pieces = [piece for character in text for piece in splitter.feed(character)]
    return pieces + splitter.flush()


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith and Mrs. Jones met Prof. Lee.|They talked.",
        "He lives in the U.S. President's house.",
        "He lives in the U.S.|He likes it.",
        "The U.S. President and J. K. Rowling met George W. Bush.|Fine.",
        "Fruit, e.g. apples, i.e. round things, is good.|Eat it.",
        "Pi is 3.14 and e is 2.718.|Both are odd.",
        "It starts at 10:30 p.m. on Monday, or at 9 a.m. as before.",
        "It starts at 5 p.m.|The doors open at 4.",
        "Well... maybe not.|Perhaps…|Who knows?",
        "1. Take the lid off.|2. Pour (a) water.|Stir.",
        "See https://example.com/a.b?c=d!e or mail a.b@example.com.|Then call.",
        '"Stop!" he said.|"Go."|She left (at last!).|The end.',
        "What?!|No way!!|Really.",
        "No. 5 is alive.|No.|I disagree.|See fig. 3 on p. 12.",
        "So do I.|You know.",
        "今日は天気がいい。|明日は雨です！|「はい。」|そうですか？|はい",
        "मेरा नाम राम है।|आप कैसे हैं?|ठीक।",
        "كيف حالك؟|أنا بخير.",
        "Am 3. Mai kam Dr. Meier, z. B. mit Hr. Lutz.|Das war 1999.|Dann ging er.",
        "One line\n|another line\r\n|\n\nthe last",
        "Great!|😀 Thanks.|Bye",
        "Apple Inc. makes phones.|Yes.",
        "**Bold.**|_Next._|Done.",
        "¿Qué tal?|¡Muy bien!|El Sr. López vino a las 3.30 h.",
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str) -> None:
    assert split(text.replace("|", " ")) == [piece.strip() for piece in text.split("|")]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Sure, I can help you with that, just ask.", "Sure, I can help you with that,"),
        ("I think so, yes.", "I think so,"),
        ("Yes. And no.", "Yes."),
        ("There are 1,000 ways to do it; choose one.", "There are 1,000 ways to do it;"),
        ("The answer is simple—do it.", "The answer is simple—"),
        ("The answer is simple – do it.", "The answer is simple –"),
        ("At 10:30 we start, he said.", "At 10:30 we start,"),
        ("今日はとても良い天気ですね、散歩に行きましょう。", "今日はとても良い天気ですね、"),
        ("No clause here at all.", "No clause here at all."),
    ],
)
def test_the_first_piece_may_be_a_clause(text: str, first: str) -> None:
    assert by_characters(text)[0] == first


def test_only_the_first_piece_is_a_clause() -> None:
    text = "Of course I can, my friend. After the first sentence, clauses stay, all of them, together."
    assert by_characters(text) == [
        "Of course I can,",
        "my friend.",
        "After the first sentence, clauses stay, all of them, together.",
    ]


def test_a_sentence_leaves_with_the_first_sign_of_the_next() -> None:
    splitter = Splitter()
    assert splitter.feed("I am here.") == []
    assert splitter.feed(" ") == []
    assert splitter.feed("Y") == ["I am here."]


def test_a_flush_makes_ready_for_another_answer() -> None:
    splitter = Splitter()
    splitter.feed("The first answer is long, and over")
    assert splitter.flush() == ["and over"]
    assert splitter.feed("The second answer begins, too ") == ["The second answer begins,"]


def test_a_long_sentence_is_cut_at_a_clause_or_between_words() -> None:
    clause = "many words that go on and on without any stop whatever happens"
    pieces = split(", ".join([clause] * 5))
    assert [piece.endswith(("happens,", "happens")) for piece in pieces] == [True] * len(pieces)
    assert all(len(piece) <= MAX_CHARACTERS for piece in pieces)
    assert {word for piece in split("word " * 200) for word in piece.split()} == {"word"}


def test_an_accent_is_not_cut_from_its_letter() -> None:
    pieces = split("e\u0301" * 250)
    assert all(len(piece) <= MAX_CHARACTERS and piece.endswith("\u0301") for piece in pieces)


def test_a_book_at_once_takes_linear_time() -> None:
    sentence = "A sentence of a book, long and winding. "
    assert split(sentence * 2_500) == [sentence.strip()] * 2_500
    assert is_linear(split, sentence)


def test_words_are_counted_in_languages_without_spaces_too() -> None:
    assert [spoken_words(text) for text in ("", "😀 !", "it's 10:30", "今日は天気")] == [0, 0, 3, 2]


MARKS = "Dr. U.S. e.g. 3.14 1. a.m. No. ... … . ! ? 。 । ؟ , 、 — - : ; \" ” ) ( * The it's he I Mai 7 30. 日本"
LUMPS = [
    " ",
    "  ",
    "\n",
    "\t",
    "\u2028",
    " " * 60,
    "e\u0301",
    "\u200d",
    "word" * 30,
    "x" * 260,
    "https://a.b/c?d",
]
PARTS = st.sampled_from([*MARKS.split(" "), *LUMPS])
TEXTS = st.lists(PARTS | st.text(max_size=5), max_size=40).map("".join)


@given(TEXTS, st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_cuts_do_not_depend_on_the_deltas_and_lose_nothing(text: str, steps: list[int]) -> None:
    splitter, pieces, position, turn = Splitter(), [], 0, 0
    while position < len(text):
        step = steps[turn % len(steps)]
        pieces += splitter.feed(text[position : position + step])
        position, turn = position + step, turn + 1
    pieces += splitter.flush()

    assert pieces == by_characters(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece == piece.strip() and 0 < len(piece) <= MAX_CHARACTERS for piece in pieces)


def test_space_before_the_first_words_is_not_kept() -> None:
    splitter = Splitter()
    for _ in range(1000):
        assert splitter.feed(" \n") == []
    assert splitter.feed("Hello. And ") + splitter.flush() == ["Hello.", "And"]


@pytest.mark.parametrize("mark", [" ", "\n"])
def test_a_stream_of_space_takes_linear_time(mark: str) -> None:
    def in_threes(text: str) -> object:
        splitter = Splitter()
        return [splitter.feed(text[at : at + 3]) for at in range(0, len(text), 3)] + [splitter.flush()]

    assert is_linear(in_threes, mark)


@pytest.mark.parametrize("mark", ["Dr. ", "1,"])
def test_stops_and_commas_without_a_cut_take_linear_time(mark: str) -> None:
    assert is_linear(split, mark)
