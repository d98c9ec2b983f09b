"""The realtime door."""

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
