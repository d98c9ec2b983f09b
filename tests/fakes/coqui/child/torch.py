"""What XTTS's process asks of PyTorch itself: this machine has no GPU, and a tensor gives its samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Tensor:
    """Samples, or anything else that only passes through."""

    def __init__(self, data: NDArray[np.float32]) -> None:
        self._data = data

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> NDArray[np.float32]:
        return self._data


class cuda:  # noqa: N801 - a module of the real one
    @staticmethod
    def is_available() -> bool:
        return False


def set_num_threads(threads: int) -> None:
    assert threads >= 1
