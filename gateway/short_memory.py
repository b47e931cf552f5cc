"""What is kept for a while in memory: bounded by age and by bytes, the oldest goes first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    until: float
    size: int


class ShortMemory(Generic[K, V]):
    """Values that are forgotten after ``for_s`` seconds, or where all weigh over ``most_bytes``.

    ``most_bytes`` 0 keeps nothing. Whoever puts a value in says what it weighs.
    """

    def __init__(
        self, for_s: float, most_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._for_s = for_s
        self._most = most_bytes
        self._clock = clock
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._size = 0

    @property
    def on(self) -> bool:
        """Whether anything is kept."""
        return self._most > 0

    @property
    def size(self) -> int:
        """Bytes that are held now."""
        return self._size

    def configure(self, for_s: float, most_bytes: int) -> None:
        """Take other bounds; what is over them goes."""
        self._for_s, self._most = for_s, most_bytes
        self._trim()

    def put(self, key: K, value: V, size: int) -> None:
        """Keep ``value``, of ``size`` bytes, in the place of what was there."""
        if not self.on:
            return
        self.drop(key)
        self._kept[key] = _Kept(value, self._clock() + self._for_s, size)
        self._size += size
        self._trim()

    def get(self, key: K) -> V | None:
        """Return what is kept under ``key``; None where nothing is, or no longer."""
        kept = self._kept.get(key)
        return kept.value if kept is not None and kept.until >= self._clock() else None

    def drop(self, key: K) -> bool:
        """Forget what is under ``key``; False where there was nothing."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return False
        self._size -= kept.size
        return True

    def newest_first(self) -> Iterator[tuple[K, V]]:
        """Give all that is kept, the last that was put in first."""
        now = self._clock()
        for key, kept in reversed(self._kept.items()):
            if kept.until >= now:
                yield key, kept.value

    def _trim(self) -> None:
        now = self._clock()
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if self._size <= self._most and oldest.until >= now:
                return
            self.drop(key)
