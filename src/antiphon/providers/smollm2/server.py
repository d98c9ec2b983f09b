"""A llama.cpp server inside this process, not reachable from outside."""

from __future__ import annotations

import contextlib
import importlib
import secrets
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from antiphon.errors import ProviderUnavailable
from antiphon.providers.smollm2.slots import Slots

xllamacpp: Any = importlib.import_module("xllamacpp")  # it ships no types

_BATCH_TOKENS = 16
"""Prompt tokens per batch: a cancel or another slot's token waits for one batch (0.2 s on one core). Larger
batches were not faster."""

Chunk = dict[str, Any]


class LlamaServer:
    """A loaded model with ``slots`` parallel conversations, each with its own context and prefix cache.

    The library always serves HTTP. It gets a Unix socket in a private folder, deleted at once, and a random key, so
    that no port listens; without Unix sockets a port on loopback remains, protected by the key.
    """

    def __init__(self, path: Path, *, slots: int, slot_tokens: int, threads: int) -> None:
        """Load the model (0.5 s and more; holds the interpreter lock). Raises `ProviderUnavailable`."""
        self._count = slots
        self._slots = Slots(slots)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_parallel = slots
        params.n_ctx = slots * slot_tokens
        params.n_batch = params.n_ubatch = _BATCH_TOKENS
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.n_threads_http = 1
        params.cache_ram_mib = 0  # the default keeps up to 8 GiB of old prompts
        params.n_cache_reuse = _BATCH_TOKENS  # reuses text that moved because older turns were cut
        params.verbosity = -1
        params.ui = params.endpoint_slots = False
        params.api_keys = [secrets.token_urlsafe(32)]
        try:
            with tempfile.TemporaryDirectory(prefix="antiphon-") as folder:
                if hasattr(socket, "AF_UNIX"):
                    params.hostnames = [f"{folder}/llama.sock"]
                self._server: Any = xllamacpp.Server(params)
        except RuntimeError as exc:
            raise ProviderUnavailable(f"{path.name} could not be loaded", detail=str(exc)) from exc

    def chat(self, body: Chunk, on_chunk: Callable[[Chunk], bool]) -> None:
        """Stream a chat completion, blocking; ``on_chunk`` returns True to stop it.

        At most one call per slot may run at a time. Raises `ValueError` for a JSON schema that the library rejects.
        """
        slot = self._slots.take(body["messages"])
        try:
            self._server.handle_chat_completions({**body, "id_slot": slot}, on_chunk)
        finally:
            self._slots.give_back(slot)

    def warm(self, body: Chunk) -> None:
        """Cache a prompt in every slot; no call may be running."""
        taken = [self._slots.take(body["messages"]) for _ in range(self._count)]
        for slot in taken:
            self._server.handle_chat_completions({**body, "id_slot": slot}, _ignore)
            self._slots.give_back(slot)

    @property
    def address(self) -> str:
        """The address on which the library listens, as it reports it."""
        return str(self._server.listening_address)

    def close(self) -> None:
        """Free the model; no call may be running."""
        with contextlib.suppress(AttributeError):
            del self._server


def _ignore(_: Chunk) -> bool:
    return False
