"""The connection of ``antiphon dub`` to a server: the dubbing protocol through the official Socket.IO client."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from importlib.util import find_spec
from typing import Any, TypeVar

import msgspec
import pybase64
import socketio
from msgspec import Struct
from socketio.exceptions import BadNamespaceError
from socketio.exceptions import ConnectionError as SocketIOError

from antiphon.cli.dub_flow import Fragment
from antiphon.errors import (
    AntiphonError,
    InvalidRequest,
    ProviderTimeout,
    ProviderUnavailable,
    Unauthenticated,
    Unsupported,
)
from antiphon.wire.dubbing_client import FragmentAudio, FragmentData, StreamInit
from antiphon.wire.dubbing_server import EVENTS, DubbingError, StreamComplete, StreamReady

CONNECT_S = 10.0
READY_S = 15.0
"""Includes the time to load engines first."""
COMPLETE_S = 15.0
_PARAMS = {
    "config.target_language": "to",
    "config.source_language": "from",
    "config.voice_profile": "voice",
    "config.domain_hints": "hint",
}
"""Options by protocol field."""

T = TypeVar("T", bound=Struct)


class ConnectionLost(Struct, frozen=True):
    """The connection has ended."""

    reason: str


def need_client() -> None:
    """Check that the Socket.IO client can connect. Raises `Unsupported`, which names the fix."""
    if find_spec("aiohttp") is None:
        raise Unsupported("antiphon dub needs aiohttp: pip install 'antiphon[dub]'", code="library_missing")


class DubbingClient:
    """One connection with one stream."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._events: deque[Struct] = deque()
        self._arrived = asyncio.Event()
        self._refusal: object = None
        import aiohttp

        redirects = aiohttp.TraceConfig()
        redirects.on_request_redirect.append(_refuse_redirect)
        self._http = aiohttp.ClientSession(trace_configs=[redirects])
        self._client: Any = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http)
        for name, kind in EVENTS.items():
            self._client.on(name, self._taker(kind))
        self._client.on("connect_error", self._refused)
        self._client.on("disconnect", lambda reason="": self._put(ConnectionLost(str(reason))))

    async def open(self, init: StreamInit) -> StreamReady:
        """Connect, and begin or resume the stream.

        Raises `ProviderUnavailable` if no server answers, `Unauthenticated` for a wrong key, and the error of
        `refusal_of` if the server refuses the stream.
        """
        auth = {"token": self._key} if self._key else None
        try:
            await self._client.connect(self._url, auth=auth, transports=["websocket"], wait_timeout=CONNECT_S)
        except (SocketIOError, OSError) as error:
            raise self._why(error) from error
        await self._client.emit("stream:init", msgspec.to_builtins(init))
        return await self._expect(StreamReady, READY_S)

    async def send(self, number: int, fragment: Fragment, init: StreamInit) -> None:
        """Send a fragment; if the connection is lost, `receive` returns `ConnectionLost`."""
        await self._emit("fragment:data", msgspec.to_builtins(_message(number, fragment, init)))

    async def end(self, stream_id: str) -> StreamComplete:
        """End the stream. Raises `ProviderUnavailable` if the connection is lost, `ProviderTimeout`."""
        await self._emit("stream:end", {"stream_id": stream_id, "reason": "end of the recording"})
        return await self._expect(StreamComplete, COMPLETE_S)

    async def receive(self, until: float | None) -> Struct | None:
        """Wait for the next event, at most until this time of `time.monotonic`; None at the timeout."""
        if not self._events:
            self._arrived.clear()
            try:
                async with asyncio.timeout(None if until is None else max(0.0, until - time.monotonic())):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        return self._events.popleft()

    async def close(self) -> None:
        """Disconnect."""
        await self._client.disconnect()
        await self._http.close()

    async def _emit(self, name: str, payload: object) -> None:
        try:
            await self._client.emit(name, payload)
        except BadNamespaceError:
            self._put(ConnectionLost("not connected"))

    async def _expect(self, kind: type[T], within_s: float) -> T:
        """Wait for an event of this kind, and ignore others."""
        until = time.monotonic() + within_s
        while (event := await self.receive(until)) is not None:
            match event:
                case DubbingError() if kind is StreamReady:
                    raise refusal_of(event)
                case ConnectionLost(reason=reason):
                    raise ProviderUnavailable(f"{self._url} closed the connection: {reason}")
                case _ if isinstance(event, kind):
                    return event
                case _:
                    pass
        raise ProviderTimeout(f"{self._url} did not answer within {within_s:.0f} s")

    def _taker(self, kind: type[Struct]) -> Any:
        def take(payload: object = None) -> None:
            self._put(msgspec.convert(payload, kind))

        return take

    def _put(self, event: Struct) -> None:
        self._events.append(event)
        self._arrived.set()

    def _refused(self, data: object = None) -> None:
        self._refusal = data

    def _why(self, error: Exception) -> AntiphonError:
        """Return the error of a failed connection."""
        match self._refusal:
            case {"message": str(message), "data": {"code": "AUTH_FAILED"}}:
                return Unauthenticated(f"{self._url}: {message} Give its key with --key or ANTIPHON_API_KEY.")
            case {"message": str(message)}:
                return ProviderUnavailable(f"{self._url} refused the connection: {message}")
            case _:
                return ProviderUnavailable(f"cannot reach {self._url}: {error}. Is `antiphon serve` running?")


async def _refuse_redirect(_session: Any, _context: Any, params: Any) -> None:
    """Refuse redirects: they would send the key and the recording to another host."""
    import aiohttp

    raise aiohttp.ClientConnectionError(f"the server answered {params.response.status}, a redirect")


def refusal_of(error: DubbingError) -> AntiphonError:
    """Return the error of a refused stream, with advice."""
    details = error.details or {}
    field = str(details.get("param", ""))
    message = error.message
    if error.code == "UNSUPPORTED_LANGUAGE" and "antiphon doctor" not in message:
        message += " `antiphon doctor` on the server shows what is installed."
    if error.code == "INVALID_VOICE_PROFILE":
        message += " --voice default always exists."
    if error.retryable:
        return ProviderUnavailable(message, code=error.code)
    return InvalidRequest(message, code=error.code, param=_PARAMS.get(field))


def _message(number: int, fragment: Fragment, init: StreamInit) -> FragmentData:
    config = init.config
    return FragmentData(
        fragment_id=fragment.fragment_id,
        stream_id=init.stream_id,
        sequence_number=number,
        timestamp=int(time.time() * 1000),
        audio=FragmentAudio(
            format=config.format,
            sample_rate_hz=config.sample_rate_hz,
            channels=config.channels,
            duration_ms=fragment.duration_ms,
            data_base64=pybase64.b64encode(fragment.samples.astype("<i2").tobytes()).decode(),
        ),
        metadata={"pts_ns": fragment.start_ms * 1_000_000},
    )
