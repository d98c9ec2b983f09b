"""Priorities of jobs within a queue: higher goes first."""

from __future__ import annotations

LIVE = 0
"""A live turn of a conversation or a translation session."""
TOLERANT = -1
"""Tolerates a short delay: a short REST call, a dubbing fragment."""
PATIENT = -2
"""Takes minutes anyway: a recording. Has slots of its own, so that it never delays higher priorities."""
