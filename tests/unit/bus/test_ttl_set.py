from __future__ import annotations

from antiphon.bus.ttl_set import TtlSet
from antiphon.clock import VirtualClock


def test_a_name_is_forgotten_after_its_time() -> None:
    clock = VirtualClock()
    names = TtlSet(clock, after_s=10)
    names.add("a")
    clock.advance(9)
    assert "a" in names
    clock.advance(1)
    assert "a" not in names
    assert not names.discard("a")


def test_a_name_added_again_lives_on() -> None:
    clock = VirtualClock()
    names = TtlSet(clock, after_s=10)
    names.add("a")
    names.add("b")
    clock.advance(9)
    names.add("a")
    clock.advance(5)
    assert ("a" in names, "b" in names) == (True, False)


def test_what_has_faded_is_freed_when_something_is_added() -> None:
    clock = VirtualClock()
    names = TtlSet(clock, after_s=10)
    for number in range(100):
        names.add(str(number))
    clock.advance(11)
    names.add("new")
    assert len(names) == 1


def test_the_oldest_make_room() -> None:
    names = TtlSet(VirtualClock(), limit=3)
    for name in "abcd":
        names.add(name)
    assert [name for name in "abcd" if name in names] == ["b", "c", "d"]


def test_a_discarded_name_is_told_once() -> None:
    names = TtlSet(VirtualClock())
    names.add("a")
    assert names.discard("a")
    assert not names.discard("a")
    assert "a" not in names
