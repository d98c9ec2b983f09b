"""What work is charged by, in messages of several doors."""

from __future__ import annotations

import msgspec


class DurationUsage(msgspec.Struct, frozen=True, tag_field="type", tag="duration"):
    """How much audio was worked on."""

    seconds: float
