"""Vectors as they are stored, and the comparison of many with one outside the database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from antiphon.entities.memories import DIMENSIONS
from antiphon.errors import InvalidRequest
from antiphon.ports.memories import Vector

Numbers = npt.NDArray[np.float32]

_STORED = np.dtype("<f2")
_OTHER_BYTES = 256
"""Assumed memory of a row besides its vector."""


def unit(vector: Vector) -> Numbers:
    """Return a vector at length 1, or as it is without a direction. Raises `InvalidRequest`."""
    try:
        found = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest("a vector has numbers only", param="vector", code="invalid_vector") from error
    if found.shape != (DIMENSIONS,) or not np.isfinite(found).all():
        message = f"a vector has {DIMENSIONS} finite numbers"
        raise InvalidRequest(message, param="vector", code="invalid_vector")
    largest = float(np.abs(found).max())
    if largest:
        found = found / largest  # squares of the numbers themselves may overflow
        found = found / np.linalg.norm(found)
    return found.astype(np.float32)


def packed(vector: Vector) -> bytes:
    """Return the direction of a vector in half precision, little-endian. Raises `InvalidRequest`."""
    return unit(vector).astype(_STORED).tobytes()


def literal(vector: Vector) -> str:
    """Return what `packed` stores as pgvector reads it. Raises `InvalidRequest`."""
    numbers = cast("list[float]", unit(vector).astype(_STORED).tolist())
    return f"[{','.join(f'{number:.6g}' for number in numbers)}]"


def unpacked(rows: Sequence[bytes]) -> Numbers:
    """Return stored vectors as rows at length 1; one without a direction is not a number, and similar to none."""
    found = np.frombuffer(b"".join(rows), _STORED).astype(np.float32).reshape(len(rows), DIMENSIONS)
    with np.errstate(invalid="ignore"):
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@dataclass(frozen=True, slots=True)
class UserVectors:
    """The vectors of one user at one moment."""

    mark: tuple[Any, ...]
    """Differs whenever the rows differ."""
    names: tuple[str, ...]
    categories: npt.NDArray[np.str_]
    numbers: Numbers

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return self.numbers.nbytes + self.categories.nbytes + _OTHER_BYTES * len(self.names)

    def changed(
        self, mark: tuple[Any, ...], present: Sequence[str], added: Sequence[tuple[str, str, bytes]]
    ) -> UserVectors:
        """Return these without rows that are not ``present``, with those ``added``: name, category, stored vector."""
        staying = set(present)
        keep = np.fromiter((name in staying for name in self.names), bool, len(self.names))
        is_whole = bool(keep.all())
        numbers = [self.numbers if is_whole else self.numbers[keep]]
        categories = [self.categories if is_whole else self.categories[keep]]
        if added:
            numbers.append(unpacked([vector for _, _, vector in added]))
            categories.append(np.array([category for _, category, _ in added], self.categories.dtype))
        kept = (name for name, stays in zip(self.names, keep, strict=True) if stays)
        return UserVectors(
            mark, (*kept, *(name for name, _, _ in added)), np.concatenate(categories), np.concatenate(numbers)
        )

    def similar(self, vector: Numbers, limit: int, threshold: float, category: str | None) -> list[tuple[str, float]]:
        """Return names and similarities, the most similar first."""
        scores = self.numbers @ vector
        with np.errstate(invalid="ignore"):
            is_wanted = scores >= threshold
        if category is not None:
            is_wanted &= self.categories == category
        places = np.flatnonzero(is_wanted)
        if len(places) > limit:
            places = places[np.argpartition(-scores[places], limit - 1)[:limit]]
        found = [(self.names[place], float(scores[place])) for place in places]
        return sorted(found, key=lambda one: (-one[1], one[0]))


EMPTY = UserVectors((), (), np.empty(0, "<U11"), np.empty((0, DIMENSIONS), np.float32))


class VectorCache:
    """The vectors of the users who searched last, within a limit of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._entries: OrderedDict[Hashable, UserVectors] = OrderedDict()
        self._size_bytes = 0

    def get(self, key: Hashable) -> UserVectors:
        """Return the vectors of a user; `EMPTY` for an unknown one."""
        if key not in self._entries:
            return EMPTY
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: Hashable, vectors: UserVectors) -> None:
        """Remember the vectors of a user, unless they alone exceed the limit; forget those not asked for longest."""
        self.forget(key)
        if vectors.size_bytes > self._limit_bytes:
            return
        self._entries[key] = vectors
        self._size_bytes += vectors.size_bytes
        while self._size_bytes > self._limit_bytes:
            self.forget(next(iter(self._entries)))

    def forget(self, key: Hashable) -> None:
        """Forget the vectors of a user."""
        if (entry := self._entries.pop(key, None)) is not None:
            self._size_bytes -= entry.size_bytes
