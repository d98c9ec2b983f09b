"""Pages for a browser: ``/`` says what this is, ``/docs`` shows the REST API. Nothing on them comes from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from importlib.resources import files

from litestar import Response, get, route
from litestar.enums import HttpMethod

_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@route("/", http_method=[HttpMethod.GET, HttpMethod.HEAD], sync_to_thread=False)
def start_page() -> Response[bytes]:
    """Return a page that says what this is, to anybody: it tells nothing of this server."""
    return _answer("start.html")


@get("/docs", sync_to_thread=False)
def docs_page() -> Response[bytes]:
    """Return a page that shows the OpenAPI document."""
    return _answer("docs.html")


def _answer(name: str) -> Response[bytes]:
    page = _page(name)
    return Response(page, media_type="text/html", headers={"content-security-policy": _policy(page)})


@lru_cache(maxsize=2)
def _page(name: str) -> bytes:
    return files("antiphon.doors.rest").joinpath(name).read_bytes()


@lru_cache(maxsize=2)
def _policy(page: bytes) -> str:
    """Return the policy that lets this page run its own script and style, and no other."""
    own = {name: _hashes(page, name) or "'none'" for name in ("script", "style")}
    return _POLICY.format(**own)


def _hashes(page: bytes, name: str) -> str:
    found = re.findall(rf"<{name}>(.*?)</{name}>".encode(), page, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in found)
