"""What a container claims to hold, against the bytes that are there, before a demuxer believes it."""

from __future__ import annotations

from antiphon.audio.claims.check import check_claims

__all__ = ["check_claims"]
