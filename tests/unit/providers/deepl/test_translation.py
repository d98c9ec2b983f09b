"""DeepL against a scripted service on a real socket, asked by its official client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    Unsupported,
)
from antiphon.observe import logs
from antiphon.ports.engine import EngineContext
from antiphon.ports.translation import Translation
from antiphon.providers.deepl.translation import create
from tests.fakes.deepl_server import KEY, Answer, BreakOff, DeepLServer, Hang, Refuse
from tests.loop_turns import MOST_TURNS, turns_of


@pytest.fixture
async def server() -> AsyncIterator[DeepLServer]:
    async with DeepLServer().running() as made:
        yield made


@pytest.fixture
async def deepl(server: DeepLServer, tmp_path: Path) -> AsyncIterator[Translation]:
    made = engine(tmp_path, server)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def unstarted(server: DeepLServer, tmp_path: Path) -> AsyncIterator[Translation]:
    """An engine that knows no languages."""
    made = engine(tmp_path, server)
    yield made
    await made.close()


def engine(tmp_path: Path, server: DeepLServer, *, timeout_s: float = 10.0, **settings: Any) -> Translation:
    given = {"deepl_api_key": KEY, "deepl_server_url": server.url, **settings}
    return create(EngineContext(tmp_path, timeout_s=timeout_s, settings=given))


async def hello(deepl: Translation) -> str:
    return await deepl.translate("hello", source="en", target="es")


# -- what is asked ---------------------------------------------------------------------------------------------------


async def test_one_request_has_the_text_and_the_codes_of_the_service(deepl: Translation, server: DeepLServer) -> None:
    assert await deepl.translate("naïve 👍\x00 'x'", source="en-GB", target="es") == "[ES] naïve 👍\x00 'x'"
    (asked,) = server.requests
    assert {name: asked[name] for name in ("text", "source_lang", "target_lang")} == {
        "text": ["naïve 👍\x00 'x'"],
        "source_lang": "EN",
        "target_lang": "ES",
    }


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("en", "EN-US"),
        ("EN", "EN-US"),
        ("en-gb", "EN-GB"),
        ("pt", "PT-PT"),
        ("pt-br", "PT-BR"),
        ("pt-ao", "PT-PT"),
        ("es-419", "ES-419"),
        ("es-MX", "ES"),
    ],
)
async def test_a_target_has_the_region_that_the_service_knows(
    deepl: Translation, server: DeepLServer, target: str, code: str
) -> None:
    assert deepl.has_pair("es", target)
    await deepl.translate("hola", source="es", target=target)
    assert server.requests[0]["target_lang"] == code


async def test_while_no_language_is_known_a_region_is_sent_as_it_is(
    unstarted: Translation, server: DeepLServer
) -> None:
    assert unstarted.has_pair("tlh", "es-mx")
    with pytest.raises(Unsupported, match="target_lang"):
        await unstarted.translate("hello", source="en", target="es-mx")
    assert server.requests[0]["target_lang"] == "ES-MX"


async def test_without_a_source_the_service_detects_it(deepl: Translation, server: DeepLServer) -> None:
    assert deepl.has_pair(None, "es")
    assert await deepl.translate("hello", source=None, target="es") == "[ES] hello"
    assert "source_lang" not in server.requests[0]


@pytest.mark.parametrize(("source", "target"), [("en", "ja"), ("ja", "en")])
async def test_what_the_service_has_not_named_is_not_asked_for(
    deepl: Translation, server: DeepLServer, source: str, target: str
) -> None:
    assert not deepl.has_pair(source, target)
    with pytest.raises(Unsupported, match=f"{source} to {target}"):
        await deepl.translate("hello", source=source, target=target)
    assert server.requests == []


async def test_nothing_is_not_sent(deepl: Translation, server: DeepLServer) -> None:
    assert await deepl.translate(" \n", source="en", target="es") == ""
    assert server.requests == []


async def test_calls_run_side_by_side(deepl: Translation, server: DeepLServer) -> None:
    server.hold = 8
    texts = [f"number {n}" for n in range(8)]
    done = await asyncio.gather(*[deepl.translate(text, source="en", target="es") for text in texts])
    assert done == [f"[ES] {text}" for text in texts]


# -- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "error", "code"),
    [
        (Refuse(403), ProviderRejected, "provider_rejected"),
        (Refuse(401), ProviderRejected, "provider_rejected"),
        (Refuse(456), ProviderRejected, "quota_exceeded"),
        (Refuse(400, message="Value for 'target_lang' not supported."), Unsupported, "unsupported"),
        (Refuse(400, message="Value for 'source_lang' not supported."), Unsupported, "unsupported"),
        (Refuse(400, message="Bad request."), ProviderRejected, "translation_failed"),
        (Refuse(404), ProviderRejected, "translation_failed"),
        (Refuse(413), ProviderRejected, "translation_failed"),
        (Refuse(408), ProviderTimeout, "provider_timeout"),
        (Refuse(504), ProviderTimeout, "provider_timeout"),
        (Refuse(500, body=b"<html>"), ProviderUnavailable, "provider_unavailable"),
        (Refuse(503), ProviderBusy, "provider_busy"),
        (BreakOff(), ProviderUnavailable, "provider_unavailable"),
        *(
            (Answer(body), ProviderUnavailable, "provider_unavailable")
            for body in (b"<html>", b"", b"[]", b"{}", b'{"translations": [{"text": 5, "billed_characters": 1}]}')
        ),
        (Answer(b'{"translations": [{"text": "x"}]}'), ProviderUnavailable, "provider_unavailable"),
    ],
)
async def test_each_failure_is_one_of_our_errors_and_is_not_tried_again(
    deepl: Translation, server: DeepLServer, step: Any, error: type[AntiphonError], code: str
) -> None:
    server.script = [step]
    with pytest.raises(AntiphonError) as raised:
        await hello(deepl)
    assert (type(raised.value), raised.value.code) == (error, code)
    assert len(server.requests) == 1
    assert "hello" not in raised.value.message
    assert await hello(deepl) == "[ES] hello"


async def test_a_service_that_hangs_costs_the_deadline_and_no_other_call(server: DeepLServer, tmp_path: Path) -> None:
    deepl = engine(tmp_path, server, timeout_s=1.0)
    server.script = [Hang()]
    with pytest.raises(ProviderTimeout):
        await hello(deepl)
    assert await hello(deepl) == "[ES] hello"
    await deepl.close()


async def test_cancelling_frees_the_caller_at_once(server: DeepLServer, tmp_path: Path) -> None:
    deepl = engine(tmp_path, server, timeout_s=20.0)
    server.script = [Hang()]
    call = asyncio.create_task(hello(deepl), name="call")
    await server.asked.wait()
    call.cancel()
    assert await turns_of(call) < MOST_TURNS
    assert call.cancelled()
    assert await hello(deepl) == "[ES] hello"
    await deepl.close()


async def test_a_service_that_is_not_there_is_unavailable(deepl: Translation, tmp_path: Path) -> None:
    lost = engine(tmp_path, DeepLServer(url="http://127.0.0.1:9"))
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await hello(lost)
    await lost.close()


# -- the start -------------------------------------------------------------------------------------------------------


async def test_without_a_key_it_does_not_start_and_says_what_to_set(server: DeepLServer, tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="ANTIPHON_DEEPL_API_KEY") as raised:
        await engine(tmp_path, server, deepl_api_key=None).start()
    assert raised.value.code == "no_api_key"


@pytest.mark.parametrize("step", [Refuse(503), Refuse(403), Answer(b"<html>")])
async def test_a_service_that_does_not_tell_its_languages_may_have_any(
    unstarted: Translation, server: DeepLServer, step: Any
) -> None:
    server.script = [step]
    with capture_logs() as told:
        await unstarted.start()
    assert [(entry["event"], entry["engine"]) for entry in told] == [("languages unknown", "deepl")]
    assert unstarted.has_pair("xx", "yy")
    assert await hello(unstarted) == "[ES] hello"


async def test_only_loggers_that_ours_keeps_quiet_tell_what_is_said(
    deepl: Translation, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "deepl", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name or None)
    await hello(deepl)
    told = {record.name.partition(".")[0] for record in caplog.records if "hello" in record.getMessage()}
    assert told == {"deepl"}
    assert told <= set(logs._QUIET)
