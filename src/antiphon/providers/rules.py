"""Replies by rule, without a model: greets, tells the time, else repeats the user's text.

Answers have at most two sentences, in the language of the greeting if it is known. Needs no weights and no network,
and takes less than a millisecond; the same conversation at the same time gives the same answer.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.chat import ChatDone, ChatEvent, ChatRequest, TextDelta
from antiphon.errors import Unsupported
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.providers.prompting.tool_choice import count_words, example_call, forced_tool, last_user_text
from antiphon.text.surrogates import replace_surrogates

Clock = Callable[[], datetime]

_GREETINGS = {
    "hello": "Hello! How can I help you?",
    "hi": "Hello! How can I help you?",
    "hey": "Hello! How can I help you?",
    "good morning": "Good morning! How can I help you?",
    "good evening": "Good evening! How can I help you?",
    "hola": "¡Hola! ¿En qué puedo ayudarle?",
    "buenos días": "¡Buenos días! ¿En qué puedo ayudarle?",
    "hallo": "Hallo! Wie kann ich helfen?",
    "guten tag": "Guten Tag! Wie kann ich helfen?",
    "guten morgen": "Guten Morgen! Wie kann ich helfen?",
    "bonjour": "Bonjour ! Comment puis-je vous aider ?",
    "salut": "Bonjour ! Comment puis-je vous aider ?",
    "olá": "Olá! Como posso ajudar?",
    "bom dia": "Bom dia! Como posso ajudar?",
    "ciao": "Ciao! Come posso aiutarla?",
    "buongiorno": "Buongiorno! Come posso aiutarla?",
    "你好": "你好！我能帮你什么？",
    "こんにちは": "こんにちは。何かお手伝いできますか。",
}
_TIME = re.compile(r"\bwhat(?:'s| is|) (?:the )?time\b|\bwhat time is it\b|\bhow late is it\b")
_DATE = re.compile(r"\bwhat(?:'s| is) (?:the |today's )?date\b|\bwhat day is (?:it|today)\b|\btoday's date\b")
_THANKS = re.compile(r"\b(?:thanks|thank you)\b")
_BYE = re.compile(r"\b(?:bye|goodbye|good night|see you)\b")
_MOST_CHARS = 2_000
"""Characters of a tool's output that are read."""
_REPEATED_CHARS = 200
"""Maximum length of repeated text."""


def create(context: EngineContext) -> LanguageModel:
    """Make the engine; it has no settings."""
    del context
    return RuleReplies()


class RuleReplies:
    """A `LanguageModel` without a model. A word counts as a token. It can continue only its own answers."""

    capabilities = Capabilities(name="rules", models=("rules",), streams=True, tools=True, continues=True)

    def __init__(self, now: Clock | None = None) -> None:
        self._now = now or _local_time

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        """Answer the last message, or call the forced tool. Raises `Unsupported` for a prefix of another engine."""
        tool = forced_tool(request)
        input_tokens = count_words(request)
        if tool is not None:
            for delta in await example_call(tool, last_user_text(request)):
                yield delta
            yield ChatDone("tool_calls", input_tokens=input_tokens, output_tokens=1)
            return
        words = self._reply(request).split(" ")
        said = words if request.max_tokens is None else words[: request.max_tokens]
        begin = len(request.prefix.split())
        if " ".join(words[:begin]) != request.prefix:
            raise Unsupported("rules cannot continue the answer of another engine")
        for index, word in enumerate(said[begin:], begin):
            yield TextDelta(word if index == 0 else f" {word}")
        yield ChatDone("stop" if said == words else "length", input_tokens=input_tokens, output_tokens=len(said))

    def _reply(self, request: ChatRequest) -> str:
        last = next((message for message in reversed(request.messages) if message.role != "system"), None)
        if last is None:
            return _GREETINGS["hello"]
        if last.role == "tool":
            said = _shorten(replace_surrogates(last.text[:_MOST_CHARS]))
            return f"The answer is: {said}" if said else "That is done."
        if last.role == "assistant":
            return "How can I help you?"
        text = " ".join(last_user_text(request).split())
        plain = text.lower().strip(" .,!?¡¿。！？、")
        if not plain:
            return "I did not hear anything. Could you say it again?"
        return self._known(plain) or _greeting(plain) or _repeat(text)

    def _known(self, plain: str) -> str | None:
        now = self._now()
        if _TIME.search(plain):
            return f"It is {now:%H:%M}."
        if _DATE.search(plain):
            return f"Today is {now:%A}, {now.day} {now:%B %Y}."
        if _THANKS.search(plain):
            return "You are welcome."
        return "Goodbye!" if _BYE.search(plain) else None


def _greeting(plain: str) -> str | None:
    """Return the reply to a greeting, which at most one more word may follow."""
    for greeting, reply in _GREETINGS.items():
        rest = plain.removeprefix(greeting)
        ends_a_word = not rest or not rest[0].isalpha() or not greeting[0].isascii()
        if rest != plain and ends_a_word and len(rest.split()) <= 1:
            return reply
    return None


def _repeat(text: str) -> str:
    return f"I heard: {_shorten(text)}"


def _shorten(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _REPEATED_CHARS else f"{plain[:_REPEATED_CHARS].rsplit(' ', 1)[0]} …"


def _local_time() -> datetime:
    return datetime.now().astimezone()
