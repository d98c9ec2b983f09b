"""``/openapi.json``, made from the routes and their types."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, get_type_hints

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from antiphon.doors.rest.services import RestRequest, services_of

_JSON = "application/json"
_REF = "#/components/schemas/{name}"
_UPLOAD = {"type": "string", "format": "binary", "description": "The audio file, 25 MiB at most."}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "The field that is meant."},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_ERRORS = {
    "4XX": "The request is refused; the error says why.",
    "5XX": "The server cannot answer now; the error says why.",
}
_SECURITY = {"key": {"type": "http", "scheme": "bearer", "description": "An API key, where keys are configured."}}


@get("/openapi.json", sync_to_thread=False)
def openapi_json(request: RestRequest) -> Response[bytes]:
    """Return the OpenAPI 3.1 document of this server."""
    document = describe_api(request.app.state.api_routes, services_of(request).version)
    return Response(msgspec.json.encode(document), media_type="application/json")


@lru_cache(maxsize=4)
def describe_api(routes: tuple[HTTPRouteHandler, ...], version: str) -> Mapping[str, Any]:
    """Return the OpenAPI 3.1 document of ``routes``.

    A route's types come from its signature; its ``opt`` may name more: ``form``, the fields of a multipart form
    beside ``file``; ``answers``, the types of its possible answers by media type; and ``statuses``, the types of
    answers that are no error although their status is one.
    """
    schemas = _Schemas(_types(routes))
    paths: dict[str, Any] = {}
    for route in routes:
        for number, path in enumerate(sorted(route.paths, key=lambda path: (len(path), path))):
            operation = _operation(route, path.replace(":path}", "}"), schemas)
            if number:  # another name of the same route
                operation["operationId"] += f"_{number + 1}"
            paths.setdefault(path.replace(":path}", "}"), {})[_method(route)] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Antiphon", "version": version},
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {"schemas": {**schemas.components, "Error": _ERROR}, "securitySchemes": _SECURITY},
    }


class _Schemas:
    """JSON schemas of types, those with a name as references."""

    def __init__(self, types: Iterable[Any]) -> None:
        known = list(dict.fromkeys(types))
        schemas, self.components = msgspec.json.schema_components(known, ref_template=_REF)
        self._by_type = dict(zip(known, schemas, strict=True))

    def of(self, kind: Any) -> Any:
        return {} if kind is bytes else self._by_type[kind]

    def any_of(self, kinds: tuple[Any, ...]) -> Any:
        found = [self.of(kind) for kind in kinds]
        return found[0] if len(found) == 1 else {"anyOf": found}

    def form(self, fields: Any) -> Any:
        """Return the schema of a form: the file, and what else can be said."""
        plain = self.components[self.of(fields)["$ref"].rpartition("/")[2]]
        properties = {"file": _UPLOAD, **plain["properties"]}
        return {"type": "object", "required": ["file"], "properties": properties}


def _types(routes: Iterable[HTTPRouteHandler]) -> Iterable[Any]:
    for route in routes:
        yield from (kind for kind in (_request(route), route.opt.get("form")) if kind is not None)
        yield from (kind for kinds in _answers(route).values() for kind in kinds if kind is not bytes)


def _method(route: HTTPRouteHandler) -> str:
    return min(route.http_methods).lower()


def _hints(route: HTTPRouteHandler) -> dict[str, Any]:
    return get_type_hints(route.fn)


def _request(route: HTTPRouteHandler) -> Any:
    return _hints(route).get("data")


def _answers(route: HTTPRouteHandler) -> dict[str, tuple[Any, ...]]:
    return route.opt.get("answers") or {_JSON: (_hints(route)["return"],)}


def _operation(route: HTTPRouteHandler, path: str, schemas: _Schemas) -> dict[str, Any]:
    answers = {media: {"schema": schemas.any_of(kinds)} for media, kinds in _answers(route).items()}
    error = {_JSON: {"schema": {"$ref": _REF.format(name="Error")}}}
    refused = {status: {"description": text, "content": error} for status, text in _ERRORS.items()}
    for status, kind in route.opt.get("statuses", {}).items():
        refused[status] = {"description": "Not now.", "content": {_JSON: {"schema": schemas.of(kind)}}}
    operation: dict[str, Any] = {
        "operationId": getattr(route.fn, "__name__", path),
        "tags": list(route.tags or ()),
        "summary": route.summary,
        "description": inspect.getdoc(route.fn) or "",
        "responses": {"200": {"description": "Done.", "content": answers}, **refused},
    }
    if parameters := [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        text = {"type": "string"}
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": text} for name in parameters
        ]
    if body := _body(route, schemas):
        operation["requestBody"] = body
    return operation


def _body(route: HTTPRouteHandler, schemas: _Schemas) -> dict[str, Any] | None:
    if form := route.opt.get("form"):
        return {"required": True, "content": {"multipart/form-data": {"schema": schemas.form(form)}}}
    kind = _request(route)
    return {"content": {_JSON: {"schema": schemas.of(kind)}}} if kind is not None else None
