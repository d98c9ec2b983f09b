"""The document says what the table says."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
from jsonschema import Draft202012Validator

from antiphon.doors.history.routes import ROUTES as HISTORY_ROUTES
from antiphon.doors.http.bodies import JsonBody
from antiphon.doors.http.forms import FormBody
from antiphon.doors.http.openapi import Description, describe_api, openapi_json
from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.doors.operation import health
from antiphon.doors.rest.routes import API_ROUTES
from antiphon.errors import InvalidRequest, NotFound, Overloaded, ProviderUnavailable
from tests.unit.doors.rest_stage import stage


class Note(msgspec.Struct):
    text: str


class Options(msgspec.Struct):
    language: str | None = None


class Page(msgspec.Struct):
    after: str
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="How many.")] = 20
    order: Literal["asc", "desc"] = "asc"


async def put_note(services: Any, call: Call[Any, Any]) -> Note:
    """Keep a note."""
    return Note("")


ROUTE: AnyRoute = Route(
    "PUT", "/notes/{name}/{number:int}", put_note, "Keep", "notes", {JSON: (Note,), "text/event-stream": (Note, str)},
    body=JsonBody(Note), query=Page, errors=(InvalidRequest, NotFound, Overloaded, ProviderUnavailable),
    other_answers={409: dict[str, Any]}, aliases=("/old",),
)  # fmt: skip


def operation(route: AnyRoute) -> dict[str, Any]:
    (item, *_) = describe_api([route], "1.2.3")["paths"].values()
    return item[route.method.lower()]


def test_an_operation_is_named_and_described_after_its_handler() -> None:
    told = operation(ROUTE)
    assert (told["operationId"], told["summary"], told["description"]) == ("put_note", "Keep", "Keep a note.")
    assert told["tags"] == ["notes"]


def test_an_alias_is_an_operation_of_another_id() -> None:
    paths = describe_api([ROUTE], "1.2.3")["paths"]
    assert list(paths) == ["/notes/{name}/{number}", "/old"]
    assert paths["/old"]["put"]["operationId"] == "put_note_2"


def test_parameters_of_path_and_query_have_their_types() -> None:
    told = {one["name"]: one for one in operation(ROUTE)["parameters"]}
    assert [(one["in"], one["required"]) for one in told.values()] == [
        ("path", True), ("path", True), ("query", True), ("query", False), ("query", False),
    ]  # fmt: skip
    assert told["number"]["schema"] == {"type": "integer"}
    limit = {"type": "integer", "minimum": 1, "maximum": 100, "description": "How many.", "default": 20}
    assert told["limit"]["schema"] == limit
    assert told["order"]["schema"]["enum"] == ["asc", "desc"]


def test_answers_and_errors_are_told_by_media_type_and_status() -> None:
    told = operation(ROUTE)["responses"]
    assert set(told) == {"200", "400", "404", "409", "503", "4XX", "5XX"}
    reference = {"$ref": "#/components/schemas/Note"}
    assert told["200"]["content"][JSON]["schema"] == reference
    assert told["200"]["content"]["text/event-stream"]["schema"] == {"anyOf": [reference, {"type": "string"}]}
    assert told["404"]["content"][JSON]["schema"] == {"$ref": "#/components/schemas/Error"}
    assert told["503"]["description"].startswith("A limit of the server itself is reached")
    assert "not reachable" in told["503"]["description"]
    assert told["409"]["content"][JSON]["schema"] == {"type": "object"}


def test_a_body_is_required_unless_it_has_defaults() -> None:
    assert operation(ROUTE)["requestBody"]["required"] is True
    optional: AnyRoute = Route("POST", "/o", put_note, "O", "notes", {JSON: (Note,)}, body=JsonBody(Options, False))
    told = operation(optional)["requestBody"]
    assert told["required"] is False
    assert told["content"][JSON]["schema"]["anyOf"][1] == {"type": "null"}


def test_a_form_is_its_file_and_its_fields() -> None:
    form: AnyRoute = Route("POST", "/f", put_note, "F", "notes", {JSON: (Note,)}, body=FormBody(Options))
    schema = operation(form)["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["required"] == ["file"]
    assert set(schema["properties"]) == {"file", "language"}


def test_only_an_open_route_says_that_it_needs_no_key() -> None:
    open_route: AnyRoute = Route("GET", "/", put_note, "O", "notes", {JSON: (Note,)}, access="open")
    assert operation(open_route)["security"] == []
    assert "security" not in operation(ROUTE)
    assert describe_api([ROUTE], "1")["security"] == [{"key": []}, {}]


def test_every_schema_of_the_servers_own_document_is_one() -> None:
    document = describe_api((*API_ROUTES, *HISTORY_ROUTES, *health.ROUTES), "1.2.3")
    assert document["info"]["version"] == "1.2.3"
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for item in document["paths"].values():
        for told in item.values():
            for parameter in told.get("parameters", ()):
                Draft202012Validator.check_schema(parameter["schema"])


async def test_a_document_is_made_when_it_is_first_asked_for_and_once() -> None:
    made: list[str] = []

    def make() -> dict[str, str]:
        made.append("once")
        return {"openapi": "3.1.0"}

    description = Description(make)
    assert made == []
    for _ in range(2):
        assert await openapi_json(description, Call({}, lambda: None, None, None)) == b'{"openapi":"3.1.0"}'
    assert made == ["once"]


async def test_the_openapi_document_describes_every_route_and_can_be_resolved() -> None:
    async with stage() as run:
        document = (await run.client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert {"/v1/audio/speech", "/v1/models/{model_id}", "/v1/realtime/client_secrets", "/ready"} <= set(
        document["paths"]
    )
    schemas = document["components"]["schemas"]
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= set(schemas)
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)
    form = document["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert {"file", "language", "timestamp_granularities", "stream"} <= set(form["schema"]["properties"])
