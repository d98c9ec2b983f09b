"""Limits of client secrets: sessions at a time, and sessions over the life of a secret."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.access.authentication import Identity
from antiphon.doors.access.client_secrets import EphemeralGrant
from antiphon.doors.websocket.connection import Connection
from antiphon.doors.websocket.secret_usage import SecretUsage
from antiphon.errors import Unauthenticated
from antiphon.state.embedded_uses import EmbeddedUses
from antiphon.wire.secrets import SessionSecretBounds
from tests.unit.doors.websocket.stage import Peer

KEY = Identity("default", "key_1")
OPEN, ENDED = 1006, 1008


def bearer(secret: str = "ek_1", *, uses: int | None = None, max_sessions: int = 1) -> Identity:
    bounds = SessionSecretBounds(uses=uses, max_sessions=max_sessions)
    return Identity("default", secret, EphemeralGrant(secret, "default", 60, b"{}", "key_1", "realtime", bounds))


def connection() -> Connection:
    return Connection({"headers": []}, Peer().receive, Peer().send, lambda seconds: None)


@pytest.fixture
def usage() -> SecretUsage:
    return SecretUsage(EmbeddedUses(VirtualClock()))


def test_one_session_too_many_ends_the_oldest(usage: SecretUsage) -> None:
    page = bearer(max_sessions=2)
    one, two, three = connection(), connection(), connection()
    with usage.hold(page, "sess_1", one), usage.hold(page, "sess_2", two):
        assert (one.code, two.code) == (OPEN, OPEN)
        with usage.hold(page, "sess_3", three):
            assert (one.code, two.code, three.code) == (ENDED, OPEN, OPEN)


def test_a_session_that_has_ended_makes_room(usage: SecretUsage) -> None:
    first, second = connection(), connection()
    with usage.hold(bearer(), "sess_1", first):
        pass
    with usage.hold(bearer(), "sess_2", second):
        assert (first.code, second.code) == (OPEN, OPEN)


def test_secrets_and_keys_do_not_count_for_one_another(usage: SecretUsage) -> None:
    held = [connection() for _ in range(4)]
    with ExitStack() as stack:
        for number, (identity, one) in enumerate(zip([bearer("ek_1"), bearer("ek_2"), KEY, KEY], held, strict=True)):
            stack.enter_context(usage.hold(identity, f"sess_{number}", one))
        assert [one.code for one in held] == [OPEN] * 4


def test_a_resumed_session_counts_once_and_ends_with_all_its_connections(usage: SecretUsage) -> None:
    lost, resumed, other = connection(), connection(), connection()
    with ExitStack() as stack:
        holding = stack.enter_context(ExitStack())
        holding.enter_context(usage.hold(bearer(), "sess_1", lost))
        stack.enter_context(usage.hold(bearer(), "sess_1", resumed))
        assert (lost.code, resumed.code) == (OPEN, OPEN)
        holding.close()  # the lost connection is noticed at last
        stack.enter_context(usage.hold(bearer(), "sess_2", other))
        assert (resumed.code, other.code) == (ENDED, OPEN)


async def test_a_secret_opens_as_many_sessions_as_it_has_uses(usage: SecretUsage) -> None:
    page = bearer(uses=2)
    for session_id in ("sess_1", "sess_2", "sess_1"):  # the same session is counted once
        await usage.spend(page, session_id)
    with pytest.raises(Unauthenticated) as refused:
        await usage.spend(page, "sess_3")
    assert refused.value.code == "used_secret"
    await usage.spend(bearer("ek_2", uses=2), "sess_3")


@pytest.mark.parametrize("identity", [KEY, bearer(uses=None)])
async def test_without_a_bound_no_use_is_counted(identity: Identity) -> None:
    uses = EmbeddedUses(VirtualClock())
    usage = SecretUsage(uses)
    for number in range(20):
        await usage.spend(identity, f"sess_{number}")
    assert await uses.spend(identity.key_id, "sess_20", 1, 60.0), "it is the first"
