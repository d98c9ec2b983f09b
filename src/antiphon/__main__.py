"""``python -m antiphon``."""

from __future__ import annotations

from antiphon.cli.main import run

run()
