"""Converts a conversation to a request to the LLM."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.conversation.playout import transcript
from antiphon.conversation.state import ItemRecord, ResponseState
from antiphon.entities.chat import ChatMessage, ChatRequest, Tool, ToolCall
from antiphon.wire.realtime_items import FunctionCall, FunctionCallOutput, Message
from antiphon.wire.realtime_session import ToolChoice, ToolChoiceFunction

CHARACTERS_PER_TOKEN = 4


def request(response: ResponseState, records: Sequence[ItemRecord], model: str) -> ChatRequest:
    """Return the LLM request of one response."""
    limit = response.max_output_tokens
    return ChatRequest(
        messages=messages(records, response.instructions),
        tools=tuple(Tool(tool.name, tool.description or "", tool.parameters or None) for tool in response.tools),
        tool_choice=choice(response.tool_choice),
        max_tokens=None if limit == "inf" else limit,
        model=model,
        parallel_tool_calls=response.parallel_tool_calls,
        reasoning_effort=response.reasoning_effort,
    )


def tokens(request: ChatRequest) -> int:
    """Estimate how many tokens of text a model reads in a request."""
    characters = sum(len(message.text) for message in request.messages)
    characters += sum(
        len(call.name) + len(call.arguments) for message in request.messages for call in message.tool_calls
    )
    return -(-characters // CHARACTERS_PER_TOKEN)


def choice(tool_choice: ToolChoice) -> str:
    """Return the tool choice in the form of `ChatRequest`."""
    return f"function:{tool_choice.name}" if isinstance(tool_choice, ToolChoiceFunction) else str(tool_choice)


def messages(records: Sequence[ItemRecord], instructions: str) -> tuple[ChatMessage, ...]:
    """Return the items as chat messages; adjacent function calls share one message."""
    found: list[ChatMessage] = []
    if instructions:
        found.append(ChatMessage("system", instructions))
    answered = {record.item.call_id for record in records if isinstance(record.item, FunctionCallOutput)}
    calls: list[ToolCall] = []
    for record in records:
        if isinstance(record.item, FunctionCall):
            item = record.item
            if item.status == "incomplete" and item.call_id not in answered:
                continue  # cancelled before the client could act on it
            calls.append(ToolCall(str(item.call_id or ""), item.name, item.arguments))
            continue
        if calls:
            found.append(ChatMessage("assistant", tool_calls=tuple(calls)))
            calls = []
        message = _message(record)
        if message is not None:
            found.append(message)
    if calls:
        found.append(ChatMessage("assistant", tool_calls=tuple(calls)))
    return tuple(found)


def last_of_user(records: Sequence[ItemRecord]) -> ItemRecord | None:
    """Return the user's last message."""
    of_user = (one for one in reversed(records) if isinstance(one.item, Message) and one.item.role == "user")
    return next(of_user, None)


def last_said(records: Sequence[ItemRecord]) -> str:
    """Return the user's last words, spoken or written; empty if unknown."""
    record = last_of_user(records)
    found = None if record is None else _message(record)
    return "" if found is None else found.text


def _message(record: ItemRecord) -> ChatMessage | None:
    """Return one item as a message, or None if it is empty."""
    item = record.item
    if isinstance(item, FunctionCallOutput):
        return ChatMessage("tool", item.output, call_id=item.call_id)
    if not isinstance(item, Message):
        return None
    if item.role == "assistant":
        text = transcript(record)
        return ChatMessage("assistant", text) if text else None
    parts = [part.text for part in item.content if part.text]
    if record.heard:
        parts.append(record.heard)
    images = tuple(str(part.image_url) for part in item.content if part.image_url)
    if not parts and not images:
        return None
    return ChatMessage(item.role, "\n".join(parts), images)
