"""Why an answer of the chat wire ended: the words of hosts, and what they mean."""

from __future__ import annotations

from typing import Any

from providers.errors import ErrorKind, UpstreamError
from providers.ir import FinishReason

# Any other word means an end, or calls where there are some: hosts say "stop", "" or "eos".
MEANS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "MAX_TOKENS": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "filter",
    "sensitive": "filter",
    "safety": "filter",
    "refusal": "filter",
}
FAULTS = {
    "error": ErrorKind.SERVER,
    "network_error": ErrorKind.SERVER,
    "insufficient_system_resource": ErrorKind.OVERLOADED,
}
# Said first, they may give way to a word that says more.
VAGUE = ("", "stop")
WORDS: dict[FinishReason, str] = {
    "end": "stop",
    "stop_sequence": "stop",
    "tool": "tool_calls",
    "length": "length",
    "filter": "content_filter",
    "pause": "stop",
}


def meaning(native: str, *, calls: bool, refused: bool) -> FinishReason:
    """Return what a host's word means, given whether it called tools or refused to answer."""
    found = MEANS.get(native)
    if found is not None:
        return found
    if calls:
        return "tool"
    return "filter" if refused else "end"


def fault_of(native: Any) -> UpstreamError | None:
    """Return the fault that a finish reason stands for, None for a good one."""
    kind = FAULTS.get(native) if isinstance(native, str) else None
    if kind is None:
        return None
    return UpstreamError(kind, f"the host ended the answer with {native!r}", code=native)


def error_in(body: Any) -> Any:
    """Return the error in the body of a 200, in any of the places where hosts put it, or None."""
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if error:
        return error
    native = body.get("base_resp")
    if isinstance(native, dict) and native.get("status_code"):
        return {"code": native["status_code"], "message": native.get("status_msg")}
    if "choices" not in body and body.get("code") and isinstance(body.get("message"), str):
        return body
    return None
