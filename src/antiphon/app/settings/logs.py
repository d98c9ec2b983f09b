"""Log levels and format."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from antiphon.observe.logs import AREAS, parse_levels
from antiphon.ports.settings import Section


class LogSettings(Section):
    """Logs."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Minimum level that is logged."
    )
    log_levels: str = Field(
        default="", description=f"Log levels per area, such as `gateway=info,worker=debug`. Areas: {', '.join(AREAS)}."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto`: console on a terminal, JSON elsewhere."
    )

    @field_validator("log_levels")
    @classmethod
    def _check_levels(cls, value: str) -> str:
        """Refuse what the log cannot understand."""
        parse_levels(value)
        return value
