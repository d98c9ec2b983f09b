"""The send queue: frames in order, a fence before the wire, producers that wait, and an end for who does not read."""

from __future__ import annotations

import asyncio
import threading

from hypothesis import given
from hypothesis import strategies as st

from antiphon.clock import VirtualClock
from antiphon.doors.websocket.send_queue import SendQueue
from tests.virtual_time import VirtualTimeLoop, on_virtual_time


class Wire:
    """A client that reads when told to: at once, slowly, or not at all."""

    def __init__(self, *, is_quick: bool = False, frame_s: float = 0.0) -> None:
        self.read: list[str] = []
        self.is_quick = is_quick
        self.frame_s = frame_s
        """Seconds that the client takes for a frame it has to be waited for."""
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.has_left = False
        self.given_up = 0

    def write(self, text: bytes) -> bool:
        if self.is_quick:
            self.read.append(text.decode())
        return self.is_quick

    async def send_text(self, text: bytes) -> None:
        if self.has_left:
            raise ConnectionResetError
        await asyncio.sleep(self.frame_s)
        await self.may_read.wait()
        self.read.append(text.decode())

    def abort(self) -> None:
        self.given_up += 1


def send_queue(group: asyncio.TaskGroup, wire: Wire, limit_bytes: int = 100) -> SendQueue:
    return SendQueue(group, wire, limit_bytes=limit_bytes, stall_s=5.0)


@on_virtual_time
async def test_frames_are_written_at_once_while_the_client_reads(clock: VirtualClock) -> None:
    wire = Wire(is_quick=True)
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for number in range(1000):
            box.put(b"%d" % number)
        assert wire.read == [str(number) for number in range(1000)]
        await box.flushed()
    assert clock.now() == VirtualClock().now()


@on_virtual_time
async def test_frames_keep_their_order_when_the_client_falls_behind_and_catches_up(clock: VirtualClock) -> None:
    wire = Wire(frame_s=0.1)
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for number in range(30):
            box.put(b"%d" % number)
            wire.is_quick = number % 7 == 3
            await asyncio.sleep(0.05)
        await box.flushed()
    assert wire.read == [str(number) for number in range(30)]


@on_virtual_time
async def test_a_fence_drops_the_waiting_audio_of_that_response_alone(clock: VirtualClock) -> None:
    wire = Wire()
    wire.may_read.clear()
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for name, fence in (("a1", "a"), ("text", ""), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("done", "")):
            box.put(name.encode(), fence)
        await asyncio.sleep(0.1)
        box.fence("a")
        box.put(b"a4", "a")  # a fence is no ban: the machine says what is sent
        wire.may_read.set()
        await box.flushed()
        assert wire.read == ["a1", "text", "b1", "done", "a4"]  # the first was on its way already
        box.fence("a")


@on_virtual_time
async def test_a_fence_makes_room(clock: VirtualClock) -> None:
    wire = Wire()
    wire.may_read.clear()
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for fence in ("", "a", "a"):
            box.put(bytes(60), fence)
        waiting = group.create_task(box.room())
        await asyncio.sleep(0.1)
        assert (box.is_full, waiting.done()) == (True, False)
        box.fence("a")
        assert not box.is_full
        await waiting
        wire.may_read.set()


@on_virtual_time
async def test_producers_wait_for_room_and_nothing_piles_up_behind_a_slow_client(clock: VirtualClock) -> None:
    wire = Wire(frame_s=1.0)
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        most = 0
        for number in range(20):
            await box.room()
            box.put(b"%030d" % number)
            most = max(most, box._bytes)
        assert most <= 130
        await box.flushed()
    assert [int(text) for text in wire.read] == list(range(20))
    assert wire.given_up == 0


@on_virtual_time
async def test_all_that_was_queued_is_flushed_however_long_a_client_takes_that_reads(clock: VirtualClock) -> None:
    wire = Wire(frame_s=4.0)
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for number in range(10):
            box.put(b"%d" % number)
        begin = clock.now()
        await box.flushed()
        assert clock.now() - begin == 40.0
        assert wire.read == [str(number) for number in range(10)]


@on_virtual_time
async def test_flushed_waits_for_what_was_queued_and_not_for_what_comes_later(clock: VirtualClock) -> None:
    wire = Wire(frame_s=1.0)
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        box.put(b"0")
        box.put(b"1", "a")
        flushed = group.create_task(box.flushed())
        for _ in range(5):
            await asyncio.sleep(0.5)
            box.put(b"later")
        assert flushed.done()


@on_virtual_time
async def test_flushed_does_not_wait_for_what_a_fence_has_dropped(clock: VirtualClock) -> None:
    wire = Wire(frame_s=1.0)
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for _ in range(4):
            box.put(b"audio", "a")
        flushed = group.create_task(box.flushed())
        await asyncio.sleep(0.5)
        box.fence("a")
        await asyncio.sleep(0.6)
        assert flushed.done()
    assert wire.read == ["audio"]


