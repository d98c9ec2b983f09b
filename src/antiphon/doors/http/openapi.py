"""``/openapi.json``, generated from the table of routes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from antiphon.doors.http.forms import FILE_SCHEMA, FORM
from antiphon.doors.http.route import JSON, AnyRoute, Call
from antiphon.errors import AntiphonError

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_PARAMETER_TYPES = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
}
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
                "param": {"type": ["string", "null"], "description": "The field that the error is about."},
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


@dataclass(slots=True)
class Description:
    """The document of one application, generated on first use."""

    make: Callable[[], Mapping[str, Any]]
    _made: bytes = field(default=b"", init=False)

    def encoded(self) -> bytes:
        """Return the document as JSON."""
        self._made = self._made or msgspec.json.encode(self.make())
        return self._made


async def openapi_json(description: Description, call: Call[Any, Any]) -> bytes:
    """Return the OpenAPI 3.1 document of this server."""
    return description.encoded()


def describe_api(routes: Iterable[AnyRoute], version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of ``routes``."""
    listed = list(routes)
    schemas = _Schemas(_types(listed))
    paths: dict[str, Any] = {}
    for route in listed:
        for number, path in enumerate(route.paths):
            operation = _operation(route, path, schemas)
            if number:  # an alias of the same route
                operation["operationId"] += f"_{number + 1}"
            paths.setdefault(_PARAMETER.sub(r"{\1}", path), {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Antiphon", "version": version},
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {"schemas": {**schemas.components, "Error": _ERROR}, "securitySchemes": _SECURITY},
    }


class _Schemas:
    """JSON schemas of types; named ones are references."""

    def __init__(self, types: Iterable[Any]) -> None:
        known = list(dict.fromkeys(types))
        schemas, self.components = msgspec.json.schema_components(known, ref_template=_REF)
        self._by_type = dict(zip(known, schemas, strict=True))

    def of(self, kind: Any) -> Any:
        return {} if kind is bytes else self._by_type[kind]

    def any_of(self, kinds: tuple[Any, ...]) -> Any:
        found = [self.of(kind) for kind in kinds]
        return found[0] if len(found) == 1 else {"anyOf": found}

    def fields_of(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a struct itself instead of its reference."""
        return self.components[self.of(kind)["$ref"].rpartition("/")[2]]


def _types(routes: Iterable[AnyRoute]) -> Iterable[Any]:
    for route in routes:
        if route.body.kind is not None:
            yield _sent(route)
        yield from (kind for kinds in route.answers.values() for kind in kinds if kind is not bytes)
        yield from route.other_answers.values()


def _sent(route: AnyRoute) -> Any:
    return route.body.kind if route.body.is_required else route.body.kind | None


def _operation(route: AnyRoute, path: str, schemas: _Schemas) -> dict[str, Any]:
    answers = {media: {"schema": schemas.any_of(kinds)} for media, kinds in route.answers.items()}
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "tags": [route.tag],
        "summary": route.summary,
        "description": inspect.getdoc(route.handler) or "",
        "responses": {"200": {"description": "Done.", "content": answers}, **_refusals(route, schemas)},
    }
    if parameters := [*_path_parameters(path), *_query_parameters(route.query)]:
        operation["parameters"] = parameters
    if route.body.kind is not None:
        operation["requestBody"] = _body(route, schemas)
    if route.access == "open":
        operation["security"] = []
    return operation


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name, kind in _PARAMETER.findall(path):
        schema = _PARAMETER_TYPES.get(kind, {"type": "string"})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(kind: type[msgspec.Struct]) -> Iterable[dict[str, Any]]:
    if not kind.__struct_fields__:
        return
    described = next(iter(msgspec.json.schema(kind)["$defs"].values()))
    for name, schema in described["properties"].items():
        yield {"name": name, "in": "query", "required": name in described.get("required", ()), "schema": schema}


def _body(route: AnyRoute, schemas: _Schemas) -> dict[str, Any]:
    schema = schemas.of(_sent(route))
    if route.body.media_type == FORM:
        properties = {"file": FILE_SCHEMA, **schemas.fields_of(route.body.kind)["properties"]}
        schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"required": route.body.is_required, "content": {route.body.media_type: {"schema": schema}}}


def _refusals(route: AnyRoute, schemas: _Schemas) -> dict[str, Any]:
    """Return the error responses: those of the route by status, then those that every route has."""
    content = {JSON: {"schema": {"$ref": _REF.format(name="Error")}}}
    by_status: dict[str, list[type[AntiphonError]]] = {}
    for error in route.errors:
        by_status.setdefault(str(error.status), []).append(error)
    told = {status: " ".join(map(_first_line, errors)) for status, errors in by_status.items()} | _ERRORS
    refusals = {status: {"description": text, "content": content} for status, text in told.items()}
    for status, kind in route.other_answers.items():
        refusals[str(status)] = {"description": "Not now.", "content": {JSON: {"schema": schemas.of(kind)}}}
    return refusals


def _first_line(error: type[AntiphonError]) -> str:
    return (inspect.getdoc(error) or error.__name__).partition("\n")[0]
