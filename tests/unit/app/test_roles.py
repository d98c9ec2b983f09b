"""Roles by their names."""

from __future__ import annotations

import pytest

from antiphon.app.process import process
from antiphon.app.roles import all_roles, engine_kinds, parse_roles
from antiphon.app.settings import load_settings
from antiphon.errors import InvalidRequest


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (["all"], all_roles()),
        (["gateway"], {"gateway"}),
        (["speak", "score"], {"speak", "score"}),
        (["speak", "all"], all_roles()),
    ],
    ids=["all", "one", "two", "one and all"],
)
def test_roles_are_named(names: list[str], roles: set[str]) -> None:
    assert parse_roles(names) == roles


@pytest.mark.parametrize("names", [[], ["singer"], ["gateway", ""]], ids=str)
def test_what_is_no_role_is_refused(names: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_roles(names)
    assert refused.value.param == "roles"


def test_a_role_loads_its_own_engine_and_no_other() -> None:
    assert engine_kinds(parse_roles(["gateway"])) == {"vad"}
    assert engine_kinds(parse_roles(["transcribe", "speak"])) == {"stt", "tts"}


async def test_less_than_all_roles_need_something_to_share() -> None:
    with pytest.raises(InvalidRequest, match="ANTIPHON_REDIS_URL is not set"):
        async with process(load_settings(redis_url=""), roles=parse_roles(["gateway"])):
            pass
