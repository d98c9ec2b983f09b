"""A session of the Realtime protocol that survives lost connections."""

from __future__ import annotations

import asyncio
import json
import random
import time
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
import pybase64
import websockets
from msgspec import UNSET
from websockets.asyncio.client import ClientConnection

from antiphon.client.retained import Retained
from antiphon.resilience.backoff import Backoff
from antiphon.wire.realtime_client import (
    ClientMessage,
    ConversationItemCreate,
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
    ResponseParams,
    SessionUpdate,
)
from antiphon.wire.realtime_items import Content, Message
from antiphon.wire.realtime_server import (
    TAKEN_OVER,
    ServerEvent,
    ServerMessage,
    SessionCreated,
    SessionResumed,
    SessionUpdated,
)
from antiphon.wire.realtime_session import AnySession, AnySessionUpdate, AudioPcma, AudioPcmu

_OVER = frozenset({1000, 1001, 1003, 1007, 1008, 1009})
"""Close codes that end a session: it is over, or the client broke the protocol."""
_BYTES_PER_MS = {"pcm": 48, "g711": 8}


class _Direct(websockets.connect):
    """Follows no redirect: the library would send the token and the conversation to any host."""

    def process_redirect(self, exc: Exception) -> Exception:
        """Return the exception that fails the handshake."""
        return exc


E = TypeVar("E", bound=ServerEvent)
_decoder = msgspec.json.Decoder(ServerMessage)


class ClientError(Exception):
    """The session cannot continue."""


class SessionLost(ClientError):
    """No gateway could be reached in time, or none knows the session any more."""


