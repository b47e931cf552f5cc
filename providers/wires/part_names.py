"""What parts of messages are called towards people."""

from __future__ import annotations

from collections.abc import Mapping

from providers import ir

NAMES: Mapping[type, str] = {
    ir.Text: "text",
    ir.Image: "an image",
    ir.File: "a file",
    ir.Audio: "audio",
    ir.Reasoning: "reasoning",
    ir.ToolCall: "a tool call",
    ir.ToolResult: "a tool result",
    ir.Refused: "a refusal",
    ir.Trace: "a hosted tool",
}


def named(part: ir.Part) -> str:
    """Return what ``part`` is, with its article."""
    return NAMES[type(part)]
