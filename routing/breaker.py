"""The breaker of one route: opens where too many of the last attempts failed, and tries again.

Closed, everything goes. Open, nothing does, for 10 s at first and twice as long after each failed
probe. Half open, one attempt at a time is let through as a probe, and two good ones close it.
"""

from __future__ import annotations

from typing import Literal

State = Literal["closed", "open", "half_open"]

WINDOW_S = 30.0  # older attempts are forgotten
SLOTS = 6  # of WINDOW_S / SLOTS seconds each
ATTEMPTS_LEAST = 5  # fewer say nothing of a rate
RATE = 0.5  # of the attempts in the window
OPEN_S, OPEN_MOST_S = 10.0, 120.0
JITTER = 0.25  # so that many gateways do not come back at one moment
PROBES_GOOD = 2
PROBE_MOST_S = 60.0  # a probe whose end nobody told is given up
SLOT_S = WINDOW_S / SLOTS


class Breaker:
    """Counts the attempts at one route. Times are seconds of one clock, given by the caller."""

    __slots__ = ("_bad", "_good", "_probe_at", "_probes", "_slots", "opened_s", "state", "until")

    def __init__(self) -> None:
        self.state: State = "closed"
        self.until = 0.0
        self.opened_s = 0.0
        self._good = [0] * SLOTS
        self._bad = [0] * SLOTS
        self._slots = [-1] * SLOTS
        self._probe_at: float | None = None
        self._probes = 0

    def good(self, now: float) -> None:
        """Count an attempt that the host answered."""
        self._good[self._slot(now)] += 1
        if self.state != "closed" and now >= self.until:
            self._probe_at = None
            self._probes += 1
            if self._probes >= PROBES_GOOD:
                self._close()

    def bad(self, now: float, draw: float) -> None:
        """Count an attempt that failed; ``draw`` is a random number from 0 to 1."""
        self._bad[self._slot(now)] += 1
        if self.state == "closed":
            good, bad = self.counts(now)
            if good + bad >= ATTEMPTS_LEAST and bad >= RATE * (good + bad):
                self._open(now, OPEN_S, draw)
        elif now >= self.until:
            self._open(now, min(self.opened_s * 2, OPEN_MOST_S), draw)
        # What was under way when it opened says nothing new.

    def gone(self) -> None:
        """Free the probe's place: its attempt ended and said nothing of the host."""
        self._probe_at = None

    def wait_s(self, now: float) -> float:
        """Return in how many seconds an attempt may be made; 0 is now."""
        if self.state == "closed":
            return 0.0
        if now < self.until:
            return self.until - now
        if self._probe_at is None:
            return 0.0
        return max(0.0, self._probe_at + PROBE_MOST_S - now)

    def take(self, now: float) -> None:
        """Take the probe's place, where the time for one has come."""
        if self.state != "closed" and now >= self.until:
            self.state = "half_open"
            self._probe_at = now

    def counts(self, now: float) -> tuple[int, int]:
        """Return how many attempts of the last half minute were good, and how many failed."""
        oldest = int(now / SLOT_S) - SLOTS
        good = bad = 0
        for place, slot in enumerate(self._slots):
            if slot > oldest:
                good += self._good[place]
                bad += self._bad[place]
        return good, bad

    def _slot(self, now: float) -> int:
        slot = int(now / SLOT_S)
        place = slot % SLOTS
        if self._slots[place] != slot:
            self._slots[place] = slot
            self._good[place] = self._bad[place] = 0
        return place

    def _open(self, now: float, seconds: float, draw: float) -> None:
        self.state = "open"
        self.opened_s = seconds
        self.until = now + seconds * (1 - JITTER + 2 * JITTER * draw)
        self._probe_at = None
        self._probes = 0

    def _close(self) -> None:
        self.state = "closed"
        self.opened_s = 0.0
        self._slots = [-1] * SLOTS
