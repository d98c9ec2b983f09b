"""An engine in a child process: its licence stays separate from ours, and it can always be killed."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import sys
from collections.abc import AsyncGenerator, Callable, Sequence

from antiphon.errors import ProviderTimeout, ProviderUnavailable, WeightsMissing
from antiphon.providers.hosting.deadline import deadline
from antiphon.providers.hosting.frames import AnyReply, AnyRequest, Done, Failed, Ready
from antiphon.providers.hosting.link import ChildLink, Replies
from antiphon.providers.install_hints import install_hint
from antiphon.resilience.priority_semaphore import PrioritySemaphore


class ChildProcess:
    """Runs a module as a child process, sends it requests and relays its replies.

    Requests run one at a time, by priority. If the process dies, its open requests fail with `ProviderUnavailable`;
    if it sends nothing for ``timeout_s``, it is killed. The next request starts a new process.
    """

    def __init__(
        self,
        engine: str,
        module: str,
        *,
        needs: str,
        arguments: Sequence[str] = (),
        timeout_s: float,
        loading_s: float | None = None,
    ) -> None:
        """``loading_s`` is the timeout of loading the engine; None: ``timeout_s``."""
        self._engine = engine
        self._command = [sys.executable, "-P", "-m", module, *arguments]
        self._needs = needs
        self._timeout_s = timeout_s
        self._loading_s = loading_s
        self._ids = itertools.count(1)
        self._starting = asyncio.Lock()
        self._turns = PrioritySemaphore(1)
        self._link: ChildLink | None = None
        self._is_closed = False

    @property
    def pid(self) -> int:
        """The process id; 0 when no process runs."""
        return self._link.pid if self._link else 0

    async def start(self) -> Ready:
        """Start the process unless it is running; return when its engine is loaded.

        Raises `WeightsMissing` when the engine's library is not installed, `ProviderUnavailable` when the engine
        does not load, and `ProviderTimeout`.
        """
        link = await self._running()
        return await link.ready()

    async def close(self) -> None:
        """Stop the process, by force after a second; idempotent."""
        self._is_closed = True
        async with self._starting:
            if self._link is not None:
                await self._link.close()

    async def ask(self, make: Callable[[int], AnyRequest]) -> AsyncGenerator[AnyReply]:
        """Send the request that ``make`` returns for a new id, and yield its replies up to `Done`.

        Closing the iterator cancels the request in the process.
        """
        request = make(next(self._ids))
        link, replies = await self._sent(request)
        try:
            reply = await self._next(link, replies)
            if reply is None:  # died before its first reply: retry in a new process
                link.forget(request.id)
                link, replies = await self._sent(request)
                reply = await self._next(link, replies)
            while not isinstance(reply, Done):
                if reply is None:
                    raise ProviderUnavailable(f"the process of {self._engine} has died")
                if isinstance(reply, Failed):
                    raise ProviderUnavailable(f"{self._engine} failed", detail=reply.message)
                yield reply
                reply = await self._next(link, replies)
        finally:
            link.forget(request.id)

    async def _sent(self, request: AnyRequest) -> tuple[ChildLink, Replies]:
        """Send the request when its turn has come; its timeout starts then."""
        await self._turns.take()
        try:
            link = await self._running()
        except BaseException:
            self._turns.give_back()
            raise
        return link, link.open(request, self._turns.give_back)

    async def _next(self, link: ChildLink, replies: Replies) -> AnyReply | None:
        try:
            async with deadline(self._engine, self._timeout_s):
                return await replies.get()
        except ProviderTimeout:
            link.kill_if_silent(self._timeout_s)
            raise

    async def _running(self) -> ChildLink:
        async with self._starting:
            if self._is_closed:
                raise ProviderUnavailable(f"{self._engine} is closed")
            if self._link is None or self._link.is_gone:
                self._link = await self._launch()
            return self._link

    async def _launch(self) -> ChildLink:
        if importlib.util.find_spec(self._needs) is None:
            missing = ImportError(f"no module named {self._needs}", name=self._needs)
            raise WeightsMissing(install_hint(self._engine, missing), code="engine_not_installed")
        link = await ChildLink.launch(self._engine, self._command)
        is_loaded = False
        try:
            async with deadline(self._engine, self._loading_s or self._timeout_s):
                await link.ready()
            is_loaded = True
        finally:
            if not is_loaded:
                await link.close()
        return link
