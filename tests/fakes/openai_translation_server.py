"""A chat service that translates: it puts the code of the language in the instructions before the text."""

from __future__ import annotations

import json
import re

from tests.fakes.openai_server import OpenAiServer
from tests.fakes.sse_server import Json, Script

_TARGET = re.compile(r"into the language with the code '([^']+)'")


def complete(text: str | None, *, finish: str = "stop") -> Script:
    """Answer with exactly ``text``, in one piece."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return Script(
        body=json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": "scripted",
                "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
                "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            }
        ).encode()
    )


class OpenAiTranslationServer(OpenAiServer):
    """The service. It is asked for its answer in one piece."""

    def obey(self, asked: Json, headers: dict[str, str]) -> Script:
        assert not asked.get("stream")
        system, user = asked["messages"]
        target = _TARGET.search(system["content"])
        assert target is not None
        return complete(f"[{target[1]}] {user['content']}")
