"""Services shared by the endpoints of a gateway: limits, connections and session services."""

from __future__ import annotations

from functools import cached_property

from antiphon.app.services import Services
from antiphon.conversation.session import Defaults
from antiphon.conversation.state import Rules
from antiphon.doors.websocket.registry import ConnectionRegistry
from antiphon.doors.websocket.secret_usage import SecretUsage
from antiphon.doors.websocket.session_options import SessionLimits, SessionServices
from antiphon.policy.window import SlidingWindowLimiter
from antiphon.wire.realtime_server import Component

_MOST_SPEED = 1.5
"""Maximum speed in a session: an echoed session must be valid in a ``session.update``."""
_RESULT_MARGIN_S = 5.0
"""Added to the timeout of an engine call: when a conversation fails a job without a result."""


class Gateway:
    """Created by the first endpoint that uses it; see `Services.once`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        shared = services.shared
        if shared.watch_room is not None:
            services.lifetime.tasks["room for sessions"] = shared.watch_room

    @cached_property
    def limiter(self) -> SlidingWindowLimiter:
        """Rate limits per key."""
        settings = self._services.settings
        return SlidingWindowLimiter(
            requests=settings.limit_requests_per_min,
            tokens=settings.limit_tokens_per_min,
            clock=self._services.clock,
        )

    @cached_property
    def connections(self) -> ConnectionRegistry:
        """The open WebSockets of all endpoints."""
        services, settings = self._services, self._services.settings
        per_key = min(settings.max_connections_per_key, services.access.share(settings.max_connections))
        made = ConnectionRegistry(
            services.metrics,
            most=settings.max_connections,
            most_per_key=None if services.access.is_open else per_key,
            has_room=services.shared.has_room,
        )
        services.lifetime.drains.append(made.drain)
        return made

    @cached_property
    def usage(self) -> SecretUsage:
        """Use counts of client secrets."""
        return SecretUsage(self._services.shared.uses)

    @cached_property
    def links(self) -> SessionServices:
        """Services of a WebSocket session."""
        services = self._services
        return SessionServices(
            services.shared.bus,
            services.engines.vad,
            services.clock,
            self.limiter,
            services.rows.writer.put,
            services.settings.provider_timeout_s,
            services.metrics,
        )

    @cached_property
    def limits(self) -> SessionLimits:
        """Limits of a WebSocket session."""
        settings = self._services.settings
        return SessionLimits(
            spill_dir=settings.data_dir,
            max_frame_bytes=settings.realtime_max_frame_bytes,
            max_append_bytes=settings.realtime_max_append_bytes,
            max_queue_bytes=settings.realtime_max_queue_bytes,
            stall_s=settings.realtime_stall_s,
            events_per_s=settings.limit_events_per_s,
        )

    @cached_property
    def rules(self) -> Rules:
        """The rules of conversations."""
        settings = self._services.settings
        return Rules(
            accepts_images=self._services.engines.llm.capabilities.images,
            image_hosts=tuple(host.lower() for host in settings.realtime_image_hosts),
            pace=settings.realtime_pace,
            truncate_wait_s=settings.realtime_truncate_wait_s,
            speculate_ms=settings.realtime_speculate_ms,
            max_items=settings.realtime_max_items,
            max_buffer_s=settings.realtime_max_buffer_s,
            job_timeout_s=settings.provider_timeout_s + _RESULT_MARGIN_S,
            apology=settings.realtime_apology,
        )

    @cached_property
    def defaults(self) -> Defaults:
        """Default configuration of conversations."""
        settings = self._services.settings
        return Defaults(
            model=settings.realtime_model,
            voice=settings.realtime_voice,
            speed=min(settings.speech_speed, _MOST_SPEED),
            instructions=settings.realtime_instructions,
            lasts_s=settings.realtime_session_s,
        )

    def components(self) -> dict[Component, bool]:
        """Return the dependencies of conversations besides engines, each with its health."""
        rows = self._services.rows
        has_redis = self._services.shared.checks().get("redis", True)
        is_full = rows.writer.is_failing and has_redis  # otherwise Redis refuses the rows
        return {"redis": has_redis, "database": not (rows.database.is_failing or is_full)}
