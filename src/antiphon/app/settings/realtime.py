"""Settings of the realtime endpoint."""

from __future__ import annotations

from pydantic import Field

from antiphon.entities.chat import VOICE_INSTRUCTIONS
from antiphon.ports.settings import MANY, WEEK_S, Names, Section


class RealtimeSettings(Section):
    """The realtime door."""

    realtime_instructions: str = Field(
        default=VOICE_INSTRUCTIONS,
        description="Instructions of a session whose client sets none.",
    )
    realtime_apology: str = Field(
        default="I'm sorry, I cannot answer right now. I understood: {heard}",
        description="Spoken while no LLM can answer; `{heard}` is the user's transcript. Empty: the answer fails.",
    )
    realtime_model: str = Field(default="gpt-realtime", description="Model name of a session whose client names none.")
    realtime_voice: str = Field(default="alloy", description="Voice of a session whose client names none.")
    realtime_pace: bool = Field(
        default=False,
        description="True sends speech at playback speed (200 ms ahead), not as fast as it is synthesized.",
    )
    realtime_session_s: float = Field(
        default=3600, gt=0, le=WEEK_S, description="Maximum length of a session, seconds."
    )
    realtime_max_frame_bytes: int = Field(
        default=21 * 2**20, ge=1, le=50 * 2**20, description="Maximum size of a WebSocket message, bytes."
    )
    realtime_max_append_bytes: int = Field(
        default=15 * 2**20, ge=1, le=50 * 2**20, description="Maximum audio in one append, decoded bytes."
    )
    realtime_max_buffer_s: float = Field(
        default=600, gt=0, le=WEEK_S, description="Maximum uncommitted audio, seconds."
    )
    realtime_max_items: int = Field(default=2000, ge=1, le=MANY, description="Maximum items in one conversation.")
    realtime_max_queue_bytes: int = Field(
        default=128 * 2**10, ge=1, le=2**40, description="Maximum output queued for a client that does not read, bytes."
    )
    realtime_stall_s: float = Field(
        default=5.0, gt=0, le=WEEK_S, description="A client that reads nothing for this long is disconnected, seconds."
    )
    realtime_truncate_wait_s: float = Field(
        default=2.0,
        ge=0,
        le=WEEK_S,
        description="After a barge-in: how long to wait for the client's truncate, seconds.",
    )
    realtime_speculate_ms: int = Field(
        default=180,
        ge=0,
        le=10_000,
        description="Silence after which an answer is prepared, and held until the turn has ended, milliseconds; 0: "
        "off. Answers start sooner, but a pause within a turn wastes an LLM call.",
    )
    realtime_image_hosts: Names = Field(
        default=(),
        description="Hosts of images that clients may name as `https://HOST/…`; the LLM service fetches them. Default:"
        " only `data:` URLs.",
    )
    realtime_delta_ms: int = Field(default=200, ge=20, le=2000, description="Audio in one delta, milliseconds.")
