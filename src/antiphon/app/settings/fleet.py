"""Settings that the processes of a fleet share: Redis, bus, sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, SecretStr

from antiphon.ports.settings import MANY, WEEK_S, Section


class FleetSettings(Section):
    """Redis, bus and sessions."""

    old_names: ClassVar[Mapping[str, str]] = {"redis_patience_s": "redis_timeout_s"}

    bus_strict: bool = Field(
        default=False, description="True encodes every bus message as msgpack, as between processes."
    )
    bus_lease_s: float = Field(
        default=5.0,
        gt=0,
        le=WEEK_S,
        description="Lease of a job without a heartbeat, seconds. Jobs of a killed worker are redelivered after it.",
    )
    bus_attempts: int = Field(
        default=3, ge=1, le=MANY, description="Deliveries of a job before it becomes a dead letter."
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""),
        description="Redis that the processes of a fleet share: `redis://HOST:PORT/DB`, "
        "`redis+sentinel://HOST:PORT,…/SERVICE` or `redis+cluster://HOST:PORT`, each with an optional "
        "`USER:PASSWORD@`; over TLS `rediss://`, `redis+sentinels://` and `redis+clusters://`. Unset: a "
        "single process.",
    )
    redis_connections: int = Field(default=50, ge=2, le=MANY, description="Maximum connections to Redis per process.")
    redis_timeout_s: float = Field(
        default=5.0, gt=0, le=WEEK_S, description="Timeout of a Redis command, retries included, seconds."
    )
    redis_mirror: bool = Field(
        default=False,
        description="True publishes transcripts and answers of sessions on Redis channels; every subscriber can read "
        "them.",
    )
    session_liveness_s: float = Field(
        default=30.0,
        gt=0,
        le=WEEK_S,
        description="A session counts as disconnected after this time without a heartbeat of its gateway, seconds.",
    )
    session_sweep_s: float = Field(
        default=30.0,
        gt=0,
        le=WEEK_S,
        description="Interval between sweeps for sessions that were not resumed in time, seconds.",
    )
    resume_window_s: float = Field(
        default=60.0, ge=0, le=WEEK_S, description="How long a lost session can be resumed, seconds."
    )
