"""The llama.cpp server in this process: not reachable from outside, and stopped by its reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.app.settings import load_settings
from antiphon.errors import ProviderUnavailable

pytest.importorskip("xllamacpp")

from antiphon.providers.smollm2.server import Chunk, LlamaServer

HELLO: Chunk = {"messages": [{"role": "user", "content": "Hello."}], "temperature": 0, "max_tokens": 4, "stream": True}


@pytest.fixture(scope="module")
def server() -> Iterator[LlamaServer]:
    [path] = (load_settings().data_dir / "weights" / "smollm2").glob("*.gguf")
    made = LlamaServer(path, slots=1, slot_tokens=128, threads=1)
    yield made
    made.close()
    made.close()


def chunks(server: LlamaServer, most: int | None = None, **changes: Any) -> list[Chunk]:
    """Return the chunks of one completion, which is stopped after ``most``."""
    got: list[Chunk] = []

    def on_chunk(chunk: Chunk) -> bool:
        got.append(chunk)
        return len(got) == most

    server.chat({**HELLO, **changes}, on_chunk)
    return got


def text_of(got: list[Chunk]) -> str:
    return "".join(choice["delta"].get("content") or "" for chunk in got for choice in chunk.get("choices", ()))


def own_ports() -> set[str]:
    """Addresses of TCP sockets on which this process listens."""
    sockets = {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


@pytest.mark.engines("smollm2")
@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="reads Linux's tables")
def test_no_port_listens_and_the_socket_is_deleted(server: LlamaServer) -> None:
    assert own_ports() == set()
    assert server.address.startswith("unix://")
    assert not Path(server.address.removeprefix("unix://")).parent.exists()


@pytest.mark.engines("smollm2")
def test_a_completion_comes_in_chunks_and_is_the_same_again(server: LlamaServer) -> None:
    first, second = chunks(server), chunks(server)
    assert text_of(first)
    assert text_of(first) == text_of(second)
    assert len(first) > 2


@pytest.mark.engines("smollm2")
def test_a_reader_that_has_enough_gets_no_further_chunk_and_the_slot_is_free(server: LlamaServer) -> None:
    for _ in range(3):  # there is one slot
        assert len(chunks(server, most=2, max_tokens=100)) == 2
    assert text_of(chunks(server))


@pytest.mark.engines("smollm2")
def test_a_prompt_beyond_the_context_is_an_error_chunk_and_the_slot_is_free(server: LlamaServer) -> None:
    [chunk] = chunks(server, messages=[{"role": "user", "content": "Tell me more. " * 1_000}])
    assert chunk["error"]["type"] == "exceed_context_size_error"
    assert text_of(chunks(server))


@pytest.mark.engines("smollm2")
def test_a_prompt_that_was_warmed_is_cached(server: LlamaServer) -> None:
    body = {"messages": [{"role": "user", "content": "My name is Ada and I live by the sea."}], "max_tokens": 1}
    server.warm(body)
    [usage] = [
        chunk["usage"] for chunk in chunks(server, **body, stream_options={"include_usage": True}) if chunk.get("usage")
    ]
    assert usage["prompt_tokens_details"]["cached_tokens"] > usage["prompt_tokens"] // 2


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"no model at all")
    with pytest.raises(ProviderUnavailable, match=r"broken\.gguf could not be loaded"):
        LlamaServer(tmp_path / "broken.gguf", slots=1, slot_tokens=128, threads=1)
