"""Cancel flags: who is woken, and how long a flag stays up."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.bus.cancellation import CancelFlags
from antiphon.clock import VirtualClock

FADES_S = 300.0


@pytest.mark.parametrize("known", [True, False])
async def test_a_raised_flag_is_up_for_its_job_alone(known: bool) -> None:
    flags = CancelFlags(VirtualClock())
    flags.raise_flag("a", known=known)
    assert flags.is_up("a")
    assert not flags.is_up("b")
    await flags.wait("a")


@pytest.mark.parametrize(
    ("known", "is_adopted", "stays"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_the_flag_of_an_unknown_job_expires_unless_the_job_comes(known: bool, is_adopted: bool, stays: bool) -> None:
    clock = VirtualClock()
    flags = CancelFlags(clock)
    flags.raise_flag("a", known=known)
    if is_adopted:
        flags.adopt("a")
    clock.advance(FADES_S + 1)
    assert flags.is_up("a") is stays


def test_to_adopt_a_job_raises_no_flag() -> None:
    flags = CancelFlags(VirtualClock())
    flags.adopt("a")
    assert not flags.is_up("a")


def test_a_flag_that_expired_is_not_adopted() -> None:
    clock = VirtualClock()
    flags = CancelFlags(clock)
    flags.raise_flag("a", known=False)
    clock.advance(FADES_S + 1)
    flags.adopt("a")
    assert not flags.is_up("a")


def test_a_lowered_flag_is_down() -> None:
    flags = CancelFlags(VirtualClock())
    flags.raise_flag("a", known=True)
    flags.lower("a")
    flags.lower("a")
    assert not flags.is_up("a")


async def test_a_raised_flag_wakes_every_watcher_of_its_job_and_no_other() -> None:
    flags = CancelFlags(VirtualClock())
    own = [asyncio.ensure_future(flags.wait("a")) for _ in range(3)]
    other = asyncio.ensure_future(flags.wait("b"))
    await asyncio.sleep(0)
    flags.raise_flag("a", known=True)
    await asyncio.gather(*own)
    assert not other.done()
    other.cancel()


async def test_watchers_are_woken_without_a_flag() -> None:
    flags = CancelFlags(VirtualClock())
    watching = asyncio.ensure_future(flags.wait("a"))
    await asyncio.sleep(0)
    flags.wake("a")
    await watching
    assert not flags.is_up("a")


async def test_a_cancelled_watcher_does_not_disturb_the_others() -> None:
    flags = CancelFlags(VirtualClock())
    watchers = [asyncio.ensure_future(flags.wait("a")) for _ in range(2)]
    await asyncio.sleep(0)
    watchers[0].cancel()
    flags.raise_flag("a", known=True)
    await watchers[1]
    assert (await asyncio.gather(*watchers, return_exceptions=True))[1] is None
    assert watchers[0].cancelled()
