from __future__ import annotations

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
