"""Secrets of every kind, sent in every spelling and repeated by every service: none is left where others read it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
import pytest_asyncio
import websockets

from tests.abuse.planting import CONFIGURED, OWN, SAID, WRONG, Stand, found, planted
from tests.dubbing import refusal, worker
from tests.serving import AUDIO, recording, silence
from tests.valkey import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADERS = (
    *(
        {"authorization": f"{scheme}{{}}"}
        for scheme in ("Bearer ", "BEARER  ", "Token ", "DeepL-Auth-Key ", "Basic ", "")
    ),
    *({name: "{}"} for name in ("x-api-key", "api-key", "xi-api-key", "x-antiphon-resume-token", "x-request-id")),
    {"cookie": "token={}; session={}"},
    {"traceparent": "{}", "user-agent": "{}", "origin": "{}", "accept": "{}"},
    {"sec-websocket-protocol": "realtime, openai-insecure-api-key.{}"},
)
QUERIES = ("api_key={}", "access_token={}", "key={}", "session_id=sess_unknown&resume_token={}", "model={}")
PATHS = ("/v1/models", "/v1/realtime", "/socket.io/", "/v1/nothing", "/metrics", "/health")
AUTHORIZED = {"authorization": f"Bearer {OWN}"}
ES = {"session": {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A server that was told all of it."""
    async with planted(tmp_path_factory.mktemp("planted")) as made:
        async with httpx.AsyncClient(base_url=made.url, timeout=20) as client:
            await issue(made, client)
            async with asyncio.TaskGroup() as group:
                for told in (knock(made, client), shake(made), dub(made), say(made, OWN), say(made, made.issued[0])):
                    group.create_task(told)
                for secret in SAID:
                    group.create_task(ask(made, client, secret))
        yield made


