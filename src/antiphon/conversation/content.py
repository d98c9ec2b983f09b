"""Checks the content of items that clients create."""

from __future__ import annotations

from antiphon.conversation.images import check_image
from antiphon.conversation.step import EventRefused, Step
from antiphon.wire.realtime_items import AnyItem, Content, FunctionCall, FunctionCallOutput, Message, OwnItem


def checked(step: Step, item: AnyItem, param: str, *, may_be_spoken: bool = False) -> OwnItem:
    """Return an item if the server accepts its kind and content. Raises `EventRefused`, which names the field.

    ``may_be_spoken`` accepts transcripts of assistant audio, in items that only the LLM sees.
    """
    if not isinstance(item, OwnItem):
        raise EventRefused(
            "MCP items are not supported by this server yet.", code="invalid_value", param=f"{param}.type"
        )
    if isinstance(item, Message):
        for index, part in enumerate(item.content):
            if not (may_be_spoken and part.type == "output_audio"):
                _check_part(step, part, f"{param}.content[{index}]")
    return item


def size(item: OwnItem) -> int:
    """Return the size of an item in characters, including images."""
    match item:
        case Message():
            return sum(
                len(text) for part in item.content for text in (part.text, part.transcript, part.image_url) if text
            )
        case FunctionCall():
            return len(item.arguments)
        case FunctionCallOutput():
            return len(item.output)


def _check_part(step: Step, part: Content, param: str) -> None:
    if part.type == "output_audio":
        raise EventRefused(
            "Assistant audio cannot be created by a client; use 'output_text'.",
            code="invalid_value",
            param=f"{param}.type",
        )
    if part.type == "input_image" and not step.state.rules.accepts_images:
        raise EventRefused(
            "The configured language model does not take images.", code="invalid_value", param=f"{param}.type"
        )
    if part.type == "input_image":
        if not part.image_url:
            raise _missing(f"{param}.image_url")
        check_image(part.image_url, step.state.rules.image_hosts, f"{param}.image_url")
    if part.type in ("input_text", "output_text") and not isinstance(part.text, str):
        raise _missing(f"{param}.text")


def _missing(param: str) -> EventRefused:
    return EventRefused(f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)


def given_transcript(item: OwnItem) -> str | None:
    """Return the transcript that a client gives for audio parts without audio."""
    if not isinstance(item, Message):
        return None
    said = [part.transcript for part in item.content if part.type == "input_audio" and part.transcript]
    return " ".join(said) if said else None
