"""What the processes of a fleet share: Redis, bus, sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, SecretStr

from antiphon.ports.settings import MANY, WEEK_S, Section


class FleetSettings(Section):
    """Redis, bus and sessions."""

    old_names: ClassVar[Mapping[str, str]] = {"redis_patience_s": "redis_timeout_s"}

    bus_strict: bool = Field(
        default=False, description="True sends every bus message through msgpack, as between processes."
    )
    bus_lease_s: float = Field(
        default=5.0,
        gt=0,
        le=WEEK_S,
        description="Lease of a job without a heartbeat, seconds. What a killed worker had in hand waits so long.",
    )
    bus_attempts: int = Field(default=3, ge=1, le=MANY, description="Deliveries of a job before it is a dead letter.")
    redis_url: SecretStr = Field(
        default=SecretStr(""),
        description="`redis://HOST:PORT/DB`, `redis+sentinel://HOST:PORT,…/SERVICE` or `redis+cluster://HOST:PORT`, "
        "each with `USER:PASSWORD@` and, as `rediss://`, `redis+sentinels://` and `redis+clusters://`, over TLS: "
        "what the processes of a fleet share; unset: one process does all.",
    )
    redis_connections: int = Field(default=50, ge=2, le=MANY, description="Most connections to Redis of one process.")
    redis_timeout_s: float = Field(
        default=5.0, gt=0, le=WEEK_S, description="Timeout of a Redis command, retries included, seconds."
    )
    redis_mirror: bool = Field(
        default=False,
        description="True publishes what is understood and said in sessions on channels of Redis, for programs that "
        "listen; whoever may subscribe there reads it.",
    )
    session_liveness_s: float = Field(
        default=30.0,
        gt=0,
        le=WEEK_S,
        description="A session counts as disconnected without a sign of its gateway, seconds.",
    )
    session_sweep_s: float = Field(
        default=30.0,
        gt=0,
        le=WEEK_S,
        description="Between two looks for sessions that nobody took up in time, seconds.",
    )
    resume_window_s: float = Field(
        default=60.0, ge=0, le=WEEK_S, description="How long a lost session can be taken up again."
    )
