"""What a program outside hears of a session over Redis' channels, where the mirror is on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.client import PubSub

from antiphon.app.process import process
from antiphon.app.settings import load_settings
from antiphon.bus.codec import decode_entry
from antiphon.errors import InvalidRequest
from antiphon.wire.entries import AudioReady
from tests.serving import recording, serving, silence
from tests.valkey import Valkey, valkey

PATTERNS = ("session:*", "transcription:*", "tts:*", "audio:out:*")
QUICK: dict[str, Any] = {"stub_llm_words": 5, "stub_tts_ms_per_word": 50, "stub_text": "what time is it"}


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as made:
        yield made


@contextmanager
def listening(server: Valkey) -> Iterator[PubSub]:
    with redis.Redis.from_url(server.url) as client, client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.psubscribe(*PATTERNS)
        heard.get_message(timeout=5)
        yield heard


def told(heard: PubSub, last: str) -> list[tuple[str, dict[str, Any]]]:
    """Return channels and messages up to one of the type ``last``."""
    found: list[tuple[str, dict[str, Any]]] = []
    by = time.monotonic() + 10
    while not found or found[-1][1]["type"] != last:
        assert time.monotonic() < by, [message["type"] for _, message in found]
        if (message := heard.get_message(timeout=0.1)) is not None:
            found.append((message["channel"].decode(), json.loads(message["data"])))
    return found


async def test_text_is_mirrored_as_it_is_audio_by_reference_and_changes_of_the_session(
    server: Valkey, tmp_path: Path
) -> None:
    with listening(server) as heard:
        async with serving(tmp_path, redis_url=server.url, redis_mirror=True, **QUICK) as served:
            async with served.connect() as client:
                created = (await client.until("session.created"))["session"]
                audio = {"input": {"transcription": {"model": "whisper-1"}}}
                await client.configure(audio=audio)
                await client.append(recording("spk1_snt4.wav") + silence(1))
                await client.until("response.done")
                spoken, name = client.audio(), created["id"]
                found = await asyncio.to_thread(told, heard, "tts.completed")
                with redis.Redis.from_url(server.url) as reader:
                    chunks = [message for channel, message in found if channel == f"audio:out:{name}"]
                    ((_, fields),) = reader.xrange(chunks[-1]["stream"], chunks[-1]["entry"], chunks[-1]["entry"])
                    kept = reader.hgetall(f"t:default:session:{{{name}}}")
            found += await asyncio.to_thread(told, heard, "session.closed")
    assert all(message["session_id"] == name and message["tenant_id"] == "default" for _, message in found)
    of = {
        kind: [message for channel, message in found if channel == f"{kind}:{name}"]
        for kind in ("transcription", "tts", "session")
    }
    assert len(found) == len(chunks) + sum(map(len, of.values())), "no other channel"
    assert [message["text"] for message in of["transcription"] if message["type"] == "transcription.completed"] == [
        "what time is it"
    ]
    assert sum(chunk["bytes"] for chunk in chunks) == len(spoken)
    assert "audio" not in chunks[0]
    referred = decode_entry(fields[b"entry"])
    assert isinstance(referred, AudioReady)
    assert referred.audio == spoken[-chunks[-1]["bytes"] :]
    assert [message["type"] for message in of["tts"]] == ["tts.sentence", "tts.completed"]
    kinds = [message["type"] for message in of["session"]]
    assert (kinds[0], kinds[-1]) == ("session.created", "session.closed")
    assert set(kinds[1:-1]) == {"session.updated"}
    changed = {item for message in of["session"] for item in message.get("items", ())}
    assert changed, "which items have changed"
    assert kept[b"status"] == b"connected"
    assert (kept[b"id"].decode(), kept[b"tenant_id"], kept[b"project_id"]) == (name, b"default", b"default")
    assert kept[b"conversation_id"].decode() == of["session"][0]["conversation_id"]
    assert kept[b"conversation_id"].startswith(b"conv_")


async def test_without_the_setting_nothing_is_published_there(server: Valkey, tmp_path: Path) -> None:
    with listening(server) as heard:
        async with serving(tmp_path, redis_url=server.url, **QUICK) as served, served.connect() as client:
            await client.say_text("Hello.")
            await client.send("response.create")
            await client.until("response.done")
        with redis.Redis.from_url(server.url) as client:
            client.publish("session:last", '{"type": "end"}')
        assert await asyncio.to_thread(told, heard, "end") == [("session:last", {"type": "end"})]


async def test_a_mirror_that_redis_forbids_fails_no_session(server: Valkey, tmp_path: Path) -> None:
    with redis.Redis.from_url(server.url) as admin:
        rights = ("reset", "on", ">PASSWORD", "~antiphon:*", "~t:*", "&antiphon:*", "&t:*", "+@all")
        admin.execute_command("ACL", "SETUSER", "narrow", *rights)
    url = server.url.replace("redis://", "redis://narrow:PASSWORD@")
    async with serving(tmp_path, redis_url=url, redis_mirror=True, **QUICK) as served, served.connect() as client:
        await client.say_text("Hello.")
        await client.send("response.create")
        assert (await client.until("response.done"))["response"]["status"] == "completed"
        dropped = served.process.services.metrics.registry.get_sample_value("mirror_dropped_total")
        assert dropped
        assert served.process.services.shared.checks() == {"redis": True}


async def test_a_mirror_without_redis_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="ANTIPHON_REDIS_MIRROR"):
        async with process(load_settings(data_dir=tmp_path, redis_mirror=True)):
            pass
