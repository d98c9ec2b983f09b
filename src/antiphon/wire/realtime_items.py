"""Conversation items of the Realtime protocol, from clients and to clients."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

ItemId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
CallId = Annotated[str, msgspec.Meta(max_length=128)]
Text = Annotated[str, msgspec.Meta(max_length=2**20)]
"""Text of one item: more than any model reads."""
Note = Annotated[str, msgspec.Meta(max_length=2**14)]
"""A description, or a hint."""
Name = Annotated[str, msgspec.Meta(max_length=256)]
"""Name of a model, a voice or a language."""
SomeId = Annotated[str, msgspec.Meta(max_length=128)]
"""An id that may or may not exist."""
Status = Literal["completed", "incomplete", "in_progress"]

ROLE_CONTENT: dict[str, tuple[str, ...]] = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "output_audio"),
}
"""Content types by role."""


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One part of a message. Audio is base64 and only travels towards the server and in ``…item.retrieved``."""

    type: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]
    text: Text | UnsetType | None = UNSET
    audio: str | UnsetType | None = UNSET
    transcript: Text | UnsetType | None = UNSET
    image_url: str | UnsetType | None = UNSET
    detail: Literal["auto", "low", "high"] | UnsetType | None = UNSET


class Item(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """Base of all items. Empty fields are omitted, never null: strict clients reject an item with a null."""

    id: ItemId | UnsetType | None = UNSET
    object: Literal["realtime.item"] | UnsetType | None = UNSET
    status: Status | UnsetType | None = UNSET


class Message(Item, frozen=True, kw_only=True, tag="message"):
    """Something said or written, by the user, the assistant or the application."""

    role: Literal["system", "user", "assistant"]
    content: tuple[Content, ...]

    def __post_init__(self) -> None:
        """Refuse content that the role does not allow."""
        allowed = ROLE_CONTENT[self.role]
        for index, part in enumerate(self.content):
            if part.type not in allowed:
                supported = ", ".join(allowed)
                raise ValueError(
                    f"content[{index}].type: '{part.type}' is not for role '{self.role}'; supported: {supported}"
                )


class FunctionCall(Item, frozen=True, kw_only=True, tag="function_call"):
    """The assistant asks for a function. ``arguments`` is JSON text."""

    name: Annotated[str, msgspec.Meta(max_length=128)]
    arguments: Text
    call_id: CallId | UnsetType | None = UNSET


class FunctionCallOutput(Item, frozen=True, kw_only=True, tag="function_call_output"):
    """The application's answer to a function call."""

    call_id: Annotated[CallId, msgspec.Meta(min_length=1)]
    output: Text


class McpItem(Item, frozen=True, kw_only=True, tag_field="type"):
    """Fields of the MCP items, accepted so that the refusal can name the item."""

    arguments: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    server_label: str | UnsetType = UNSET
    tools: list[Any] | UnsetType = UNSET
    approval_request_id: str | UnsetType | None = UNSET
    approve: bool | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    error: Any = UNSET
    output: str | UnsetType | None = UNSET


class McpListTools(McpItem, frozen=True, tag="mcp_list_tools"):
    """Tools of an MCP server."""


class McpCall(McpItem, frozen=True, tag="mcp_call"):
    """A call of an MCP tool."""


class McpApprovalRequest(McpItem, frozen=True, tag="mcp_approval_request"):
    """The model asks whether it may call an MCP tool."""


class McpApprovalResponse(McpItem, frozen=True, tag="mcp_approval_response"):
    """The answer to an approval request."""


class ItemReference(msgspec.Struct, frozen=True, tag_field="type", tag="item_reference", forbid_unknown_fields=True):
    """Refers to an item of the conversation in a response's own input."""

    id: ItemId


AnyItem = (
    Message | FunctionCall | FunctionCallOutput | McpListTools | McpCall | McpApprovalRequest | McpApprovalResponse
)
InputItem = (
    Message
    | FunctionCall
    | FunctionCallOutput
    | ItemReference
    | McpListTools
    | McpCall
    | McpApprovalRequest
    | McpApprovalResponse
)
OwnItem = Message | FunctionCall | FunctionCallOutput
"""The items that a conversation can hold."""