class TakenOver(ClientError):
    """Another connection has resumed the session."""


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of an unknown type."""

    type: str
    data: dict[str, Any]


class Session:
    """One conversation: send events, and iterate over the server's.

    After a lost connection it reconnects and resumes: every event comes once and in order, and events that the server
    has not processed are sent again. Iterate all the time; one iteration at a time.
    """

    def __init__(
        self, urls: Sequence[str], api_key: str, query: dict[str, str], *, reconnect_timeout_s: float, **options: Any
    ) -> None:
        self._urls = deque(urls)
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._query = query
        self._reconnect_timeout_s = reconnect_timeout_s
        self._options: dict[str, Any] = {
            "open_timeout": 5.0,
            "close_timeout": 1.0,
            "max_size": None,
            "compression": None,
            **options,
        }
        self._socket: ClientConnection | None = None
        self._retained = Retained()
        self._backoff = Backoff(base_s=0.05, cap_s=1.0)
        self._cursor = ""
        self._resume_token = ""
        self._bytes_per_ms = _BYTES_PER_MS["pcm"]
        self._is_resuming = self._is_over = False
        self._resend_after: tuple[int, int] | None = None
        """While events are sent again: number of the last one, and end of the last audio, that the server has."""
        self.id = ""
        """Id of the session, once it was created."""
        self.resumptions = 0
        """How often the connection was lost and the session resumed."""

    # -- sending ----------------------------------------------------------------------------------------------------
    async def send(self, event: ClientMessage) -> str:
        """Send any event and return its id, which an `Error` would echo. Raises `SessionLost` after the end."""
        event_id = f"c{self._retained.number + 1:07d}"
        frame = msgspec.json.encode(msgspec.structs.replace(event, event_id=event_id)).decode()
        self._retained.add(frame, time.monotonic())
        await self._write(frame)
        return event_id

    async def append(self, audio: bytes) -> None:
        """Send audio in the session's input format."""
        self._retained.add_audio(audio, time.monotonic())
        await self._write(_append(audio))

    async def update(self, **fields: Any) -> str:
        """Change the configuration: fields of ``session.update``. Raises `msgspec.ValidationError`."""
        config = msgspec.convert({"type": "realtime", **fields}, AnySessionUpdate)
        return await self.send(SessionUpdate(session=config))

    async def say(self, text: str) -> str:
        """Add a message of the user."""
        content = (Content(type="input_text", text=text),)
        return await self.send(ConversationItemCreate(item=Message(role="user", content=content)))

    async def commit(self) -> str:
        """Make an item of the audio that was sent."""
        return await self.send(InputAudioBufferCommit())

    async def clear(self) -> str:
        """Forget the audio that was sent and not committed."""
        return await self.send(InputAudioBufferClear())

    async def respond(self, **overrides: Any) -> str:
        """Ask for an answer: fields of ``response.create``. Raises `msgspec.ValidationError`."""
        return await self.send(ResponseCreate(response=msgspec.convert(overrides, ResponseParams)))

    async def cancel(self, response_id: str | None = None) -> str:
        """Stop an answer."""
        return await self.send(ResponseCancel(response_id=response_id))

    async def _write(self, frame: str) -> None:
        if self._is_over:
            raise SessionLost("the session is over")
        if self._socket is not None and not self._is_resuming:
            with suppress(websockets.ConnectionClosed):  # it is sent again when the session is resumed
                await self._socket.send(frame)

    # -- receiving ---------------------------------------------------------------------------------------------------
    def __aiter__(self) -> Session:
        return self

    async def __anext__(self) -> ServerMessage | UnknownEvent:
        """Return the next event. Raises `SessionLost` or `TakenOver`; ends when the server ends the session."""
        while True:
            try:
                if self._resend_after is not None:
                    await self._resend()
                event = await self._receive()
            except websockets.ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else 1006
                if code == TAKEN_OVER:
                    raise TakenOver("another connection has resumed the session") from closed
                if self._is_over or code in _OVER or not self.id:
                    self._is_over = True
                    raise StopAsyncIteration from closed
                await self._reconnect()
                continue
            if isinstance(event, SessionResumed):
                self._note_resumed(event)
                with suppress(websockets.ConnectionClosed):  # lost once more: the next resumption sends all of it
                    await self._resend()
                return event
            if not (isinstance(event, SessionCreated) and self.resumptions):
                return event

    async def until(self, kind: type[E]) -> E:
        """Return the next event of a kind, passing over others. Raises `SessionLost` when the session ends before."""
        async for event in self:
            if isinstance(event, kind):
                return event
        raise SessionLost(f"the session ended before {kind.__name__}")

    async def _receive(self) -> ServerMessage | UnknownEvent:
        assert self._socket is not None  # noqa: S101 - narrows the type: `connect` has opened it
        frame = await self._socket.recv()
        try:
            event = _decoder.decode(frame)
        except msgspec.ValidationError:
            data = json.loads(frame)
            self._cursor = data.get("event_id", self._cursor)
            return UnknownEvent(str(data.get("type")), data)
        self._cursor = event.event_id
        if isinstance(event, SessionCreated | SessionUpdated):
            self._know(event.session)
        if isinstance(event, SessionCreated) and event.antiphon is not UNSET:
            self._resume_token = event.antiphon.resume_token
        return event

    def _know(self, session: AnySession) -> None:
        self.id = session.id
        is_g711 = isinstance(session.audio.input.format, AudioPcmu | AudioPcma)
        self._bytes_per_ms = _BYTES_PER_MS["g711" if is_g711 else "pcm"]

    # -- connecting --------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Connect for the first time. Raises what `websockets.connect` raises."""
        self._socket = await self._connect(self._query)

    async def lose(self, *, deaf_s: float = 0.0) -> None:
        """Break the connection, after ``deaf_s`` without reading: for tests of programs that use this client."""
        socket = self._socket
        if socket is not None:
            socket.transport.pause_reading()
            await asyncio.sleep(deaf_s)
            socket.transport.abort()

    async def close(self) -> None:
        """End the session with a close handshake."""
        self._is_over = True
        if self._socket is not None:
            await self._socket.close()

    async def _connect(self, query: dict[str, str]) -> ClientConnection:
        url = f"{self._urls[0]}/v1/realtime?{urlencode(query)}"
        token = {"X-Antiphon-Resume-Token": self._resume_token} if self._resume_token else {}
        return await _Direct(url, additional_headers={**self._headers, **token}, **self._options)

    async def _reconnect(self) -> None:
        self._is_resuming = self._retained.is_frozen = True
        self._resend_after = None
        self.resumptions += 1
        query = {"session_id": self.id, "after": self._cursor}
        until = time.monotonic() + self._reconnect_timeout_s
        attempt = 0
        while True:
            self._urls.rotate(-1)  # the gateway that has just failed is tried last
            try:
                self._socket = await self._connect(query)
            except websockets.InvalidStatus as refused:
                if refused.response.status_code < 500:
                    raise SessionLost(f"the session cannot be resumed: {refused}") from refused
            except (OSError, websockets.WebSocketException):
                pass  # no gateway is there yet
            else:
                return
            if time.monotonic() > until:
                raise SessionLost(f"no gateway could be reached for {self._reconnect_timeout_s:g} s")
            attempt += 1
            await asyncio.sleep(0.01 + self._backoff.delay_s(attempt, random.random))

    def _note_resumed(self, event: SessionResumed) -> None:
        """Note which events and audio have to be sent again."""
        number = int(event.client_event_id[1:]) if event.client_event_id else 0
        wanted = event.audio_start_ms * self._bytes_per_ms
        self._retained.rebase(self._retained.first_audio(wanted), wanted)
        self._resend_after = (number, wanted)

    async def _resend(self) -> None:
        """Send unprocessed events again; after a cancellation the next call continues. Raises `ConnectionClosed`."""
        assert self._socket is not None  # noqa: S101 - narrows the type: the event came through it
        while self._resend_after is not None and (rest := list(self._retained.after(*self._resend_after))):
            for sent in rest:  # further events may be sent meanwhile
                number, start = self._resend_after
                self._resend_after = (max(number, sent.number), max(start, sent.start + len(sent.audio)))
                await self._socket.send(_append(sent.audio) if sent.audio else sent.frame)
        self._resend_after = None
        self._is_resuming = self._retained.is_frozen = False


def _base(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/").removesuffix("/v1/realtime"), "", ""))


def _append(audio: bytes) -> str:
    event = InputAudioBufferAppend(audio=pybase64.b64encode(audio).decode())
    return msgspec.json.encode(event).decode()


@asynccontextmanager
async def connect(
    url: str,
    *others: str,
    api_key: str = "",
    model: str = "gpt-realtime",
    reconnect_timeout_s: float = 60.0,
    **options: Any,
) -> AsyncGenerator[Session]:
    """Open a session at ``url`` (``http``, ``https``, ``ws`` or ``wss``), and close it at the end.

    Without a load balancer in front of the gateways, ``others`` are their addresses: a lost session is resumed at any
    of them, or `SessionLost` is raised after ``reconnect_timeout_s``. ``options`` go to `websockets.connect`.
    """
    if "patience_s" in options:  # its former name, for one more release
        warnings.warn("patience_s is now reconnect_timeout_s", DeprecationWarning, stacklevel=3)
        reconnect_timeout_s = options.pop("patience_s")
    urls = [_base(one) for one in (url, *others)]
    session = Session(urls, api_key, {"model": model}, reconnect_timeout_s=reconnect_timeout_s, **options)
    await session.open()
    try:
        yield session
    finally:
        await session.close()
