"""Usage objects shared by several protocols."""

from __future__ import annotations

import msgspec


class DurationUsage(msgspec.Struct, frozen=True, tag_field="type", tag="duration"):
    """Duration of the processed audio."""

    seconds: float
