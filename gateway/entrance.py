"""One door of the hot path, as a value: the wire spoken there, and what is special about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.front import Send
from gateway.stored import NO_LABELS, Prepared, Stored
from providers.wires.wire import Json, Wire

Prepare = Callable[[Json, Stored, str], Prepared]
# The house and the admitted call, whose rooms know this one.
Answer = Callable[[Any, Any, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Entrance:
    """One door. ``path`` is what of the address names the model, "" where the body does.

    ``prepare(body, stored, key)`` gives the body with what it refers to put in, and the labels of
    that; ``keep(stored, key, body, answer, label)`` is told what goes to the client last, where
    answers may be kept, and the label of the request. ``answer`` is given the admitted call in the
    place of attempts at its routes.
    """

    wire: Wire
    path: str = ""
    prepare: Prepare = lambda body, _stored, _key: (body, NO_LABELS)
    keep: Callable[[Stored, str, Json, bytes, str], None] | None = None
    answer: Answer | None = None
