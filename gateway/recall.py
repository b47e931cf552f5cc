"""What must come back to a host later: who issued which state, and the thoughts of a tool turn.

Clients send a conversation anew with every turn, and many drop what their SDK does not know. Two
things are remembered for a short time, in memory only and apart for each key of ours: which route
issued an opaque state or a tool call's id, and the reasoning of a turn that called tools, under the
ids of its calls. Both are bounded by age and by bytes; the oldest goes first.
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


class Recall:
    """The memory of one process. ``for_s`` seconds and ``most_bytes`` bytes bound it.

    ``most_bytes`` 0 turns it off: then nothing is kept and nothing is known.
    """

    def __init__(
        self, for_s: float, most_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept: ShortMemory[tuple[str, bytes], Turn | str] = ShortMemory(
            for_s, most_bytes, clock
        )

    @property
    def size(self) -> int:
        """Bytes that are held now."""
        return self._kept.size

    def configure(self, for_s: float, most_bytes: int) -> None:
        """Take other bounds; what is over them goes."""
        self._kept.configure(for_s, most_bytes)

    def issued(self, key: str, states: Iterable[str], route: str) -> None:
        """Remember that ``route`` gave out these states (or ids) to the holder of ``key``."""
        for state in states:
            self._kept.put((key, _mark("state", state)), route, len(route) + ENTRY_BYTES)

    def issuer(self, key: str, state: str) -> str:
        """Return the route that gave out ``state`` to this key's holder; "" where not known."""
        found = self._kept.get((key, _mark("state", state)))
        return found if isinstance(found, str) else ""

    def thought(self, key: str, turn: Turn) -> None:
        """Keep a turn's reasoning under the ids of its calls."""
        size = sum(
            len(part.text) + sum(len(state.data) for state in part.opaque)
            for part in turn.reasoning
        ) + sum(len(state.data) for _, states in turn.calls for state in states)
        for call_id, _ in turn.calls:
            if len(call_id) <= CALL_ID_MAX_CHARS:
                self._kept.put((key, _mark("turn", call_id)), turn, size + ENTRY_BYTES)

    def turn(self, key: str, call_id: str) -> Turn | None:
        """Return the turn that made the call ``call_id``, where it is still known."""
        found = self._kept.get((key, _mark("turn", call_id)))
        return found if isinstance(found, Turn) else None


def _mark(kind: str, text: str) -> bytes:
    # A digest, so that a long signature is not kept only to be recognised.
    return blake2b(f"{kind} {text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
