"""``/v1/sessions`` and ``/v1/realtime/sessions/{id}``: what was said, and sessions that are ended from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from antiphon.doors.history.reader import HistoryReader
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.entities.history import StoredItem, StoredSession
from antiphon.errors import InvalidRequest, NotFound, ProviderBusy, ProviderUnavailable
from antiphon.text.quoting import quoted
from antiphon.wire.history import ItemList, ItemQuery, SessionDetails, SessionEntry, SessionList, SessionQuery


@dataclass(frozen=True, slots=True)
class HistoryServices:
    """Everything that these routes use."""

    reader: HistoryReader
    stop: Callable[[str, str], Awaitable[StoredSession | None]]
    """Ends a realtime session, given its tenant and id, and returns its row; None if it was over before."""


async def list_items(services: HistoryServices, call: Call[None, ItemQuery]) -> dict[str, Any]:
    """List what was said in a session, also while it is connected. Deleted items are not listed."""
    page = await services.reader.items(
        call.identity.tenant,
        call.path_params["session_id"],
        limit=call.query.limit,
        after=call.query.after,
        oldest_first=call.query.order == "asc",
    )
    return _listed([_item(item) for item in page.items], has_more=page.has_more)


async def list_sessions(services: HistoryServices, call: Call[None, SessionQuery]) -> dict[str, Any]:
    """List sessions by the time of their beginning, those that ended among them."""
    query = call.query
    page = await services.reader.sessions(
        call.identity.tenant,
        limit=query.limit,
        after=query.after,
        oldest_first=query.order == "asc",
        since=query.created_after,
        until=query.created_before,
        kind=query.kind,
    )
    entries = [msgspec.to_builtins(SessionEntry(**_fields(session))) for session in page.sessions]
    return _listed(entries, has_more=page.has_more)


async def get_session(services: HistoryServices, call: Call[None, Any]) -> SessionDetails:
    """Return a session and its configuration."""
    return _details(await services.reader.session(call.identity.tenant, call.path_params["session_id"]))


async def end_session(services: HistoryServices, call: Call[None, Any]) -> SessionDetails:
    """End a realtime session: its connection is closed with code 4409, and it cannot be resumed.

    What was said stays in the history. Ending a session that is over changes nothing.
    """
    tenant, session_id = call.identity.tenant, call.path_params["session_id"]
    ended = await services.stop(tenant, session_id)  # first: the database may be away
    try:
        found = await services.reader.session(tenant, session_id)
    except (NotFound, ProviderBusy, ProviderUnavailable):
        if ended is None:
            raise
        return _details(ended)
    if ended is not None:
        known = {"model": ended.model or found.model, "config": ended.config or found.config}
        return _details(replace(found, status=ended.status, closed_at=ended.closed_at, **known))
    if found.kind != "realtime":
        message = f"The session {quoted(session_id)} is of kind '{found.kind}'; only realtime ones can be ended."
        raise InvalidRequest(message, param="session_id", code="wrong_session_kind")
    return _details(found)


def _listed(data: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    ids = [entry["id"] for entry in data]
    return {
        "object": "list",
        "data": data,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }


def _item(item: StoredItem) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.json.decode(item.content)
    return {**content, "id": item.item_id, "created_at": item.created_at, "interrupted": item.interrupted}


def _fields(session: StoredSession) -> dict[str, Any]:
    return {
        "id": session.session_id,
        "kind": session.kind,
        "status": session.status,
        "model": session.model or None,
        "conversation_id": session.conversation_id or None,
        "project_id": session.project_id,
        "key_id": session.key_id or None,
        "created_at": session.created_at,
        "closed_at": session.closed_at,
    }


def _details(session: StoredSession) -> SessionDetails:
    config = msgspec.json.decode(session.config) if session.config else None
    return SessionDetails(**_fields(session), session=config)


_AWAY = (ProviderBusy, ProviderUnavailable)

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "GET", "/v1/sessions", list_sessions, "List sessions", "history",
        {JSON: (SessionList,)}, query=SessionQuery, errors=(InvalidRequest, *_AWAY),
    ),
    Route(
        "GET", "/v1/sessions/{session_id}/items", list_items, "List the items of a session", "history",
        {JSON: (ItemList,)}, query=ItemQuery, errors=(InvalidRequest, NotFound, *_AWAY),
    ),
    Route(
        "GET", "/v1/realtime/sessions/{session_id}", get_session, "Get a session", "history",
        {JSON: (SessionDetails,)}, errors=(NotFound, *_AWAY), aliases=("/v1/sessions/{session_id}",),
    ),
    Route(
        "DELETE", "/v1/realtime/sessions/{session_id}", end_session, "End a realtime session", "history",
        {JSON: (SessionDetails,)}, errors=(InvalidRequest, NotFound, *_AWAY),
    ),
)  # fmt: skip
"""Their services are `HistoryServices`."""