@on_virtual_time
async def test_a_client_that_takes_nothing_is_given_up_once_and_nobody_waits_for_it(clock: VirtualClock) -> None:
    wire = Wire()
    wire.may_read.clear()
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for _ in range(3):
            box.put(bytes(60))
        begin = clock.now()
        async with asyncio.TaskGroup() as waiting:
            waiting.create_task(box.room())
            waiting.create_task(box.flushed())
        assert clock.now() - begin == 5.0
        assert wire.given_up == 1
        box.put(bytes(1000))
        assert (box.is_full, wire.given_up) == (False, 1)
        await box.room()
        await box.flushed()
    assert wire.read == []


@on_virtual_time
async def test_a_client_for_which_twice_the_limit_piles_up_is_given_up_at_once(clock: VirtualClock) -> None:
    wire = Wire()
    wire.may_read.clear()
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for _ in range(5):
            assert wire.given_up == 0
            box.put(bytes(50))
        assert wire.given_up == 1
        await box.flushed()
    assert wire.given_up == 1  # also when the writer itself runs into its timeout


@on_virtual_time
async def test_speech_that_was_held_back_and_comes_at_once_is_no_sign_of_a_deaf_client(clock: VirtualClock) -> None:
    wire = Wire(frame_s=0.1)
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        box.shut(1)
        for number in range(20):
            box.put(b"%030d" % number, fence="resp", ticks=15)
            box.put(b"%010d" % number)
        box.open_up(1)
        await box.flushed()
    assert [int(text) for text in wire.read] == [number for number in range(20) for _ in range(2)]
    assert wire.given_up == 0


@on_virtual_time
async def test_a_client_that_reads_nothing_of_speech_is_given_up_in_time(clock: VirtualClock) -> None:
    wire = Wire()
    wire.may_read.clear()
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        begin = clock.now()
        for _ in range(10):
            box.put(bytes(50), fence="resp", ticks=25)
        await box.room()
        assert abs(clock.now() - begin - 5.0) < 0.01
    assert wire.given_up == 1


@on_virtual_time
async def test_a_large_frame_is_had_by_who_asks_for_it_however_slowly_it_is_read(clock: VirtualClock) -> None:
    wire = Wire(frame_s=30.0)
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        for name in (b"a", b"b", b"c"):
            box.put(name * 4 * 2**20)
        assert box.is_full
        await box.flushed()
    assert [text[:3] for text in wire.read] == ["aaa", "bbb", "ccc"]
    assert wire.given_up == 0


@on_virtual_time
async def test_a_large_frame_of_which_nothing_is_read_ends_the_wait_as_well(clock: VirtualClock) -> None:
    wire = Wire()
    wire.may_read.clear()
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        begin = clock.now()
        box.put(bytes(2**20))
        await box.flushed()
        assert abs(clock.now() - begin - (5.0 + 8.0)) < 0.01
    assert wire.given_up == 1


async def test_a_frame_that_is_made_later_keeps_its_place() -> None:
    wire = Wire(is_quick=True)
    main = threading.current_thread()
    makers: list[threading.Thread] = []

    def make() -> bytes:
        makers.append(threading.current_thread())
        return b"later"

    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        box.put(b"first")
        box.put_later(make, 1000)
        box.put(b"last")
        assert box.is_full
        await box.flushed()
        box.put(b"at once")
    assert wire.read == ["first", "later", "last", "at once"]
    assert main not in makers


@on_virtual_time
async def test_a_client_that_has_left_ends_nothing_and_is_not_given_up(clock: VirtualClock) -> None:
    wire = Wire()
    wire.has_left = True
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire)
        box.put(b"a")
        box.put(b"b")
        await box.flushed()
        box.put(b"c")
        await box.room()
    assert (wire.read, wire.given_up) == ([], 0)


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "put", "fence", "wait", "quick"]), st.sampled_from(["", "a", "b"]))
)


@given(STEPS)
def test_what_is_not_dropped_by_a_fence_is_written_once_and_in_order(steps: list[tuple[str, str]]) -> None:
    clock = VirtualClock()
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(clock)) as runner:
        read, fenced = runner.run(_play(steps))
    assert read == sorted(read)
    assert len(set(read)) == len(read)
    assert {number for number, (what, _) in enumerate(steps) if what == "put"} - set(read) <= fenced


async def _play(steps: list[tuple[str, str]]) -> tuple[list[int], set[int]]:
    """Return what the client read, and what a fence may have dropped."""
    wire = Wire(frame_s=1.0)
    fenced: set[int] = set()
    async with asyncio.TaskGroup() as group:
        box = send_queue(group, wire, limit_bytes=10_000)
        for number, (what, fence) in enumerate(steps):
            match what:
                case "put":
                    box.put(b"%d" % number, fence)
                case "fence" if fence:
                    box.fence(fence)
                    fenced |= {at for at, step in enumerate(steps[:number]) if step == ("put", fence)}
                case "wait":
                    await asyncio.sleep(0.7)
                case _:
                    wire.is_quick = not wire.is_quick
        await box.flushed()
    return [int(text) for text in wire.read], fenced
