from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.errors import AntiphonError, ProviderRejected, ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.providers.openai.client import check, connect, openai_client
from antiphon.providers.openai.settings import OFFICIAL_BASE_URL
from tests.fakes.models_server import ModelsServer

pytestmark = pytest.mark.usefixtures("one_certificate")


def context(**settings: Any) -> EngineContext:
    return EngineContext(Path(), timeout_s=7.0, settings=settings)


async def test_a_client_has_the_address_the_key_and_the_timeout_of_its_context() -> None:
    client = openai_client(context(openai_base_url="http://127.0.0.1:9/v1", openai_api_key="sk-test"))
    assert str(client.base_url) == "http://127.0.0.1:9/v1/"
    assert (client.api_key, client.timeout, client.max_retries) == ("sk-test", 7.0, 0)
    await client.close()


async def test_a_compatible_service_needs_no_key() -> None:
    client = openai_client(context(openai_base_url="http://127.0.0.1:9/v1"))
    assert client.api_key == "none"
    await client.close()


@pytest.mark.parametrize("address", [OFFICIAL_BASE_URL, f"{OFFICIAL_BASE_URL}/"])
def test_openai_itself_needs_one(address: str) -> None:
    with pytest.raises(ProviderUnavailable, match="ANTIPHON_OPENAI_API_KEY") as raised:
        openai_client(context(openai_base_url=address))
    assert raised.value.code == "no_api_key"


@pytest.fixture
async def server() -> AsyncIterator[ModelsServer]:
    async with ModelsServer().running() as made:
        yield made


@pytest.mark.parametrize("status", [200, 404])
async def test_a_check_asks_for_the_models_once_and_needs_no_list(server: ModelsServer, status: int) -> None:
    server.status = status
    client = connect("sk-test", f"{server.base_url}/v1", timeout_s=10.0)
    await check("openai", client)
    await client.close()
    assert server.asked == ["GET /v1/models"]
    assert "Bearer sk-test" in server.heads[0]


@pytest.mark.parametrize(
    ("status", "expected"), [(401, ProviderRejected), (500, ProviderUnavailable), (307, ProviderRejected)]
)
async def test_a_check_that_fails_is_not_repeated_nor_redirected(
    server: ModelsServer, status: int, expected: type[AntiphonError]
) -> None:
    server.status = status
    client = connect("none", f"{server.base_url}/v1", timeout_s=10.0)
    with pytest.raises(expected, match=f"groq answered {status}"):
        await check("groq", client)
    await client.close()
    assert len(server.asked) == 1
