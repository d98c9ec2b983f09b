"""A fitted conversation keeps what matters and never tears a call from its output."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.entities.chat import ChatMessage, ToolCall
from antiphon.providers.prompting.context_window import GAP, cost, cut_middle, fit
from antiphon.text.tokens import estimate_tokens


def words(text: str) -> int:
    return len(text.split())


def call(*ids: str) -> ChatMessage:
    return ChatMessage("assistant", tool_calls=tuple(ToolCall(one, "look_up", '{"a": 1}') for one in ids))


def output(call_id: str, text: str = "found it") -> ChatMessage:
    return ChatMessage("tool", text, call_id=call_id)


def turns(count: int) -> list[ChatMessage]:
    return [
        ChatMessage(role, f"{role} {turn} says some words") for turn in range(count) for role in ("user", "assistant")
    ]


SYSTEM = ChatMessage("system", "Be kind and brief.")


def test_what_fits_is_left_as_it_is() -> None:
    messages = [SYSTEM, *turns(3)]
    assert fit(messages, 1000) == tuple(messages)
    assert fit([], 100) == ()


def test_the_system_message_and_the_newest_turns_stay() -> None:
    fitted = fit([SYSTEM, *turns(200), ChatMessage("user", "and now?")], 120, words)
    assert fitted[0] == SYSTEM
    assert fitted[-1].text == "and now?"
    assert fitted[-2].text == "assistant 199 says some words"
    assert 80 <= cost(fitted, words) <= 120


def test_a_last_message_that_is_too_long_is_cut_in_the_middle() -> None:
    text = " ".join(f"w{n}" for n in range(5000))
    fitted = fit([SYSTEM, *turns(3), ChatMessage("user", text)], 100, words)
    assert fitted[-1].text.startswith("w0 w1 ")
    assert fitted[-1].text.endswith(" w4998 w4999")
    assert GAP in fitted[-1].text
    assert cost(fitted, words) <= 100


def test_instructions_that_are_too_long_keep_their_beginning() -> None:
    text = " ".join(f"rule{n}" for n in range(500))
    fitted = fit([ChatMessage("system", text), ChatMessage("user", "hello there")], 100, words)
    assert fitted[0].text.startswith("rule0 rule1 ")
    assert fitted[1].text == "hello there"
    assert 50 <= cost(fitted, words) <= 100


def test_a_call_goes_with_its_output() -> None:
    messages = [ChatMessage("user", "look"), call("a", "b"), output("a"), output("b"), *turns(5)]
    for limit in range(64, 150):
        fitted = fit(messages, limit, words)
        assert (call("a", "b") in fitted) == (output("a") in fitted) == (output("b") in fitted)


def test_a_long_tool_output_is_cut_rather_than_the_question() -> None:
    messages = [ChatMessage("user", "what is in it?"), call("a"), output("a", "data " * 3000)]
    fitted = fit(messages, 100, words)
    assert [message.role for message in fitted] == ["user", "assistant", "tool"]
    assert fitted[0].text == "what is in it?"
    assert cost(fitted, words) <= 100


def test_many_calls_in_one_turn_lose_the_oldest() -> None:
    messages = [ChatMessage("user", "dig deep")]
    for number in range(50):
        messages += [call(str(number)), output(str(number), "some result of many words " * 3)]
    fitted = fit(messages, 200, words)
    assert fitted[0].text == "dig deep"
    assert fitted[-1].call_id == "49"
    assert cost(fitted, words) <= 200


def test_with_a_stride_the_beginning_stays_for_several_turns() -> None:
    history = [SYSTEM, *turns(60)]
    starts = {fit(history[: 1 + 2 * n + 1], 100, words, stride=8)[1].text for n in range(40, 48)}
    assert len(starts) <= 3
    assert len({fit(history[: 1 + 2 * n + 1], 100, words)[1].text for n in range(40, 48)}) == 8


def test_megabytes_are_fitted_without_counting_them_all() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return words(text)

    fitted = fit([SYSTEM, ChatMessage("user", "word " * 2_000_000)], 100, count)
    assert fitted[-1].text.startswith("word word")
    assert counted < 200_000


def test_thousands_of_messages_in_one_turn_are_counted_a_few_times_each() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += 1
        return words(text)

    messages = [ChatMessage("user", "dig deep"), *[ChatMessage("assistant", "some result of many words")] * 3000]
    fitted = fit(messages, 200, count)
    assert fitted[0].text == "dig deep"
    assert 100 < cost(fitted, words) <= 200
    assert counted < 10 * len(messages)


def test_cutting_leaves_short_texts_alone_and_gives_up_to_nothing() -> None:
    assert cut_middle("hello", 10) == "hello"
    assert cut_middle("hello there you all", 0) == ""


texts = st.text(max_size=300) | st.integers(0, 400).map(lambda count: "word " * count)
plain = st.builds(ChatMessage, st.sampled_from(["user", "assistant", "system"]), texts)
exchange = st.tuples(st.uuids().map(str), texts, st.lists(plain, max_size=2)).map(
    lambda made: [call(made[0]), *made[2], output(made[0], made[1])]
)
conversations = st.lists(plain.map(lambda one: [one]) | exchange, max_size=12).map(
    lambda groups: [message for group in groups for message in group]
)


@given(conversations, st.integers(128, 500), st.integers(1, 5))
def test_any_conversation_fits_and_keeps_its_order(messages: list[ChatMessage], limit: int, stride: int) -> None:
    fitted = fit(messages, limit, stride=stride)
    assert cost(fitted) <= limit
    roles = [(message.role, message.call_id) for message in fitted]
    everything = iter([(message.role, message.call_id) for message in messages])
    assert all(role in everything for role in roles)


@given(conversations, st.integers(64, 500))
def test_any_conversation_keeps_question_instructions_and_whole_calls(messages: list[ChatMessage], limit: int) -> None:
    fitted = fit(messages, limit)
    if messages and messages[0].role == "system":
        assert messages[0].text.startswith(fitted[0].text)
    asked = [message for message in messages if message.role == "user"]
    if asked:
        kept = [message for message in fitted if message.role == "user"][-1]
        assert kept.text == asked[-1].text or GAP in kept.text or kept.text == ""
    called = {one.call_id for message in fitted for one in message.tool_calls}
    assert called == {message.call_id for message in fitted if message.role == "tool"}


@given(texts, st.integers(0, 60))
def test_a_cut_text_never_counts_more_than_its_limit(text: str, limit: int) -> None:
    assert estimate_tokens(cut_middle(text, limit)) <= limit
