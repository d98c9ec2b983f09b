"""The long-term memories of all users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from antiphon.entities.memories import Category, Found, Memory, Profile

Vector = Sequence[float] | npt.NDArray[np.float32]
"""An embedding of `DIMENSIONS` numbers. Only its direction matters; it is stored in half precision."""


class Memories(Protocol):
    """Memories, isolated by tenant and user. Any number of processes may use the same ones.

    Methods raise `ProviderBusy` or `ProviderUnavailable` while the database is locked or away.
    """

    async def write(self, memories: Sequence[tuple[Memory, Vector]]) -> None:
        """Store memories, each tenant's in one transaction; doing it again changes nothing.

        A user has one memory of each content: a repetition only raises its ``updated_at``. A memory of a session that
        was erased, or one created before its user was erased, is left out. Raises `InvalidRequest` for a vector of
        another length or with a number that is not finite, for a row that no database could ever store, and for a
        ``memory_id`` that the tenant has for another content; then nothing of the tenant is written.
        """
        ...

    async def search(
        self,
        tenant: str,
        user_id: str,
        vector: Vector,
        *,
        limit: int = 5,
        threshold: float = 0.7,
        category: Category | None = None,
    ) -> list[Found]:
        """Return the ``limit`` memories most similar to ``vector``, the most similar first.

        Memories with a similarity below ``threshold`` are left out. Memories that any process has written or removed
        before the call are seen as such. Raises `InvalidRequest` for a vector that `write` would refuse.
        """
        ...

    async def profile(self, tenant: str, user_id: str) -> Profile:
        """Return what is known about a user."""
        ...

    async def erase_user(self, tenant: str, user_id: str) -> int:
        """Remove all memories of a user, also those that arrive later but were created before; return how many."""
        ...
