"""The microphone, with and without one."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from antiphon.cli.microphone import record
from antiphon.errors import InvalidRequest


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class PortAudioError(Exception):
    """What the driver says when it fails."""


class Stream:
    """A microphone that hears two frames."""

    def __init__(self, *, samplerate: int, channels: int, dtype: str, callback: Any) -> None:
        assert (samplerate, channels, dtype) == (24_000, 1, "int16")
        self._callback = callback

    def __enter__(self) -> Stream:
        for frame in (b"ab", b"cd"):
            self._callback(memoryview(frame), 1, None, None)
        return self

    def __exit__(self, *error: object) -> None:
        pass


def no_device(**_: Any) -> Stream:
    raise PortAudioError("no such device")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The package behind the microphone, which needs a library that few machines have."""
    module = SimpleNamespace(RawInputStream=Stream, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_without_the_package_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(InvalidRequest, match=r"pip install 'antiphon\[microphone\]'"):
        record()


def test_without_a_terminal_a_recording_is_asked_for(driver: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(InvalidRequest, match="name a recording"):
        record()


def test_what_is_heard_until_enter_is_the_recording(driver: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("\n"))
    assert record() == b"abcd"


def test_a_device_that_fails_is_told(driver: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("\n"))
    driver.RawInputStream = no_device
    with pytest.raises(InvalidRequest, match="no such device"):
        record()
