"""The sender of webhooks against a real server: slow, broken, redirecting and hostile answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from antiphon.clock import VirtualClock
from antiphon.errors import ProviderTimeout, ProviderUnavailable
from antiphon.ports.webhooks import Answer
from antiphon.providers.webhooks import HttpWebhookSender
from tests.fakes.loopback import redirecting
from tests.fakes.webhook_server import Endless, Hang, Raw, Reply, Reset, Stall, Step, WebhookServer

HEADERS = {"content-type": "application/json", "webhook-id": "evt_1"}
BODY = b'{"id": "evt_1"}'


@pytest.fixture
async def server() -> AsyncIterator[WebhookServer]:
    async with WebhookServer().running() as running:
        yield running


@pytest.fixture
async def sender() -> AsyncIterator[HttpWebhookSender]:
    made = HttpWebhookSender(5.0, VirtualClock(wall=1_700_000_000.0))
    yield made
    await made.close()


async def test_a_post_carries_its_headers_and_its_body(server: WebhookServer, sender: HttpWebhookSender) -> None:
    assert await sender.send(server.url, HEADERS, BODY) == Answer(204)
    (received,) = server.received
    assert (received.path, received.body) == ("/hook?token=s3cret", BODY)
    assert received.headers["webhook-id"] == "evt_1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("antiphon/")


async def test_a_connection_is_used_again_and_no_cookie_is_sent_back(
    server: WebhookServer, sender: HttpWebhookSender
) -> None:
    server.usual = Reply(200, {"set-cookie": "a=b"}, b"thanks")
    for _ in range(3):
        await sender.send(server.url, HEADERS, BODY)
    assert server.connections == 1
    assert all("cookie" not in one.headers for one in server.received)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(sender: HttpWebhookSender, status: int) -> None:
    async with redirecting(status) as (address, led):
        assert (await sender.send(address, HEADERS, BODY)).status == status
    assert led == []


@pytest.mark.parametrize(("text", "seconds"), [
    ("120", 120.0), ("0", 0.0), ("1.5", 1.5), (" 7 ", 7.0),
    ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0), ("Tue, 14 Nov 2000 22:14:20 GMT", 0.0),
    ("", None), ("-1", None), ("nan", None), ("inf", None), ("1e999", None), ("soon", None),
    ("Tue, 99 Nov 2023 22:14:20 GMT", None), ("9" * 400, None),
])  # fmt: skip
async def test_what_an_endpoint_asks_to_wait_is_read(
    server: WebhookServer, sender: HttpWebhookSender, text: str, seconds: float | None
) -> None:
    server.usual = Reply(429, {"retry-after": text})
    assert await sender.send(server.url, HEADERS, BODY) == Answer(429, seconds)


@pytest.mark.parametrize("status", [200, 410, 500])
async def test_of_a_body_without_an_end_only_the_beginning_is_read(
    server: WebhookServer, sender: HttpWebhookSender, status: int
) -> None:
    server.usual = Endless(status)
    assert (await sender.send(server.url, HEADERS, BODY)).status == status
    assert server.sent_bytes < 64 * 2**20  # what fits into the buffers of both ends


async def test_the_status_counts_though_its_body_never_comes(server: WebhookServer, sender: HttpWebhookSender) -> None:
    server.usual = Stall(200)
    assert (await sender.send(server.url, HEADERS, BODY)).status == 200


async def test_an_endpoint_without_an_answer_times_out(server: WebhookServer) -> None:
    server.usual = Hang()
    sender = HttpWebhookSender(0.2)
    with pytest.raises(ProviderTimeout, match=r"within 0\.2 s") as failed:
        await sender.send(server.url, HEADERS, BODY)
    assert "s3cret" not in str(failed.value)
    await sender.close()


@pytest.mark.parametrize("step", [
    Reset(),
    Raw(b""),
    Raw(b"\x00\xff garbage\r\n\r\n"),
    Raw(b"HTTP/1.1 200"),
    Raw(b"HTTP/1.1 99999 x\r\n\r\n"),
    Raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000),
], ids=["reset", "closed", "garbage", "half", "no status", "endless header"])  # fmt: skip
async def test_a_broken_answer_is_transient_and_names_no_url(
    server: WebhookServer, sender: HttpWebhookSender, step: Step
) -> None:
    server.usual = step
    with pytest.raises(ProviderUnavailable, match="cannot be reached or broke off") as failed:
        await sender.send(server.url, HEADERS, BODY)
    assert "s3cret" not in str(failed.value)
    server.usual = Reply(200)
    assert (await sender.send(server.url, HEADERS, BODY)).status == 200


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x?s3cret", "http://no-such-host.invalid/s3cret"])
async def test_an_endpoint_that_is_not_there_is_transient(sender: HttpWebhookSender, url: str) -> None:
    with pytest.raises(ProviderUnavailable) as failed:
        await sender.send(url, HEADERS, BODY)
    assert "s3cret" not in str(failed.value)


async def test_a_proxy_of_the_environment_is_not_used(server: WebhookServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    sender = HttpWebhookSender(5.0)
    assert (await sender.send(server.url, HEADERS, BODY)).status == 204
    await sender.close()


async def test_a_cancelled_post_leaves_a_sender_that_works(server: WebhookServer, sender: HttpWebhookSender) -> None:
    server.script = [Hang()]
    task = asyncio.ensure_future(sender.send(server.url, HEADERS, BODY))
    await server.until(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await sender.send(server.url, HEADERS, BODY)).status == 204
