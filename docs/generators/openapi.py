"""``openapi.json`` and ``rest.md``: the REST doors, from their routes."""

from __future__ import annotations

from typing import Any

from antiphon.doors.analytics.routes import ROUTES as ANALYTICS_ROUTES
from antiphon.doors.history.routes import ROUTES as HISTORY_ROUTES
from antiphon.doors.http.openapi import describe_api
from antiphon.doors.memory.routes import ROUTES as MEMORY_ROUTES
from antiphon.doors.operation import health
from antiphon.doors.rest.routes import API_ROUTES
from antiphon.version import VERSION
from generators.page import as_json, code, page, prose, table

_INTRODUCTION = (
    "The types of every request and answer are in [openapi.json](openapi.json), which a running server also shows "
    "at `/docs` and `/openapi.json`. All errors have the shape `{error: {message, type, param, code}}`; see "
    "[errors](errors.md)."
)


def document() -> dict[str, Any]:
    """Return the OpenAPI document that a server of this version serves."""
    features = (*HISTORY_ROUTES, *MEMORY_ROUTES, *ANALYTICS_ROUTES)
    return _ordered(dict(describe_api((*API_ROUTES, *features, *health.ROUTES), VERSION)))


def _ordered(value: Any) -> Any:
    """Return the document with its schemas and paths in one order, whatever order they were met in."""
    for section in ("schemas", "securitySchemes"):
        if section in value["components"]:
            value["components"][section] = dict(sorted(value["components"][section].items()))
    return value | {"paths": dict(sorted(value["paths"].items()))}


def render() -> str:
    """Return the file's text."""
    return as_json(document())


def render_page() -> str:
    """Return the page that lists the routes."""
    rows = [
        (code(f"{method.upper()} {path}"), operation.get("summary", ""), prose(operation.get("description")))
        for path, item in document()["paths"].items()
        for method, operation in item.items()
    ]
    return page("REST routes", _INTRODUCTION, table(("route", "what", "more"), rows))
