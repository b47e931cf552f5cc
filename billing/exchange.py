"""What currencies are worth in US dollars, by the day, as the config states it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars for one of a currency, from the moment ``since`` on (UTC; None: always)."""

    usd: Decimal
    since: datetime | None
    source: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """The rates of each currency, the oldest first; before the first one the rate is unknown."""

    rates: Mapping[str, tuple[Rate, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def at(self, currency: str, utc: datetime) -> Rate | None:
        """Return the rate of a currency at a moment, None where nobody stated one."""
        for rate in reversed(self.rates.get(currency, ())):
            if rate.since is None or utc >= rate.since:
                return rate
        return None


NO_RATES = Exchange()
