"""The number of tokens in a prompt, on the Gemini wire: ``:countTokens``.

The question holds a whole call under ``generateContentRequest``, or its ``contents`` alone
(Gemini API reference, "Counting tokens").
"""

from __future__ import annotations

from providers.wires.wire import BadRequestError, Counting, Json

WRAPPED = "generateContentRequest"
COUNTED = frozenset({"contents", "systemInstruction", "system_instruction", "tools", "toolConfig"})


def prepare(body: Json) -> Json:
    """Return the call whose prompt is asked about. Raises ``BadRequestError``."""
    inner = body.get(WRAPPED, body.get("generate_content_request"))
    if inner is None:
        return {**body, "$alt": ""}
    if not isinstance(inner, dict):
        raise BadRequestError(f"`{WRAPPED}` must be an object", WRAPPED)
    return {**{name: value for name, value in inner.items() if name != "model"}, "$alt": ""}


def question(body: Json, model: str) -> Json:
    """Return what a host is asked; ``body`` is the call's own."""
    kept = {name: value for name, value in body.items() if name in COUNTED}
    return {WRAPPED: {"model": f"models/{model}", **kept}}


def read(said: Json) -> int | None:
    """Return the number in a host's answer; None where it has none."""
    found = said.get("totalTokens")
    good = isinstance(found, int) and not isinstance(found, bool) and found >= 0
    return found if good else None


def write(number: int) -> Json:
    """Return a client's answer."""
    return {"totalTokens": number}


COUNTING = Counting(prepare=prepare, body=question, read=read, write=write)
