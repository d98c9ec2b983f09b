"""Memory of a process that serves: what it gives back, and what is not searched for garbage."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 256 * 2**10


def return_large_buffers() -> None:
    """Keep glibc from holding on to what one large event took.

    By itself it raises the size from which buffers are mapped apart, up to 32 MiB, whenever such a one is freed
    (mallopt(3), M_MMAP_THRESHOLD); from then on their room stays with the process. Nothing happens without glibc.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def keep_start_apart() -> None:
    """Search what the start of the process has made for garbage now, and never again.

    It stays until the end; a full search of it takes ten milliseconds, in which nothing else is done.
    """
    gc.collect()
    gc.freeze()
