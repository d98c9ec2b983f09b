"""The official DeepL client without retries, against a scripted service on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from antiphon.errors import AntiphonError, ProviderBusy, ProviderTimeout, ProviderUnavailable, RateLimited
from antiphon.providers.deepl.client import OneTryClient
from tests.fakes.deepl_server import KEY, BreakOff, DeepLServer, Hang, Refuse


@pytest.fixture
async def server() -> AsyncIterator[DeepLServer]:
    async with DeepLServer().running() as made:
        yield made


def made(server_url: str | None, *, timeout_s: float = 10.0) -> OneTryClient:
    return OneTryClient(KEY, server_url=server_url, timeout_s=timeout_s, calls=1)


async def hello(client: OneTryClient) -> str:
    answer = await asyncio.to_thread(client.translate_text, "hello", target_lang="ES")
    assert not isinstance(answer, list)
    return answer.text


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Refuse(408), ProviderTimeout),
        (Refuse(429), RateLimited),
        (Refuse(500, body=b"<html>secret"), ProviderUnavailable),
        (Refuse(503), ProviderBusy),
        (Refuse(504), ProviderTimeout),
        (BreakOff(), ProviderUnavailable),
    ],
)
async def test_a_refusal_that_others_would_retry_is_an_error_at_once(
    server: DeepLServer, step: Refuse | BreakOff, expected: type[AntiphonError]
) -> None:
    server.script = [step]
    client = made(server.url)
    with pytest.raises(AntiphonError) as raised:
        await hello(client)
    assert type(raised.value) is expected
    assert "secret" not in f"{raised.value.message} {raised.value.detail}"
    assert len(server.requests) == 1
    assert await hello(client) == "[ES] hello"


@pytest.mark.parametrize(
    ("headers", "wait_s"), [({"Retry-After": "7"}, 7.0), ({"Retry-After": "soon"}, 1.0), ({}, 1.0)]
)
async def test_too_many_requests_say_how_long_to_wait(
    server: DeepLServer, headers: dict[str, str], wait_s: float
) -> None:
    server.script = [Refuse(429, headers, message="Too many requests")]
    with pytest.raises(RateLimited) as raised:
        await hello(made(server.url))
    assert raised.value.retry_after_s == wait_s


async def test_silence_is_a_timeout(server: DeepLServer) -> None:
    server.script = [Hang()]
    with pytest.raises(ProviderTimeout, match="no answer in time"):
        await hello(made(server.url, timeout_s=0.2))


async def test_a_service_that_is_not_there_cannot_be_reached() -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await hello(made("http://127.0.0.1:9"))


async def test_the_platform_is_not_told(server: DeepLServer) -> None:
    await hello(made(server.url))
    assert all(agent.startswith("deepl-python/") and "(" not in agent for agent in server.agents)


@pytest.mark.parametrize(
    ("key", "address"), [(KEY, "https://api-free.deepl.com"), (KEY.removesuffix(":fx"), "https://api.deepl.com")]
)
def test_without_an_address_the_kind_of_key_decides(key: str, address: str) -> None:
    assert OneTryClient(key, server_url=None, timeout_s=1.0, calls=1).server_url == address
