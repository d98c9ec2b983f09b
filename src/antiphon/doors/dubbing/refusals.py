"""Errors of the dubbing door: for HTTP requests, for connections, and for events without a stream."""

from __future__ import annotations

from socketio.exceptions import ConnectionRefusedError  # noqa: A004 - the library's; the built-in one carries no data

from antiphon import ids
from antiphon.doors.errors import error_answer
from antiphon.doors.server.asgi import Scope, Send
from antiphon.doors.websocket.connection import refuse
from antiphon.dubbing.error_events import error_event
from antiphon.errors import AntiphonError, Forbidden, Unauthenticated
from antiphon.wire.dubbing_server import DubbingError


def refused(code: str, message: str) -> ConnectionRefusedError:
    """Return the error with which a connection is refused."""
    return ConnectionRefusedError(message, error_event(code, message, ids.new_id("err")))


async def answer_error(scope: Scope, send: Send, error: AntiphonError) -> None:
    """Answer a request, or a WebSocket that was not accepted yet, with an error."""
    if scope["type"] == "websocket":
        await refuse(send, error)
        return
    if isinstance(error, Unauthenticated | Forbidden):  # clients report the body as the reason
        told = refused("AUTH_FAILED", error.message)
        answer = error_answer(error, **told.error_args)
    else:
        answer = error_answer(error)
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body})


def no_stream(stream_id: object, fragment_id: object) -> DubbingError:
    """Return the error for an event on a connection without a stream; the ids are those that its client named."""
    named = stream_id if isinstance(stream_id, str) else ""
    what = "There is no stream of this id on this connection" if named else "No stream has begun"
    return error_event(
        "STREAM_NOT_FOUND",
        f"{what}: send stream:init first.",
        ids.new_id("err"),
        named,
        fragment_id if isinstance(fragment_id, str) else "",
    )
