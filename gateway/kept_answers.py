"""The Responses wire beside its calls: kept answers are read, forgotten and stopped."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from gateway.errors import Refusal
from gateway.models import caller, house_of
from gateway.stored import OFF, Kept, Stored

router = APIRouter()


def _found(request: Request, name: str) -> tuple[str, Stored, Kept]:
    """Return whose answer it is, and the answer. Raises ``Refusal``; another key's is not there."""
    key, stored = caller(request).name, house_of(request).stored
    if not stored.on:
        raise Refusal("not_found", OFF)
    kept = stored.get(key, name)
    if kept is None:
        raise Refusal(
            "previous_response_not_found",
            f"there is no answer {name[:80]!r} here (any more)",
            param="response_id",
        )
    return key, stored, kept


@router.get("/v1/responses/{name}")
async def read(request: Request, name: str) -> dict[str, Any]:
    """A kept answer as it was given; one in the background as far as it is."""
    return _found(request, name)[2].response


@router.get("/v1/responses/{name}/input_items")
async def input_items(request: Request, name: str) -> dict[str, Any]:
    """The conversation that led to a kept answer."""
    _, _, kept = _found(request, name)
    given = [item for item in kept.items[: kept.given] if isinstance(item, dict)]
    ids = [item.get("id") for item in given]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return {"object": "list", "data": given, "has_more": False, **ends}


@router.delete("/v1/responses/{name}")
async def forget(request: Request, name: str) -> dict[str, Any]:
    """Forget a kept answer; one that is still in the background is stopped first."""
    key, stored, _ = _found(request, name)
    stored.delete(key, name)
    return {"id": name, "object": "response", "deleted": True}


@router.post("/v1/responses/{name}/cancel")
async def cancel(request: Request, name: str) -> dict[str, Any]:
    """Stop an answer in the background; its host's connection is cut at once."""
    key, stored, kept = _found(request, name)
    if not kept.response.get("background"):
        raise Refusal(
            "invalid_request",
            "only an answer with `background: true` can be cancelled; to stop another, close its "
            "connection",
            param="response_id",
        )
    if stored.cancel(key, name):
        return {**kept.response, "status": "cancelled"}
    return kept.response
