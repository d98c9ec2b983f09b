"""Internals of other libraries that the doors use: bounded by `pyproject.toml`, and a failure names the missing one."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import engineio
import h11
import pytest
import socketio
import uvicorn
import websockets.http11
from engineio.async_socket import AsyncSocket
from h11._receivebuffer import ReceiveBuffer
from uvicorn.protocols.http import flow_control
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState


async def nothing(scope: object, receive: object, send: object) -> None:
    """An application that is never called."""


def config() -> uvicorn.Config:
    made = uvicorn.Config(nothing, log_config=None, interface="asgi3", lifespan="off")
    made.load()
    return made


def http_protocol() -> H11Protocol:
    return H11Protocol(config(), ServerState(), {})


def websocket_protocol() -> WebSocketsSansIOProtocol:
    return WebSocketsSansIOProtocol(config(), ServerState(), {})


def cycle() -> RequestResponseCycle:
    protocol = http_protocol()
    return RequestResponseCycle(
        scope={"method": "GET", "headers": []},
        conn=protocol.conn,
        transport=None,
        flow=flow_control.FlowControl(None),
        logger=protocol.logger,
        access_logger=protocol.access_logger,
        access_log=False,
        default_headers=[],
        message_event=None,
        on_response=lambda: None,
    )


def server() -> uvicorn.Server:
    return uvicorn.Server(config())


def socketio_server() -> socketio.AsyncServer:
    return socketio.AsyncServer(async_mode="asgi")


def engineio_socket() -> AsyncSocket:
    return AsyncSocket(engineio.AsyncServer(async_mode="asgi"), "sid")


USED: list[tuple[str, Callable[[], object], str]] = [
    (
        "uvicorn",
        http_protocol,
        (
            "app config conn cycle flow handle_events handle_websocket_upgrade headers loop on_response_complete "
            "pause_writing resume_writing send_400_response timeout_keep_alive timeout_keep_alive_handler "
            "timeout_keep_alive_task transport"
        ),
    ),
    ("uvicorn", cycle, "body disconnected message_event response_complete response_started"),
    ("uvicorn", lambda: flow_control, "HIGH_WATER_LIMIT"),
    ("uvicorn", lambda: flow_control.FlowControl(None), "pause_reading resume_reading write_paused"),
    (
        "uvicorn",
        websocket_protocol,
        (
            "close_sent close_timer config conn disconnected handle_connect handle_pong handshake_complete "
            "handshake_initiated initial_response keepalive_timeout loop on_task_complete pending_ping_payload "
            "ping_sent_at ping_timeout ping_timer pong_timer queue read_paused schedule_ping send_500_response "
            "send_keepalive_ping shutdown stop_keepalive transport writable"
        ),
    ),
    ("uvicorn", server, "config on_tick server_state shutdown started"),
    ("uvicorn", config, "backlog lifespan_class load loaded ssl ws_max_size"),
    ("websockets", lambda: websockets.http11, "MAX_LINE_LENGTH"),
    ("websockets", lambda: websocket_protocol().conn, "data_to_send"),
    ("h11", lambda: h11.Connection(h11.SERVER), "_receive_buffer they_are_waiting_for_100_continue"),
    ("h11", ReceiveBuffer, "_data maybe_extract_lines"),
    ("python-socketio", socketio_server, "_handle_eio_connect _handle_eio_disconnect eio manager"),
    ("python-socketio", lambda: socketio_server().manager, "eio_sid_from_sid is_connected"),
    ("python-engineio", lambda: socketio_server().eio, "sockets"),
    ("python-engineio", engineio_socket, "close last_ping queue schedule_ping sid upgraded"),
]


@pytest.mark.parametrize(("library", "make", "names"), USED)
async def test_the_internals_that_are_used_are_there(library: str, make: Callable[[], object], names: str) -> None:
    owner = make()
    gone = [name for name in names.split() if not hasattr(owner, name)]
    assert not gone, f"{library} {version(library)} has no {', '.join(gone)}; what uses it is in src/antiphon/doors"
