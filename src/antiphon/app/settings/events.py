"""Settings of the event logs."""

from __future__ import annotations

from pydantic import Field

from antiphon.ports.settings import MANY, Section


class EventSettings(Section):
    """Events for memory, analytics and webhooks."""

    events_capacity: int = Field(
        default=100_000,
        ge=1_000,
        le=MANY,
        description="Maximum number of events in each log. Acknowledged ones are dropped beyond it; if a consumer "
        "group is so far behind, further events wait in the database.",
    )
