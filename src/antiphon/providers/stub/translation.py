"""The stub translation: the same text after the target language, ``[es] hello``."""

from __future__ import annotations

from antiphon.entities.capabilities import Capabilities
from antiphon.ports.engine import EngineContext
from antiphon.ports.translation import Translation


def create(context: EngineContext) -> Translation:
    """Make the engine; it has no settings."""
    del context
    return StubTranslation()


class StubTranslation:
    """Puts ``[<target>] `` before the text; empty text stays empty."""

    capabilities = Capabilities(name="stub", models=("stub",))

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    def has_pair(self, source: str | None, target: str) -> bool:
        """Return True for every pair."""
        del source, target
        return True

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        """Return ``text`` marked with ``target``."""
        del source
        return f"[{target}] {text}" if text.strip() else ""
