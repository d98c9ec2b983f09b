"""The tree of errors: its docstring, its types on the wire, and which of them a retry may help."""

from __future__ import annotations

import re

import pytest

from antiphon import errors
from antiphon.errors import (
    AntiphonError,
    Fenced,
    InvalidRequest,
    Permanent,
    ProviderBusy,
    ProviderTimeout,
    RateLimited,
    Superseded,
    Transient,
    family,
)
from antiphon.observe.metrics import ERROR_TYPES

OWN = [kind for kind in family(AntiphonError) if kind.__module__ == errors.__name__]


def test_the_docstring_shows_every_error_of_the_module() -> None:
    drawn = set(re.findall(r"[A-Z]\w+(?= {2,})", errors.__doc__ or "")) | {"AntiphonError"}
    assert drawn == {kind.__name__ for kind in OWN} - {"Superseded"}


@pytest.mark.parametrize("kind", OWN)
def test_every_error_has_a_type_that_metrics_know_and_an_http_status(kind: type[AntiphonError]) -> None:
    assert kind.type in ERROR_TYPES
    assert 400 <= kind.status < 600


@pytest.mark.parametrize("kind", [kind for kind in OWN if kind not in {AntiphonError, Transient, Permanent}])
def test_every_error_is_either_transient_or_permanent_and_has_a_code(kind: type[AntiphonError]) -> None:
    assert issubclass(kind, Transient) != issubclass(kind, Permanent)
    assert kind.default_code


def test_the_detail_is_for_logs_and_not_part_of_the_message() -> None:
    error = ProviderBusy("The service is busy.", detail="quota of ann")
    assert error.message == "The service is busy."
    assert str(error) == "The service is busy.: quota of ann"
    assert str(ProviderBusy("The service is busy.")) == "The service is busy."


def test_a_code_of_its_own_replaces_the_usual_one() -> None:
    assert ProviderTimeout("late").code == "provider_timeout"
    assert ProviderTimeout("late", code="deadline_exceeded").code == "deadline_exceeded"
    assert InvalidRequest("wrong", param="input").param == "input"


def test_a_rate_limit_says_when_to_retry() -> None:
    assert RateLimited("slow down").retry_after_s == 1.0
    assert RateLimited("slow down", retry_after_s=20).retry_after_s == 20


def test_a_family_begins_with_its_head_and_holds_all_below_it() -> None:
    assert list(family(Fenced)) == [Fenced, Superseded]
    names = [kind.__name__ for kind in family(Transient) if Transient in kind.__bases__ and kind in OWN]
    assert names == sorted(names)
