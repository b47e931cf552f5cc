"""What must come back to a host later: who issued which state, and the thoughts of a tool turn.

Clients send a conversation anew with every turn, and many drop what their SDK does not know. Two
things are remembered for a short time, in memory only and apart for each key of ours: which route
issued an opaque state or a tool call's id, and the reasoning of a turn that called tools, under the
ids of its calls. Both are bounded by age and by bytes; the oldest goes first. Both carry the label
of the request that made them: who asks says under which labels it may look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from gateway.short_memory import ShortMemory
from providers.ir import Opaque, Reasoning

# What an entry weighs beside its texts: keys, tuples, the place in the order.
ENTRY_BYTES = 300
CALL_ID_MAX_CHARS = 256


@dataclass(frozen=True, slots=True)
class Turn:
    """The reasoning of one assistant turn, the state on each of its calls, and who gave them."""

    route: str
    reasoning: tuple[Reasoning, ...]
    calls: tuple[tuple[str, tuple[Opaque, ...]], ...]

    @property
    def text(self) -> str:
        """The thoughts as one text."""
        return "\n\n".join(part.text for part in self.reasoning if part.text)


@dataclass(frozen=True, slots=True)
class Issued:
    """Which route gave out a state, and under which labels it did, all of them."""

    route: str
    labels: frozenset[str]


class Recall:
    """The memory of one process. ``for_s`` seconds and ``most_bytes`` bytes bound it.

    ``most_bytes`` 0 turns it off: then nothing is kept and nothing is known.
    """

    def __init__(
        self, for_s: float, most_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept: ShortMemory[tuple[str, str, bytes], Turn | Issued] = ShortMemory(
            for_s, most_bytes, clock
        )

    @property
    def size(self) -> int:
        """Bytes that are held now."""
        return self._kept.size

    def configure(self, for_s: float, most_bytes: int) -> None:
        """Take other bounds; what is over them goes."""
        self._kept.configure(for_s, most_bytes)

    def issued(self, key: str, states: Iterable[str], route: str, label: str) -> None:
        """Remember that ``route`` gave out these states (or ids) to the holder of ``key``.

        A state that was given out under several labels keeps them all.
        """
        for state in states:
            name = (key, "", _mark("state", state))
            before = self._kept.get(name)
            labels = before.labels if isinstance(before, Issued) else frozenset[str]()
            issued = Issued(route, labels | {label})
            self._kept.put(name, issued, len(route) + ENTRY_BYTES)

    def issuer(self, key: str, state: str) -> Issued | None:
        """Return who gave out ``state`` to this key's holder; None where not known."""
        found = self._kept.get((key, "", _mark("state", state)))
        return found if isinstance(found, Issued) else None

    def thought(self, key: str, turn: Turn, label: str) -> None:
        """Keep a turn's reasoning under the ids of its calls and the label it was made under."""
        size = sum(
            len(part.text) + sum(len(state.data) for state in part.opaque)
            for part in turn.reasoning
        ) + sum(len(state.data) for _, states in turn.calls for state in states)
        for call_id, _ in turn.calls:
            if len(call_id) <= CALL_ID_MAX_CHARS:
                self._kept.put((key, label, _mark("turn", call_id)), turn, size + ENTRY_BYTES)

    def turn(
        self, key: str, call_id: str, labels: Iterable[str]
    ) -> tuple[Turn, str] | tuple[None, str]:
        """Return the turn that made the call ``call_id``, and its label: the first of ``labels``.

        (None, "") where none is known under any of them. Ids that hosts use again and again are so
        kept apart between labels.
        """
        mark = _mark("turn", call_id)
        for label in labels:
            found = self._kept.get((key, label, mark))
            if isinstance(found, Turn):
                return found, label
        return None, ""


def _mark(kind: str, text: str) -> bytes:
    # A digest, so that a long signature is not kept only to be recognised.
    return blake2b(f"{kind} {text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