async def send(stand: Stand, client: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
    """Send a request, and note a refusal."""
    answer = await client.request(method, path, **options)
    if answer.status_code >= 400:
        stand.answers.append(f"{answer.headers}{answer.text}")
    if answer.status_code >= 500:
        stand.failures.append(answer.text)
    return answer


async def issue(stand: Stand, client: httpx.AsyncClient) -> None:
    """Have secrets of every kind made."""
    for path, body in (
        ("/v1/realtime/client_secrets", {"session": {"type": "realtime", "instructions": "\n".join(SAID)}}),
        ("/v1/realtime/client_secrets", {"session": {"type": "transcription"}}),
        ("/v1/realtime/translations/client_secrets", ES),
    ):
        answer = await send(stand, client, "POST", path, headers=AUTHORIZED, json=body)
        stand.issued.append(answer.json()["value"])


async def knock(stand: Stand, client: httpx.AsyncClient) -> None:
    """Ask for everything with keys that do not fit, wherever a request may have one."""
    for path, secret in itertools.product(PATHS, (WRONG, stand.issued[1])):
        for headers in HEADERS:
            filled = {name: value.replace("{}", secret) for name, value in headers.items()}
            await send(stand, client, "GET", path, headers=filled)
        for query in QUERIES:
            await send(stand, client, "POST", f"{path}?{query.format(secret)}", json={"api_key": secret})


async def shake(stand: Stand) -> None:
    """Open sessions with keys that fit and keys that do not, in every spelling."""
    for path, secret in itertools.product(
        ("/v1/realtime", "/v1/realtime/translations"), (WRONG, OWN, *stand.issued[:3])
    ):
        for headers in HEADERS[:-2]:
            filled = {name: value.replace("{}", secret) for name, value in headers.items()}
            await stand.shake(path, additional_headers=filled)
        for query in QUERIES:
            await stand.shake(f"{path}?{query.format(quote_plus(secret))}")
        await stand.shake(path, subprotocols=["realtime", f"openai-insecure-api-key.{secret}"])


async def ask(stand: Stand, client: httpx.AsyncClient, secret: str) -> None:
    """Send a secret to REST routes, in good and in bad requests."""
    wish = {"model": "tts-1", "voice": "alloy", "input": secret}
    for wrong in ({"voice": secret}, {"model": secret}, {secret: secret}, {"input": [secret]}):
        await send(stand, client, "POST", "/v1/audio/speech", headers=AUTHORIZED, json={**wish, **wrong})
    broken = {"content": f'{{"api_key": "{secret}"', "headers": AUTHORIZED | {"content-type": "application/json"}}
    await send(stand, client, "POST", "/v1/audio/speech", **broken)
    file = {"file": (secret, (AUDIO / "spk1_snt4.wav").read_bytes() if secret == SAID[0] else secret.encode())}
    form = {"headers": AUTHORIZED, "data": {"model": "whisper-1", "prompt": secret}, "files": file}
    await send(stand, client, "POST", "/v1/audio/transcriptions", **form)


async def say(stand: Stand, key: str) -> None:
    """Hold a conversation that is full of secrets, also over lines, by text and aloud, with wrong events."""
    headers = {"Authorization": f"Bearer {key}"}
    halves = [f"{secret[: len(secret) // 2]}\n{secret[len(secret) // 2 :]}" for secret in SAID]
    async with websockets.connect(f"{stand.ws}/v1/realtime?model=m", additional_headers=headers) as socket:

        async def tell(kind: str, **fields: Any) -> None:
            await socket.send(json.dumps({"type": kind, **fields}))

        async def until(kind: str) -> None:
            async with asyncio.timeout(20):
                async for frame in socket:
                    stand.note(event := json.loads(frame))
                    if event["type"] == kind:
                        return

        hears = {"input": {"transcription": {"model": "whisper-1", "prompt": SAID[0]}}}
        await tell("session.update", session={"type": "realtime", "instructions": "\n".join(SAID), "audio": hears})
        for secret in SAID:
            await tell("session.update", session={"type": "realtime", "voice": secret, secret: secret, "tools": secret})
            await tell("conversation.item.create", api_key=secret, item={"type": "message", "authorization": secret})
            await socket.send(f'{{"type": "session.update", "api_key": "{secret}"')
        for text in ("\n".join(SAID), " ".join(SAID), "\n".join(halves)):
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
            await tell("conversation.item.create", item=item)
            await tell("response.create")
            await until("response.done")
        sound = base64.b64encode(recording("spk1_snt4.wav") + silence(1)).decode()
        await tell("input_audio_buffer.append", audio=sound)
        await until("conversation.item.input_audio_transcription.failed")


async def dub(stand: Stand) -> None:
    """Knock at the door of workers, and dub a fragment."""
    for options in (
        {"auth": {"token": WRONG}},
        {"headers": {"x-api-key": WRONG}},
        {"auth": {"token": stand.issued[2]}},
    ):
        stand.answers.append(str(await refusal(stand.url, **options)))
    stand.answers.append(str(await refusal(f"{stand.url}?api_key={WRONG}")))
    named = {"x-stream-id": SAID[0], "x-worker-id": SAID[1]}
    async with worker(stand.url, auth={"token": OWN}, headers=named) as one:
        await one.begin()
        await one.offer(0)
        stand.failures.append(json.dumps(await one.next("fragment:processed", within_s=20)))


async def test_the_services_were_asked_and_have_failed(stand: Stand) -> None:
    heard = "".join(stand.parrot.asked)
    keys = ("openai_api_key", "elevenlabs_api_key", "deepl_api_key")
    assert [name for name in keys if CONFIGURED[name] not in heard] == []
    assert all(secret in heard for secret in SAID)
    dead = "".join(stand.dead_letters())
    assert [queue for queue in ("respond", "speak", "transcribe") if f"{{{queue}}}" not in dead] == []


async def test_no_secret_is_in_the_log(stand: Stand) -> None:
    log = stand.log.read_text()
    assert log.count('"message": "engine failed"') > 10
    assert found(log, {*stand.planted, PASSWORD}) == []


async def test_no_key_is_in_an_answer(stand: Stand) -> None:
    answers = "\n".join(stand.answers)
    assert found(answers, {*CONFIGURED.values(), WRONG, *stand.issued, PASSWORD}) == []


async def test_a_failed_engine_repeats_nothing(stand: Stand) -> None:
    assert len(stand.failures) > len(SAID)
    assert found("\n".join(stand.failures), stand.planted) == []


async def test_no_secret_is_in_the_metrics(stand: Stand) -> None:
    async with httpx.AsyncClient() as client:
        metrics = await client.get(f"{stand.url}/metrics", headers=AUTHORIZED)
    assert found(metrics.text, stand.planted) == []


async def test_nothing_that_was_said_is_in_a_dead_letter(stand: Stand) -> None:
    assert found("\n".join(stand.dead_letters()), stand.planted) == []
