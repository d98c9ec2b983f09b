"""How fast an engine really speaks, compared with the speed it is given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class SpeakingSpeed:
    """Calibration of an engine's speed parameter.

    ``shares`` maps values of the parameter to the duration of speech, relative to the duration at speed 1.0.
    Speeds beyond that range need `antiphon.audio.stretch` for the rest.
    """

    def __init__(self, shares: Mapping[float, float]) -> None:
        ordered = sorted(shares.items(), key=lambda point: point[1])
        self._own = [own for own, _ in ordered]
        self._shares = [share for _, share in ordered]

    def plan(self, speed: float) -> tuple[float, float]:
        """Return the parameter for a wanted speed, and the remaining stretch factor (1.0: none)."""
        share = min(max(1 / speed, self._shares[0]), self._shares[-1])
        return float(np.interp(share, self._shares, self._own)), round(share * speed, 3)
