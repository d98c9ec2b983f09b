"""A conversation comes back to the slot that remembers it."""

from __future__ import annotations

from antiphon.providers.smollm2.slots import Slots


def prompt(*texts: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "the same for all"}, *({"role": "user", "content": one} for one in texts)]


def run(slots: Slots, *texts: str) -> int:
    slot = slots.take(prompt(*texts))
    slots.give_back(slot)
    return slot


def test_a_conversation_finds_its_slot_again_even_without_its_beginning() -> None:
    slots = Slots(3)
    first, second = run(slots, "a1", "a2"), run(slots, "b1", "b2")
    assert first != second
    assert run(slots, "a2", "a3") == first
    assert run(slots, "b2", "b3") == second


def test_a_new_conversation_takes_the_slot_that_was_unused_for_longest() -> None:
    slots = Slots(2)
    first = run(slots, "a")
    run(slots, "b")
    assert run(slots, "c") == first


def test_a_busy_slot_is_not_taken_twice() -> None:
    slots = Slots(2)
    taken = {slots.take(prompt("a")), slots.take(prompt("a"))}
    assert taken == {0, 1}
