"""A server that the tests of one process attack in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.abuse.measuring import Victim, victim


@pytest.fixture(scope="session")
def attacked() -> Iterator[Victim]:
    with victim(llm="rules") as server:
        yield server
