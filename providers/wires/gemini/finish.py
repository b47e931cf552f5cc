"""Why an answer ended, in this wire's words and ours."""

from __future__ import annotations

from typing import Any

from providers.errors import ErrorKind, UpstreamError
from providers.ir import FinishReason

# Hosts that are asked for enumerations as numbers; the places are those of the wire's own list.
BY_NUMBER = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE",
    "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL",
)  # fmt: skip
FILTERED = frozenset(
    {
        "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
        "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
        "ESCALATION",
    }
)  # fmt: skip
# The model spoiled its answer: asking again may cure it, passing it on as an end would not.
FAULTS = frozenset(
    {
        "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE",
    }
)  # fmt: skip
ENDS: dict[str, FinishReason] = {
    "STOP": "end",
    "FINISH_REASON_UNSPECIFIED": "end",
    "MAX_TOKENS": "length",
    "CONTINUATION": "pause",
}
WORDS: dict[FinishReason, str] = {
    "end": "STOP",
    "stop_sequence": "STOP",
    "tool": "STOP",
    "length": "MAX_TOKENS",
    "filter": "SAFETY",
    # The wire's own word for it needs a token that no other host gives.
    "pause": "OTHER",
}


def native_finish(value: Any) -> str:
    """Return a host's word for why a candidate ended; "" where it goes on."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < len(BY_NUMBER):
        return BY_NUMBER[value]
    return value if isinstance(value, str) else ""


def finish_of(native: str, *, called: bool) -> FinishReason:
    """Return our word; a word that is not known counts as a block, never as a whole answer.

    This wire has no word for a tool call: ``called`` says whether one was made.
    """
    found = ENDS.get(native, "filter")
    return "tool" if called and found == "end" else found


def fault_of(native: str, message: Any) -> UpstreamError:
    """Return the fault that one of ``FAULTS`` is."""
    said = f": {message[:500]}" if isinstance(message, str) and message else ""
    missing = native == "MISSING_THOUGHT_SIGNATURE"
    kind = ErrorKind.OPAQUE_STATE if missing else ErrorKind.MALFORMED
    words = f"the model spoiled its answer ({native}){said}"
    return UpstreamError(kind, words, code=native, of_model=True)


def block_of(feedback: Any) -> str:
    """Return why a prompt was refused by ``promptFeedback``, "" where it was not."""
    if not isinstance(feedback, dict):
        return ""
    reason = feedback.get("blockReason", feedback.get("block_reason"))
    if isinstance(reason, int) and not isinstance(reason, bool) and reason > 0:
        return f"BLOCKED_{reason}"
    return reason if isinstance(reason, str) else ""
