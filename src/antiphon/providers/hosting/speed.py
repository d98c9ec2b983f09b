"""How fast an engine really speaks, against what it is told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class SpeakingSpeed:
    """An engine's own measure of speed, calibrated.

    ``shares`` says for the engine's own numbers how long speech takes then, as a share of its time at speed 1.0.
    Beyond them the rest is left to `antiphon.audio.stretch`.
    """

    def __init__(self, shares: Mapping[float, float]) -> None:
        ordered = sorted(shares.items(), key=lambda point: point[1])
        self._own = [own for own, _ in ordered]
        self._shares = [share for _, share in ordered]

    def plan(self, speed: float) -> tuple[float, float]:
        """Return the engine's own number for a wanted speed, and what is left to stretch (1.0 is nothing)."""
        share = min(max(1 / speed, self._shares[0]), self._shares[-1])
        return float(np.interp(share, self._shares, self._own)), round(share * speed, 3)
