"""Checks the claims of a container against its bytes, before a demuxer allocates memory for them."""

from __future__ import annotations

from antiphon.audio.claims.check import check_claims

__all__ = ["check_claims"]
