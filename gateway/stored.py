"""Answers of the Responses wire that are kept for a while, where the config turns that on.

A later request may name one (``previous_response_id``) instead of sending the conversation again.
In memory only, apart for each key of ours, bounded by age and by bytes; the oldest goes first.
Hosts are told to store nothing: what is kept is kept here, under the label of the request that made
it. A request that names it takes that label over, so that a chain of answers stays as sensitive as
its most sensitive part.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gateway.ending import end
from gateway.errors import Refusal
from gateway.short_memory import ShortMemory
from providers.wires.responses.stored import (
    input_items,
    items_of,
    references,
    with_history,
    with_items,
)
from providers.wires.wire import Json
from routing.facts import RequestFacts
from routing.policy import LabelError, Policy

# A body with what it refers to put in, and the labels of all that was put in.
Prepared = tuple[Json, frozenset[str]]
NO_LABELS: frozenset[str] = frozenset()

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

OFF = "this gateway keeps no answers; send the whole conversation, or set `store` in its config"


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer; ``items`` is the conversation with it, its first ``given`` led to it.

    ``label`` is that of the request; None while it is not known, or where it never came to be:
    then no request may use the answer.
    """

    response: Json
    items: tuple[Any, ...]
    given: int
    label: str | None


class Stored:
    """The answers of one process; ``most_bytes`` 0 keeps none. ``for_s`` in seconds.

    ``running`` holds those that are made in the background.
    """

    def __init__(
        self, for_s: float, most_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept: ShortMemory[tuple[str, str], Kept] = ShortMemory(for_s, most_bytes, clock)
        self.running: dict[tuple[str, str], asyncio.Future[None]] = {}

    @property
    def on(self) -> bool:
        """Whether anything is kept."""
        return self._kept.on

    @property
    def size(self) -> int:
        """Bytes that are held now."""
        return self._kept.size

    def configure(self, for_s: float, most_bytes: int) -> None:
        """Take other bounds; what is over them goes."""
        self._kept.configure(for_s, most_bytes)

    def put(
        self, key: str, response: Json, items: tuple[Any, ...], size: int, label: str | None
    ) -> None:
        """Keep an answer under its id; ``items`` is the conversation before it."""
        name = response.get("id")
        if not self.on or not isinstance(name, str):
            return
        whole = (*items, *items_of(response))
        self._kept.put((key, name), Kept(response, whole, len(items), label), size)

    def get(self, key: str, name: str) -> Kept | None:
        """Return an answer that this key's holder got and that is still kept."""
        return self._kept.get((key, name))

    def item(self, key: str, name: str) -> tuple[Json, str] | None:
        """Return the item of that id from any kept answer of this key's holder, and its label.

        That is the label of the answer it is taken from: under it the item has been sent before.
        """
        for (owner, _), kept in self._kept.newest_first():
            if owner == key and kept.label is not None:
                for item in kept.items:
                    if isinstance(item, dict) and item.get("id") == name:
                        return item, kept.label
        return None

    def delete(self, key: str, name: str) -> None:
        """Forget an answer for good; one that is being made is stopped, and not kept either."""
        task = self.running.pop((key, name), None)
        if task is not None:
            task.cancel()
        self._kept.drop((key, name))

    def cancel(self, key: str, name: str) -> bool:
        """Stop the answer that is being made in the background; False where there is none."""
        task = self.running.get((key, name))
        return task is not None and task.cancel()

    async def close(self) -> None:
        """Stop every answer in the background, as the process ends."""
        await end(self.running.values())


def resolved(body: Json, stored: Stored, key: str) -> Prepared:
    """Return a Responses body with what it refers to put in, and its labels. Raises ``Refusal``.

    A name that nobody knows is a 404 in the wire's own words; with the store off it is a 400.
    """
    if body.get("conversation") is not None:
        raise Refusal(
            "unsupported_parameter",
            "`conversation` is not kept here; send the items, or `previous_response_id`",
            param="conversation",
        )
    labels = NO_LABELS
    previous = body.get("previous_response_id")
    if previous is not None:
        items, label = _known(stored, key, previous)
        body, labels = with_history(body, list(items)), frozenset({label})
    named = references(body)
    if named:
        found = {name: _known_item(stored, key, name) for name in named}
        body = with_items(body, {name: item for name, (item, _) in found.items()})
        labels |= {label for _, label in found.values()}
    return body, labels


def raised(facts: RequestFacts, labels: frozenset[str], policy: Policy) -> RequestFacts:
    """Return ``facts`` under the most sensitive of its own label and ``labels``.

    Raises ``Refusal`` for a label that the policy no longer has: nobody could say what it allows.
    """
    rank = policy.label_rank(facts.label)
    for label in labels:
        try:
            rank = max(rank, policy.label_rank(label))
        except LabelError:
            raise Refusal(
                "policy_denied",
                f"what this request refers to was kept under label {label!r}, which the policy no "
                "longer has; send the whole conversation",
            ) from None
    return replace(facts, label=policy.labels[rank])


def unthreaded(body: Json, _stored: Stored, _key: str) -> Prepared:
    """Return a Messages body that holds its whole conversation. Raises ``Refusal``.

    A host that held the turns before this one would be the only one that can go on, and policy
    would not see what it is asked. SDKs know this refusal: they send the whole conversation then.
    """
    if body.get("thread") is not None:
        raise Refusal(
            "thread_unsupported_request",
            "`thread` is not kept here; send the whole conversation",
            param="thread",
        )
    return body, NO_LABELS


def _known(stored: Stored, key: str, name: Any) -> tuple[tuple[Any, ...], str]:
    if not stored.on:
        raise Refusal("unsupported_parameter", OFF, param="previous_response_id")
    kept = stored.get(key, name) if isinstance(name, str) else None
    if kept is None:
        raise Refusal(
            "previous_response_not_found",
            f"there is no answer {str(name)[:80]!r} here (any more)",
            param="previous_response_id",
        )
    if kept.label is None:
        raise Refusal(
            "invalid_request",
            f"the answer {str(name)[:80]!r} is not whole (it is {kept.response.get('status')}), so "
            "that no request can go on from it; send the conversation",
            param="previous_response_id",
        )
    return kept.items, kept.label


def _known_item(stored: Stored, key: str, name: str) -> tuple[Json, str]:
    if not stored.on:
        raise Refusal("unsupported_parameter", OFF, param="input")
    found = stored.item(key, name)
    if found is None:
        text = f"there is no item {name[:80]!r} here (any more)"
        raise Refusal("previous_response_not_found", text, param="input")
    return found


def keep(stored: Stored, key: str, body: Json, answer: bytes, label: str) -> None:
    """Keep an answer that goes to the client: a whole body, or the last events of a stream."""
    if not stored.on or body.get("store") is False:
        return
    response = _response_in(answer)
    if response is None:
        return
    size = len(answer) + len(_encode(body.get("input")))
    stored.put(key, response, tuple(input_items(body)), size, label)


def _response_in(answer: bytes) -> Json | None:
    if answer[:1] == b"{":
        found = _decoded(answer)
        return found if isinstance(found, dict) else None
    for line in reversed(answer.splitlines()):
        if line.startswith(b"data:"):
            event = _decoded(line[5:].strip())
            if isinstance(event, dict) and isinstance(event.get("response"), dict):
                response: Json = event["response"]
                return response
    return None


def _decoded(data: bytes) -> Any:
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
