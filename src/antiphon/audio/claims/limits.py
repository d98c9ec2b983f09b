"""Limits of the claims of a container. A process that opens and decodes a file within them stays below 300 MiB.

The figures in bytes are allocations of FFmpeg (measured with release 8.1) while it opens a file.
"""

from __future__ import annotations

MAX_TRACKS = 32
"""A film has a picture, and sound and subtitles in some languages."""

MAX_ENTRIES = 5_600_000
"""Samples in all indexes, about 40 bytes each: ten hours of film with a track of sound have four and a half million."""

FREE_ENTRIES = 1_000_000
BYTES_PER_ENTRY = 10
"""Beyond the free entries, each one needs this many bytes of the file: the index of a small file stays small."""

FREE_PARTS = 60_000
BYTES_PER_PART = 256
"""The same rule for the boxes, chunks, pages or elements that are read."""

MAX_DEPTH = 12
"""Boxes inside boxes; FFmpeg stops at ten."""

MAX_TAGS = 10_000
"""Titles, artists and so on: FFmpeg compares each with all before it; ten thousand take a second."""

MAX_UNPACKED_BYTES = 16 * 1024 * 1024
"""Claimed uncompressed size of the frames of an ID3 tag."""

MAX_ALAC_FRAME = 131_072
"""Samples: FFmpeg allocates four frames per channel. Encoders write frames of 4,096."""
