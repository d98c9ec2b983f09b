"""The dubbing door and its workers, as the settings want them."""

from __future__ import annotations

from collections.abc import Callable

from antiphon.app.engines import Engines
from antiphon.app.roles import Roles
from antiphon.app.settings import Settings
from antiphon.clock import Clock
from antiphon.doors.access.authentication import Access
from antiphon.doors.dubbing.endpoint import DubbingDoor, DubbingOptions, DubbingServices, Refusal
from antiphon.doors.dubbing.stream_ownership import Places
from antiphon.dubbing.fit import Limits
from antiphon.dubbing.pipeline import PipelineRules
from antiphon.dubbing.state import Rules
from antiphon.dubbing.voices import VoiceProfile, Voices, parse_voices
from antiphon.dubbing.window import Thresholds
from antiphon.errors import InvalidRequest, NotFound
from antiphon.jobs.client import Desk
from antiphon.observe.metrics import Metrics
from antiphon.ports.artifacts import Artifacts
from antiphon.ports.decoder import Decoder
from antiphon.wire.dubbing_client import StreamConfig
from antiphon.workers.dub import Dubber, EchoDubber


def dubbing_door(
    settings: Settings,
    engines: Engines,
    roles: Roles,
    access: Access,
    desk: Desk,
    clock: Clock,
    metrics: Metrics,
    artifacts: Artifacts,
    places: Places,
) -> DubbingDoor:
    """Return the door. Raises `InvalidRequest` for settings that do not go together, and for a bad voices file."""
    judge = _judge(settings, engines, roles)
    services = DubbingServices(access, desk, clock, metrics, metrics.dubbing, judge, places, artifacts)
    return DubbingDoor(services, _options(settings, access))


def _options(settings: Settings, access: Access) -> DubbingOptions:
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


def dubber(settings: Settings, desk: Desk, decoder: Decoder, clock: Clock) -> Dubber | EchoDubber:
    """Return who works on fragments."""
    if settings.dubbing_mode == "echo":
        return EchoDubber(settings.dubbing_echo_delay_ms / 1000)
    rules = PipelineRules(
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
    return Dubber(desk, decoder, rules, clock)


def _judge(settings: Settings, engines: Engines, roles: Roles) -> Callable[[StreamConfig], VoiceProfile]:
    """Return what decides whether a stream can be dubbed here, before its first fragment."""
    voices = _voices(settings)

    def judge(config: StreamConfig) -> VoiceProfile:
        source, target = config.source_language, config.target_language
        if settings.dubbing_mode == "echo":  # whoever tests a worker has the languages and voices of elsewhere
            return VoiceProfile(config.voice_profile)
        if not engines.stt.capabilities.speaks(source):
            raise Refusal("UNSUPPORTED_LANGUAGE", f"'{source}' is not recognised here.", "config.source_language")
        # the pairs of a fleet are known to those who translate
        if "translate" in roles and not engines.translation.has_pair(source, target):
            raise Refusal(
                "UNSUPPORTED_LANGUAGE",
                f"Nothing here translates '{source}' into '{target}'; 'antiphon doctor' says what to install.",
                "config.target_language",
            )
        if "speak" in roles and not engines.tts.capabilities.speaks(target):
            raise Refusal("UNSUPPORTED_LANGUAGE", f"No voice here speaks '{target}'.", "config.target_language")
        known = [voice.id for voice in engines.tts.capabilities.voices]
        try:
            return voices.resolve(config.voice_profile, target, known=known)
        except NotFound as error:
            raise Refusal("INVALID_VOICE_PROFILE", error.message, "config.voice_profile") from error

    return judge


def _voices(settings: Settings) -> Voices:
    path = settings.dubbing_voices
    if path is None:
        return Voices()
    try:
        return parse_voices(path.expanduser().read_bytes())
    except OSError as error:
        variable = "ANTIPHON_DUBBING_VOICES"
        raise InvalidRequest(f"{variable}: {path}: {error.strerror or error}", param=variable) from error
