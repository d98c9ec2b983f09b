"""Most that a container may claim. A process that opens and decodes a file within them stays below 300 MiB.

The figures in bytes are FFmpeg's (measured, of release 8.1): what it allocates for a thing while it opens the file.
"""

from __future__ import annotations

MAX_TRACKS = 32
"""A film has a picture, and sound and subtitles in some languages."""

MAX_ENTRIES = 5_600_000
"""Samples in all indexes, about 40 bytes each: ten hours of film with a track of sound have four and a half million."""

FREE_ENTRIES = 1_000_000
BYTES_PER_ENTRY = 10
"""Beyond the free ones, every entry has as many bytes of the file: the index of a small file stays small."""

FREE_PARTS = 60_000
BYTES_PER_PART = 256
"""Boxes, chunks, pages or elements that are walked, by the same rule."""

MAX_DEPTH = 12
"""Boxes inside boxes; FFmpeg stops at ten."""

MAX_TAGS = 10_000
"""Titles, artists and so on: FFmpeg compares each with all before it, ten thousand in a second."""

MAX_UNPACKED_BYTES = 16 * 1024 * 1024
"""What the compressed frames of an ID3 tag say that they unpack to."""

MAX_ALAC_FRAME = 131_072
"""Samples: FFmpeg takes memory for a whole frame of each channel, four times. Encoders make frames of 4,096."""
