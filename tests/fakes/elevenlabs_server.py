"""A service with ElevenLabs' streaming text to speech, on a real socket, that follows a script.

It objects as the real one does: to a wrong key, a voice that nobody has, a speed out of range, a format that the plan
has not. Without a script every request is spoken as a tone: 0.3 s a word at 24 kHz, faster or slower as asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.fakes.openai_tts_server import BreakOff, OpenAiTtsServer, Refuse, Stall

__all__ = ["KEY", "BreakOff", "ElevenLabsServer", "Refuse", "Stall"]

KEY = "sk_0123456789"
_PATH = re.compile(r"/v1/text-to-speech/([^/]+)/stream")
_FORMATS = {"pcm_16000", "pcm_22050", "pcm_24000"}
_FIELDS = {"text", "model_id", "voice_settings", "language_code"}


@dataclass
class ElevenLabsServer(OpenAiTtsServer):
    """Requests hold the fields of the body, and ``voice_id`` and ``output_format`` of the address."""

    prefix: ClassVar[str] = ""

    def _read(self, head: str, body: dict[str, Any]) -> dict[str, Any]:
        method, target, _ = head.split(" ", 2)
        address = urlsplit(target)
        found = _PATH.fullmatch(address.path)
        assert method == "POST"
        assert found, address.path
        assert body.keys() <= _FIELDS
        return {"voice_id": found[1], **{name: value for name, (value,) in parse_qs(address.query).items()}, **body}

    def _objection(self, head: str, request: dict[str, Any]) -> Refuse | None:
        if f"xi-api-key: {KEY}\r\n" not in head:
            return Refuse(401, "invalid_api_key")
        if not re.fullmatch(r"[A-Za-z0-9]{20}", request["voice_id"]):
            return Refuse(404, "voice_not_found")
        if not 0.7 <= request["voice_settings"]["speed"] <= 1.2:
            return Refuse(400, "invalid_voice_settings")
        if request["output_format"] not in _FORMATS:
            return Refuse(403, "output_format_not_allowed")
        return None

    def _refusal(self, step: Refuse) -> dict[str, Any]:
        if step.status == 422:
            return {"detail": [{"type": "missing", "loc": ["body", "text"], "msg": "Field required", "input": {}}]}
        return {"detail": {"status": step.code, "message": "as scripted"} if step.code else "as scripted"}

    def _wanted(self, request: dict[str, Any]) -> tuple[str, float]:
        return request["text"], request["voice_settings"]["speed"]
