"""What this machine draws, as its own sensors say: read in the background, for machines at home.

Linux has counters of energy for processors (``powercap``, of Intel and AMD) and sensors of power
for graphics cards (``hwmon``). What cannot be read (another system, no right to) is not known, and
the watts that the config states stand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gateway.ending import end

SYS = Path("/sys/class")
EVERY_S = 2.0
GOOD_FOR_S = 10.0
FILES_MOST = 64
WATTS_MOST = 20_000
MICRO = 10**6
# Where a graphics card's driver says the power of the whole card, in millionths of a watt.
CARD_POWER = ("power1_average", "power1_input")
# Drivers of graphics cards; other sensors are batteries and boards.
CARDS = frozenset({"amdgpu", "xe", "i915", "nouveau"})


@dataclass(slots=True)
class _Counter:
    """One processor package's counter, millionths of a joule; ``most`` long, 0: nobody knows."""

    path: Path
    most: int
    last: int | None = None


class Power:
    """What this machine draws beyond idling, for the providers that are to be measured."""

    def __init__(self, root: Path = SYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._idle: Mapping[str, Decimal] = {}
        self._counters: list[_Counter] | None = None
        self._read_at: float | None = None
        self._drawn: tuple[float, Decimal] | None = None
        self._task: asyncio.Task[None] | None = None

    def hold(self, idle_watts: Mapping[str, Decimal]) -> None:
        """Measure for these providers, each with the watts of this machine when it waits."""
        self._idle = idle_watts
        if idle_watts and self._task is None:
            self._task = asyncio.ensure_future(self._go())

    def watts(self, provider: str) -> Decimal | None:
        """Return what answering draws beyond idling now; None where that is not measured."""
        idle = self._idle.get(provider)
        if idle is None or self._drawn is None or self._clock() - self._drawn[0] > GOOD_FOR_S:
            return None
        return max(Decimal(0), self._drawn[1] - idle)

    async def close(self) -> None:
        """Read nothing any more."""
        await end([self._task] if self._task is not None else [])

    async def _go(self) -> None:
        while True:
            if self._idle:
                await asyncio.to_thread(self.read)
            await asyncio.sleep(EVERY_S)

    def read(self) -> None:
        """Read the sensors once; two readings of a counter make a power."""
        now, joules, cards = self._clock(), self._joules(), self._cards()
        before, self._read_at = self._read_at, now
        if before is None or now <= before:
            return
        found = [] if joules is None else [joules / MICRO / Decimal(str(now - before))]
        found += [] if cards is None else [cards]
        drawn = sum(found, Decimal(0))
        # A counter that began anew by itself, in a sleep of the machine, looks like a round of it.
        self._drawn = (now, drawn) if found and drawn <= WATTS_MOST else None

    def _joules(self) -> Decimal | None:
        """Return what processors took since the last reading, millionths of a joule."""
        if self._counters is None:
            self._counters = list(self._packages())
        total = None
        for counter in self._counters:
            value, before = _number(counter.path), counter.last
            counter.last = value
            if value is None or before is None or (value < before and not counter.most):
                continue
            step = value - before
            total = (total or 0) + (step % counter.most if counter.most else step)
        return None if total is None else Decimal(total)

    def _packages(self) -> list[_Counter]:
        # Only whole packages: the parts of one would be counted twice.
        folders = sorted(self._root.glob("powercap/*-rapl:[0-9]*"))[:FILES_MOST]
        whole = [folder for folder in folders if folder.name.count(":") == 1]
        return [
            _Counter(folder / "energy_uj", most + 1 if most is not None else 0)
            for folder in whole
            for most in (_number(folder / "max_energy_range_uj"),)
        ]

    def _cards(self) -> Decimal | None:
        total = None
        for folder in sorted(self._root.glob("hwmon/hwmon*"))[:FILES_MOST]:
            if _text(folder / "name") not in CARDS:
                continue
            said = (_number(folder / name) for name in CARD_POWER)
            value = next((number for number in said if number is not None), None)
            if value is not None:
                total = (total or 0) + value
        return None if total is None else Decimal(total) / MICRO


def _text(path: Path) -> str:
    try:
        return path.read_text()[:64].strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isascii() and text.isdigit() else None
