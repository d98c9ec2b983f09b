"""Units of rows: what they weigh, and whose they are."""

from __future__ import annotations

from antiphon.entities.events import Event
from antiphon.entities.history import StoredCall, StoredItem, StoredSession, StoredUsage, Unit, storable


def test_a_unit_weighs_its_texts_and_something_for_each_row() -> None:
    item = StoredItem("t", "s", "i", 1, 1, bytes(1000), 1.0)
    session = StoredSession("t", "s", "realtime", "connected", 1.0, 1, config=bytes(200))
    call = StoredCall("t", "s", "i", 1.0, arguments="x" * 30, output="y" * 4)
    usage, event = StoredUsage("t", "u", "requests", 1, 1.0), Event("t", "e", "x", bytes(5000), 1.0)
    rows = Unit((item,), (session,), (call,), (usage,), (event,))
    assert rows.size_bytes == 6234 + 5 * Unit(usage=(usage,)).size_bytes
    assert Unit().size_bytes == 0


def test_a_unit_belongs_to_the_session_of_its_first_row() -> None:
    assert Unit().ids == {}
    used = StoredUsage("t", "u", "requests", 1, 1.0, session_id="s")
    assert Unit(usage=(used,)).ids == {"tenant_id": "t", "session_id": "s"}


def test_a_text_is_stored_without_the_character_that_postgresql_refuses() -> None:
    assert (storable("a\0b"), storable("ab")) == ("a\ufffdb", "ab")


def test_items_are_in_the_order_of_position_then_id() -> None:
    items = [StoredItem("t", "s", name, position, 1, b"", 1.0) for position, name in ((2, "a"), (1, "c"), (1, "b"))]
    assert [item.item_id for item in sorted(items, key=lambda item: item.place)] == ["b", "c", "a"]
