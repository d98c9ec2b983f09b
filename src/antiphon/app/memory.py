"""Memory tuning of a serving process: malloc and garbage collection."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 256 * 2**10


def return_large_buffers() -> None:
    """Make glibc return the memory of large buffers to the system.

    By default it raises the size from which buffers are mapped, up to 32 MiB, whenever a mapped one is freed
    (mallopt(3), M_MMAP_THRESHOLD); later buffers below it are kept by the process. Does nothing without glibc.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def keep_start_apart() -> None:
    """Collect garbage once, and exclude all objects of the start from later collections.

    They live until the end; a full collection of them blocks the process for ten milliseconds.
    """
    gc.collect()
    gc.freeze()
