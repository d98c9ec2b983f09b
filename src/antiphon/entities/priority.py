"""How soon work has to be done, beside other work of its kind: higher goes first."""

from __future__ import annotations

LIVE = 0
"""A turn of a conversation or of a translation: somebody listens for what comes of it."""
TOLERANT = -1
"""Somebody waits, and a moment more does no harm: a short REST call, a fragment of dubbing."""
PATIENT = -2
"""It takes minutes anyway: a recording. It has slots of its own, and never holds up what is above it."""
