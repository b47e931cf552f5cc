"""The doors of the hot path: which wire is spoken at which address, and what its body needs first.

Every address here takes POST. What stands elsewhere (lists of models, the dashboard, the API) goes
by way of the framework.
"""

from __future__ import annotations

from gateway.counting import count
from gateway.entrance import Entrance
from gateway.stored import NO_LABELS, Prepared, Stored, keep, resolved, unthreaded
from providers.wires.registry import WIRES
from providers.wires.wire import Json, Wire

NAMED_IN_PATH = ("/v1beta/models/", "/v1/models/")
METHODS = ("generateContent", "streamGenerateContent")
COUNT_METHOD = "countTokens"


def _counted(wire: Wire, path: str = "") -> Entrance:
    counting = wire.counting
    if counting is None:
        raise LookupError(f"{wire.name} does not count")

    def prepared(body: Json, _stored: Stored, _key: str) -> Prepared:
        return counting.prepare(body), NO_LABELS

    return Entrance(wire, path, prepare=prepared, answer=count)


FIXED = {
    "/v1/chat/completions": Entrance(WIRES["chat"]),
    "/v1/responses": Entrance(WIRES["responses"], prepare=resolved, keep=keep),
    "/v1/responses/input_tokens": _counted(WIRES["responses"]),
    "/v1/messages": Entrance(WIRES["messages"], prepare=unthreaded),
    "/v1/messages/count_tokens": _counted(WIRES["messages"]),
    "/v1/completions": Entrance(WIRES["completions"]),
    "/v1/embeddings": Entrance(WIRES["embeddings"]),
    "/v1/rerank": Entrance(WIRES["rerank"]),
}


def entrance(path: str, query: bytes) -> Entrance | None:
    """Return the door at ``path``; None where there is none."""
    found = FIXED.get(path)
    if found is not None:
        return found
    for beginning in NAMED_IN_PATH:
        if path.startswith(beginning):
            return _named(path[len(beginning) :], query)
    return None


def _named(rest: str, query: bytes) -> Entrance | None:
    name, _, method = rest.rpartition(":")
    if method == COUNT_METHOD:
        return _counted(WIRES["gemini"], f"models/{name}:generateContent")
    if method not in METHODS:
        return None
    # Without alt=sse the wire streams one JSON array, for clients that cannot read events.
    form = "sse" if b"alt=sse" in query.split(b"&") else ""

    def marked(body: Json, _stored: Stored, _key: str) -> Prepared:
        return {**body, "$alt": form}, NO_LABELS

    return Entrance(WIRES["gemini"], f"models/{rest}", marked)
