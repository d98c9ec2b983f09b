"""Pages for a browser: ``/`` introduces the server, ``/docs`` shows the REST API. No page loads from another host."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from antiphon.doors.http.openapi import Description, openapi_json
from antiphon.doors.http.responses import Whole
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route

_HTML = "text/html; charset=utf-8"
_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


async def start_page(description: Description, call: Call[Any, Any]) -> Whole:
    """Return the start page. It needs no key, as it says nothing about this server."""
    return _answer("start.html")


async def docs_page(description: Description, call: Call[Any, Any]) -> Whole:
    """Return a page that shows the OpenAPI document."""
    return _answer("docs.html")


SITE_ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", "/", start_page, "What is this?", "site", {_HTML: (bytes,)}, access="open"),
    Route("GET", "/docs", docs_page, "The REST API for people", "site", {_HTML: (bytes,)}),
    Route("GET", "/openapi.json", openapi_json, "The REST API for programs", "site", {JSON: (bytes,)}),
)
"""Routes that the document does not describe; their services are a `Description`."""


def _answer(name: str) -> Whole:
    page = _page(name)
    return Whole(page, _HTML, headers={"content-security-policy": _policy(page)})


@lru_cache(maxsize=2)
def _page(name: str) -> bytes:
    return files("antiphon.doors.operation").joinpath(name).read_bytes()


@lru_cache(maxsize=2)
def _policy(page: bytes) -> str:
    """Return the policy that allows only the page's own script and style."""
    own = {name: _hashes(page, name) or "'none'" for name in ("script", "style")}
    return _POLICY.format(**own)


def _hashes(page: bytes, name: str) -> str:
    found = re.findall(rf"<{name}>(.*?)</{name}>".encode(), page, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in found)
