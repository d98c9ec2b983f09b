"""Texts of forms and queries become typed values, and what does not fit is named."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from antiphon.doors.http.fields import MAX_PARAMETERS, decode_fields, decode_query
from antiphon.errors import InvalidRequest


class Page(msgspec.Struct):
    limit: int = 20
    after: str | None = None
    is_open: bool = False
    order: Literal["asc", "desc"] = "asc"
    tags: list[str] = msgspec.field(default_factory=list)


class Nothing(msgspec.Struct):
    pass


class Needed(msgspec.Struct):
    name: str


def test_texts_become_numbers_truths_and_lists() -> None:
    sent = "limit=5&is_open=true&order=desc&tags=a&tags[]=b&tags[0]=c&after=x%20y"
    assert decode_query(sent.encode(), Page) == Page(5, "x y", True, "desc", ["a", "b", "c"])


def test_an_absent_or_empty_field_has_its_default() -> None:
    assert decode_query(b"", Page) == Page()
    assert decode_query(b"limit=&after=", Page) == Page()
    assert decode_fields([("limit", ""), ("after", "")], Page) == Page()


def test_of_a_field_that_is_sent_twice_the_last_counts() -> None:
    assert decode_query(b"limit=1&limit=2", Page).limit == 2


def test_other_parameters_are_ignored_since_a_key_may_be_one() -> None:
    assert decode_query(b"api_key=sk-1&limit=3", Page) == Page(3)


@pytest.mark.parametrize(("query", "code", "param"), [
    (b"limit=many", "invalid_value", "limit"),
    (b"is_open=perhaps", "invalid_value", "is_open"),
    (b"order=up", "invalid_value", "order"),
    (b"limit=%ff", "invalid_value", "limit"),
])  # fmt: skip
def test_a_parameter_that_does_not_fit_is_named(query: bytes, code: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_query(query, Page)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_a_parameter_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_query(b"x=1", Needed)
    assert (refused.value.code, refused.value.param) == ("missing_required_parameter", "name")


def test_a_query_of_too_many_parameters_is_refused_only_where_one_is_read() -> None:
    query = b"&".join([b"a=1"] * (MAX_PARAMETERS + 1))
    with pytest.raises(InvalidRequest, match="more than 100"):
        decode_query(query, Page)
    assert decode_query(query, Nothing) == Nothing()
