"""Requests made of the OpenAPI document: history and analytics give only answers that are documented."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.serving import serving

SCHEMA = schemathesis.openapi.from_path(str(Path(__file__).parents[2] / "docs/reference/openapi.json"))
PATHS = SCHEMA.include(path_regex=r"^/v1/sessions|^/v1/realtime/sessions/\{|^/v1/analytics/")
OPERATIONS = [found.ok() for found in PATHS.get_all_operations()]
OWN_RULES = {"after", "since", "until"}
"""Parameters with rules that a schema cannot say: a cursor must be known, and a window end after its beginning."""


@dataclass
class Place:
    """A server with a session that has ended and one that has not."""

    url: str = ""
    sessions: list[str] = field(default_factory=list[str])
    items: list[str] = field(default_factory=list[str])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    found, is_ready, may_end = Place(), threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(tmp_path_factory.mktemp("history")) as served:
            for _ in range(2):
                async with served.connect() as client:
                    found.sessions.append((await client.until("session.created"))["session"]["id"])
                    found.items.append(await client.say_text("hello"))
            async with served.connect() as client:
                found.sessions.append((await client.until("session.created"))["session"]["id"])
                found.url = served.url
                is_ready.set()
                await asyncio.to_thread(may_end.wait)

    server = threading.Thread(target=lambda: asyncio.run(serve()))
    server.start()
    assert is_ready.wait(60)
    yield found
    may_end.set()
    server.join()


def accepts(case: Case, url: str) -> None:
    """Send a request: its answer is documented. One of the right form may still break a rule, which is an error."""
    has_own_rule = not OWN_RULES.isdisjoint(case.query)
    case.call_and_validate(base_url=url, excluded_checks=[positive_data_acceptance] if has_own_rule else [])


@pytest.mark.hypothesis
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_only_documented_answers_are_given(operation: APIOperation, place: Place) -> None:
    @settings(max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def check(case: Case) -> None:
        accepts(case, place.url)
        if "session_id" in case.path_parameters:
            for session_id in place.sessions:
                case.path_parameters["session_id"] = session_id
                accepts(case, place.url)

    check()


def test_the_document_has_these_routes() -> None:
    paths = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())["paths"]
    assert {path for path in paths if path.startswith(("/v1/sessions", "/v1/realtime/sessions/", "/v1/analytics"))} == {
        "/v1/analytics/counts",
        "/v1/analytics/latencies",
        "/v1/sessions",
        "/v1/sessions/{session_id}",
        "/v1/sessions/{session_id}/items",
        "/v1/realtime/sessions/{session_id}",
    }
