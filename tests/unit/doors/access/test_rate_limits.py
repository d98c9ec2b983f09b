"""Room and limits: what is refused, what is counted, and what a client is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from antiphon.doors.access.rate_limits import charge_request, check_room
from antiphon.errors import Overloaded, RateLimited
from antiphon.observe.metrics import Metrics
from antiphon.ports.limiter import Account, Allowance
from tests.unit.doors.rest_stage import SPEECH, assert_error, stage


class _Used:
    """A limit of one request, used up by the first."""

    def __init__(self) -> None:
        self.left = 1

    def allowances(self, account: Account) -> tuple[Allowance, ...]:
        return (Allowance("requests", 1, self.left, 12.3),)

    def charge(self, account: Account, *, requests: int = 0, tokens: int = 0) -> tuple[Allowance, ...]:
        self.left -= requests
        return self.allowances(account)


async def test_a_used_up_limit_is_429_with_the_time_to_wait() -> None:
    async with stage(limiter=_Used()) as run:
        assert (await run.client.post("/v1/audio/speech", json=SPEECH)).status_code == 200
        answer = await run.client.post("/v1/audio/speech", json=SPEECH)
        assert assert_error(answer, 429)["type"] == "rate_limit_error"
        assert answer.headers["retry-after"] == "13"
        limited = await run.client.post("/v1/audio/transcriptions", files={"file": b"RIFF"}, data={"model": "m"})
        assert limited.status_code == 429
        assert run.services.metrics.registry.get_sample_value("rate_limits_total", {"limit": "requests"}) == 2
        assert (await run.client.get("/v1/models")).status_code == 200


class _Limits:
    """Limits whose state is given; notes what is charged."""

    def __init__(self, *allowances: Allowance) -> None:
        self._allowances = allowances
        self.charged: list[tuple[Account, int]] = []

    def allowances(self, account: Account) -> tuple[Allowance, ...]:
        return self._allowances

    def charge(self, account: Account, *, requests: int = 0, tokens: int = 0) -> tuple[Allowance, ...]:
        self.charged.append((account, requests))
        return self._allowances


ACCOUNT = Account("default", "key_1")
REQUESTS, TOKENS = Allowance("requests", 5, 1, 9.0), Allowance("tokens", 100, 0, 3.5)


def test_without_room_new_work_is_refused_for_now() -> None:
    check_room(lambda: True)
    with pytest.raises(Overloaded):
        check_room(lambda: False)


@pytest.mark.parametrize("limits", [(), (REQUESTS,), (REQUESTS, Allowance("tokens", 100, 1, 3.5))])
def test_a_request_is_charged_to_its_account_while_something_is_left(limits: tuple[Allowance, ...]) -> None:
    limiter = _Limits(*limits)
    charge_request(limiter, ACCOUNT, Metrics())
    assert limiter.charged == [(ACCOUNT, 1)]


@pytest.mark.parametrize("remaining", [0, -7])
def test_a_limit_that_is_used_up_is_named_and_nothing_is_charged(remaining: int) -> None:
    limiter, metrics = _Limits(REQUESTS, replace(TOKENS, remaining=remaining)), Metrics()
    with pytest.raises(RateLimited) as refused:
        charge_request(limiter, ACCOUNT, metrics)
    assert refused.value.message == "The limit of 100 tokens per minute is reached."
    assert refused.value.retry_after_s == 3.5
    assert limiter.charged == []
    assert metrics.registry.get_sample_value("rate_limits_total", {"limit": "tokens"}) == 1


def test_without_a_limiter_nothing_is_counted() -> None:
    metrics = Metrics()
    charge_request(None, ACCOUNT, metrics)
    assert not metrics.registry.get_sample_value("rate_limits_total", {"limit": "requests"})
