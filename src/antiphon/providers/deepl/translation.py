"""DeepL, through its official client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import structlog
from deepl import Language, TextResult

from antiphon.entities.capabilities import Capabilities
from antiphon.errors import AntiphonError, ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.settings import opened
from antiphon.ports.translation import Translation
from antiphon.ports.workers import WorkerSettings
from antiphon.providers.deepl.client import NAME, OneTryClient
from antiphon.providers.deepl.errors import deepl_errors
from antiphon.providers.deepl.settings import DeepLSettings
from antiphon.providers.hosting.deadline import deadline
from antiphon.text.language_tags import parts, unsupported
from antiphon.text.surrogates import replace_surrogates

T = TypeVar("T")

_DEFAULT_REGION = {"en": "EN-US", "pt": "PT-PT"}
"""Targets for which the service requires a region."""

_log = structlog.get_logger(__name__)


def create(context: EngineContext) -> Translation:
    """Make the engine from ``deepl_api_key`` and ``deepl_server_url``."""
    return DeepL(context)


class DeepL:
    """Sends one request per text. Requests the language pairs at the start; while they are unknown, accepts every pair.

    A call that is cancelled or times out frees its caller at once; its thread ends within the timeout of another
    call.
    """

    capabilities = Capabilities(NAME, models=(NAME,), is_remote=True, has_check=True)

    def __init__(self, context: EngineContext) -> None:
        settings = context.section(DeepLSettings)
        self._key = opened(settings.deepl_api_key)
        self._server_url = settings.deepl_server_url or None
        self._calls = context.section(WorkerSettings).service_calls
        self._timeout_s = context.timeout_s
        self._languages_timeout_s = min(context.failover_s, context.timeout_s)
        self._client: OneTryClient | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._sources: frozenset[str] = frozenset()
        self._targets: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Request the languages. Raises `ProviderUnavailable` without a key; an unreachable service is only logged."""
        self._open()
        try:
            async with deadline(NAME, self._languages_timeout_s):
                sources = _codes(await self._in_thread(lambda client: client.get_source_languages()))
                targets = _codes(await self._in_thread(lambda client: client.get_target_languages()))
                self._sources, self._targets = sources, targets
        except AntiphonError as exc:
            _log.warning("languages unknown", engine=NAME, reason=exc.message)

    async def check(self) -> None:
        """Request the usage of the account."""
        await self._in_thread(lambda client: client.get_usage())

    async def close(self) -> None:
        """Close all connections; idempotent."""
        client, self._client = self._client, None
        pool, self._pool = self._pool, None
        if client is not None and pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
            client.close()

    def has_pair(self, source: str | None, target: str) -> bool:
        """Say whether the service named both languages; yes while they are unknown."""
        if not self._targets:
            return True
        known_source = not source or _source_code(source) in self._sources
        return known_source and self._target_code(target) in self._targets

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Translate the whole text in one call."""
        if not text.strip():
            return ""
        if not self.has_pair(source, target):
            raise unsupported(NAME, source, target)
        clean = replace_surrogates(text)
        source_lang = _source_code(source) if source else None
        target_lang = self._target_code(target)
        async with deadline(NAME, self._timeout_s):
            return await self._in_thread(
                lambda client: _text(client.translate_text(clean, source_lang=source_lang, target_lang=target_lang))
            )

    def _target_code(self, target: str) -> str:
        """Return the service's code: with the region if it supports that region or its languages are unknown."""
        language, region = parts(target)
        wanted = f"{language}-{region}".upper()
        if region and (wanted in self._targets or not self._targets):
            return wanted
        return _DEFAULT_REGION.get(language, language.upper())

    async def _in_thread(self, call: Callable[[OneTryClient], T]) -> T:
        client, pool = self._open()

        def guarded() -> T:
            with deepl_errors():
                return call(client)

        return await asyncio.get_running_loop().run_in_executor(pool, guarded)

    def _open(self) -> tuple[OneTryClient, ThreadPoolExecutor]:
        if self._client is None or self._pool is None:
            if not self._key:
                raise ProviderUnavailable("there is no key for DeepL: set ANTIPHON_DEEPL_API_KEY", code="no_api_key")
            self._client = OneTryClient(
                self._key, server_url=self._server_url, timeout_s=self._timeout_s, calls=self._calls
            )
            self._pool = ThreadPoolExecutor(self._calls, thread_name_prefix=NAME)
        return self._client, self._pool


def _source_code(source: str) -> str:
    """Return the service's code, which has no region for a source."""
    return parts(source)[0].upper()


def _codes(languages: Collection[Language]) -> frozenset[str]:
    """Return their codes. Raises `ProviderUnavailable` for none: the client reads any other JSON as an empty list."""
    if not languages:
        raise ProviderUnavailable(f"{NAME} named no languages")
    return frozenset(language.code.upper() for language in languages)


def _text(result: TextResult | list[TextResult]) -> str:
    """Return the text of one result. Raises `AttributeError` for anything else; the client does not validate it."""
    return cast("TextResult", result).text.strip()
