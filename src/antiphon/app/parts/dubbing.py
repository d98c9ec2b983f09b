"""Dubbing of live streams: the Socket.IO endpoint, and the work on fragments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services, process_id
from antiphon.errors import InvalidRequest, NotFound

if TYPE_CHECKING:  # a process without this part must not import what it runs on
    from antiphon.doors.dubbing.options import DubbingOptions
    from antiphon.dubbing.pipeline import PipelineRules
    from antiphon.dubbing.voices import VoiceProfile, Voices
    from antiphon.ports.artifacts import Artifacts
    from antiphon.wire.dubbing_client import StreamConfig

_CLEAN_S = 300.0
"""Interval between clean-ups of artifacts."""


def _door(services: Services) -> Added:
    from antiphon.app.gateway import Gateway
    from antiphon.doors.dubbing.endpoint import DubbingDoor
    from antiphon.doors.dubbing.options import DubbingServices
    from antiphon.doors.dubbing.ownership import StreamOwnership
    from antiphon.doors.dubbing.socketio import PATH
    from antiphon.observe.dubbing_metrics import DubbingMetrics

    settings, shared = services.settings, services.shared
    artifacts = _artifacts(services)
    ownership = StreamOwnership(
        shared.streams,
        process_id("gateway"),
        heartbeat_s=settings.session_liveness_s / 3,
        sweep_s=settings.session_sweep_s,
        has_room=shared.has_room,
    )
    measures = services.measures(DubbingMetrics)
    door = DubbingDoor(
        DubbingServices(
            services.access,
            services.jobs,
            services.clock,
            services.metrics,
            measures,
            _judge(services),
            services.rows.writer.put,
            ownership,
            artifacts,
            services.once(Gateway).limiter,
        ),
        _options(services),
    )
    return Added(
        sockets={PATH: door},
        requests={PATH: door},
        tasks={"old artifacts": lambda: artifacts.run(_CLEAN_S), "streams of dubbing": door.run},
        drain=door.drain,
        close=door.close,
    )


def _work(services: Services) -> Added:
    from antiphon.workers.dub import Dubber, EchoDubber

    settings = services.settings
    if settings.dubbing_mode == "echo":
        handler = EchoDubber(settings.dubbing_echo_delay_ms / 1000).handle
    else:
        handler = Dubber(services.jobs, services.decoders, _rules(services), services.clock).handle
    return Added(work=(Workload("dub", handler, settings.dub_workers),))


def _metrics() -> Sequence[Any]:
    from antiphon.observe.dubbing_metrics import DubbingMetrics

    return (DubbingMetrics,)


def _options(services: Services) -> DubbingOptions:
    from antiphon.doors.dubbing.options import DubbingOptions
    from antiphon.dubbing.backpressure import Thresholds
    from antiphon.dubbing.state import Rules

    settings, access = services.settings, services.access
    gap_ms, most = settings.dubbing_gap_timeout_ms, settings.dubbing_max_connections
    return DubbingOptions(
        rules=Rules(
            thresholds=Thresholds(
                settings.dubbing_backpressure_low,
                settings.dubbing_backpressure_medium,
                settings.dubbing_backpressure_high,
                settings.dubbing_backpressure_critical,
            ),
            gap_s=None if gap_ms is None else gap_ms / 1000,
            fragments_per_min=0 if access.is_open else settings.dubbing_fragments_per_min,
            capabilities="object" if settings.dubbing_mode == "echo" else settings.dubbing_capabilities,
        ),
        mode=settings.dubbing_mode,
        needs_key=settings.dubbing_require_auth,
        max_connections=most,
        connections_per_key=min(
            settings.dubbing_connections_per_key,
            access.share(most, with_strangers=not settings.dubbing_require_auth),
        ),
        ping_interval_s=settings.dubbing_ping_interval_s,
        ping_timeout_s=settings.dubbing_ping_timeout_s,
        idle_s=settings.dubbing_idle_s,
        stall_s=settings.dubbing_stall_s,
        close_s=settings.dubbing_close_s,
        resume_s=settings.dubbing_resume_s,
        handshake_s=settings.handshake_timeout_s,
        polling=settings.dubbing_polling,
    )


def _rules(services: Services) -> PipelineRules:
    from antiphon.dubbing.fit import Limits
    from antiphon.dubbing.pipeline import PipelineRules

    settings = services.settings
    return PipelineRules(
        asr_s=settings.dubbing_asr_timeout_ms / 1000,
        translation_s=settings.dubbing_translation_timeout_ms / 1000,
        tts_s=settings.dubbing_tts_timeout_ms / 1000,
        limits=Limits(
            success_max=settings.dubbing_variance_success,
            partial_max=settings.dubbing_variance_partial,
            only_speed_up=settings.dubbing_only_speed_up,
        ),
        fallback=settings.dubbing_fallback,
        drop_speaker_labels=settings.dubbing_drop_speaker_labels,
    )


def _judge(services: Services) -> Callable[[StreamConfig], VoiceProfile]:
    """Return a function that accepts or refuses a stream before its first fragment."""
    from antiphon.doors.dubbing.options import DubbingRefusal
    from antiphon.dubbing.voices import VoiceProfile

    settings, engines, roles = services.settings, services.engines, services.roles
    voices = _voices(services)

    def judge(config: StreamConfig) -> VoiceProfile:
        source, target = config.source_language, config.target_language
        if settings.dubbing_mode == "echo":  # a worker under test may use languages and voices of another server
            return VoiceProfile(config.voice_profile)
        if not engines.stt.capabilities.speaks(source):
            raise DubbingRefusal(
                "UNSUPPORTED_LANGUAGE", f"'{source}' is not recognised here.", "config.source_language"
            )
        # in a fleet only translating processes know the pairs
        if "translate" in roles and not engines.translation.has_pair(source, target):
            raise DubbingRefusal(
                "UNSUPPORTED_LANGUAGE",
                f"Nothing here translates '{source}' into '{target}'; 'antiphon doctor' says what to install.",
                "config.target_language",
            )
        if "speak" in roles and not engines.tts.capabilities.speaks(target):
            raise DubbingRefusal("UNSUPPORTED_LANGUAGE", f"No voice here speaks '{target}'.", "config.target_language")
        known = [voice.id for voice in engines.tts.capabilities.voices]
        try:
            return voices.resolve(config.voice_profile, target, known=known)
        except NotFound as error:
            raise DubbingRefusal("INVALID_VOICE_PROFILE", error.message, "config.voice_profile") from error

    return judge


def _voices(services: Services) -> Voices:
    from antiphon.dubbing.voices import Voices, parse_voices

    path = services.settings.dubbing_voices
    if path is None:
        return Voices()
    try:
        return parse_voices(path.expanduser().read_bytes())
    except OSError as error:
        variable = "ANTIPHON_DUBBING_VOICES"
        raise InvalidRequest(f"{variable}: {path}: {error.strerror or error}", param=variable) from error


def _artifacts(services: Services) -> Artifacts:
    """Return the store of dubbing artifacts."""
    from antiphon.store.artifacts import FileArtifacts, NullArtifacts

    settings = services.settings
    is_production = bool(settings.api_keys or settings.redis_url)
    capture = settings.dubbing_artifacts
    if not settings.dubbing_keeps_artifacts:
        return NullArtifacts()
    return FileArtifacts(
        (settings.dubbing_artifacts_path or settings.data_dir / "artifacts").expanduser(),
        capture="metadata" if capture == "metadata" or (capture == "auto" and is_production) else "media",
        max_age_s=settings.dubbing_artifacts_hours * 3600,
        max_count=settings.dubbing_artifacts_max_count,
        max_bytes=settings.dubbing_artifacts_max_mib * 2**20,
        clock=services.clock,
    )


PART = Part(
    adds={"gateway": _door, "dub": _work},
    metrics=_metrics,
    commands={"dub": ("antiphon.cli.dub:dub", "Dub a recording or a film into another language.")},
)
