"""One set of unit prices, and the whole numbers that its figures are multiplied by. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal

from providers.usage import BUCKETS

ONE = Decimal(1)
USD = "USD"
_EXACT = Context(prec=200)
PROMPT_BUCKETS = BUCKETS.index("output")  # those before go in, the rest come out


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens of each bucket cost in ``currency``; None is no known price.

    ``reasoning`` None is priced as ``output``, ``image_input`` as ``input``. ``request`` is charged
    for the call itself, ``search`` for each search of the host's. ``source`` and ``date`` say where
    the figures come from. ``rate`` is what one of the currency is worth in US dollars (None:
    unknown), by ``rate_source``.

    ``above_prompt_tokens`` are the tiers of a long context, rising: with more prompt tokens than
    the number, its price holds for the whole prompt and answer. ``services`` has by name the price
    in each tier of service, with long contexts of its own. ``band`` (a time), ``service`` and
    ``above`` say which of them this price is; "" and 0 are the usual one. Raises ``ValueError`` for
    what is no price, or tiers out of order.

    Derived: ``unit_prices``, the figures as JSON for the ledger; ``rates``, per token, in the order
    of ``BUCKETS``, ``per_request`` and ``per_search``, all whole numbers of 10**-(12 + ``extra``)
    of the currency; ``amounts``, the rates with 0 for those that are not known, and ``complete``:
    there are none of those; ``to_usd``, the fraction that makes 1e-12 dollars of such a number;
    ``free``: a zero is stated for everything; ``dearest``, the highest of the rates in and of those
    out that are known.
    """

    input: Decimal | None
    output: Decimal | None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_long: Decimal | None = None
    audio_input: Decimal | None = None
    image_input: Decimal | None = None
    audio_output: Decimal | None = None
    image_output: Decimal | None = None
    reasoning: Decimal | None = None
    request: Decimal = Decimal(0)
    search: Decimal | None = None
    source: str = ""
    date: str = ""
    above_prompt_tokens: tuple[tuple[int, Price], ...] = ()
    services: tuple[tuple[str, Price], ...] = ()
    currency: str = USD
    rate: Decimal | None = ONE
    rate_source: str = ""
    band: str = ""
    service: str = ""
    above: int = 0
    unit_prices: str = field(init=False, repr=False, compare=False)
    rates: tuple[int | None, ...] = field(init=False, repr=False, compare=False)
    amounts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    complete: bool = field(init=False, repr=False, compare=False)
    per_request: int = field(init=False, repr=False, compare=False)
    per_search: int | None = field(init=False, repr=False, compare=False)
    extra: int = field(init=False, repr=False, compare=False)
    to_usd: tuple[int, int] | None = field(init=False, repr=False, compare=False)
    free: bool = field(init=False, repr=False, compare=False)
    dearest: tuple[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        figures: dict[str, Decimal] = {}
        extra = 0
        for name in (*BUCKETS, "request", "search"):
            figure = getattr(self, name)
            if figure is None:
                continue
            if not figure.is_finite() or figure < 0 or (figure and abs(figure.adjusted()) > 30):
                raise ValueError(f"{name}: {figure} is no price in US dollars")
            figures[name] = figure = figure.normalize(_EXACT)
            extra = max(extra, _decimals(figure) - (12 if name in ("request", "search") else 6))
        starts = [start for start, _ in self.above_prompt_tokens]
        if starts != sorted(set(starts)):
            raise ValueError(f"the tiers of a long context must rise: {starts}")
        object.__setattr__(self, "unit_prices", json.dumps(self._texts(figures)))
        for part, whole in (("reasoning", "output"), ("image_input", "input")):
            if part not in figures and whole in figures:
                figures[part] = figures[whole]
        rates = tuple(
            _scaled(figures[name], 6 + extra) if name in figures else None for name in BUCKETS
        )
        search = _scaled(self.search, 12 + extra) if self.search is not None else None
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "amounts", tuple(rate or 0 for rate in rates))
        object.__setattr__(self, "complete", None not in rates)
        amounts = self.amounts
        dearest = max(amounts[:PROMPT_BUCKETS]), max(amounts[PROMPT_BUCKETS:])
        object.__setattr__(self, "dearest", dearest)
        object.__setattr__(self, "per_request", _scaled(self.request, 12 + extra))
        object.__setattr__(self, "per_search", search)
        object.__setattr__(self, "extra", extra)
        object.__setattr__(self, "to_usd", self._fraction(extra))
        object.__setattr__(
            self, "free", search == 0 and not self.request and all(rate == 0 for rate in rates)
        )

    def _texts(self, figures: dict[str, Decimal]) -> dict[str, str]:
        texts = {name: f"{figure:f}" for name, figure in figures.items()}
        if not self.request:
            del texts["request"]
        said = {
            "currency": self.currency if self.currency != USD else "",
            "band": self.band,
            "tier": self.service,
            "above_prompt_tokens": self.above,
        }
        return {**texts, **{name: str(value) for name, value in said.items() if value}}

    def _fraction(self, extra: int) -> tuple[int, int] | None:
        if self.rate is None:
            return None
        numerator, denominator = self.rate.as_integer_ratio()
        return numerator, denominator * int(10**extra)

    def times(self, factor: Decimal, *, fees: bool = False) -> Price:
        """Return this price with every figure multiplied by ``factor``, exactly.

        The fees for requests and searches stay as they are but with ``fees``.
        """

        def scaled(figure: Decimal | None) -> Decimal | None:
            return None if figure is None else _EXACT.multiply(figure, factor)

        return replace(
            self,
            input=scaled(self.input),
            output=scaled(self.output),
            cache_read=scaled(self.cache_read),
            cache_write=scaled(self.cache_write),
            cache_write_long=scaled(self.cache_write_long),
            audio_input=scaled(self.audio_input),
            image_input=scaled(self.image_input),
            audio_output=scaled(self.audio_output),
            image_output=scaled(self.image_output),
            reasoning=scaled(self.reasoning),
            request=_EXACT.multiply(self.request, factor) if fees else self.request,
            search=scaled(self.search) if fees else self.search,
            above_prompt_tokens=tuple(
                (start, price.times(factor, fees=fees)) for start, price in self.above_prompt_tokens
            ),
            services=tuple((name, price.times(factor, fees=fees)) for name, price in self.services),
        )

    def at_rate(self, rate: Decimal | None, source: str = "") -> Price:
        """Return this price with what its currency is worth in US dollars."""
        return replace(
            self,
            rate=rate,
            rate_source=source,
            above_prompt_tokens=tuple(
                (start, price.at_rate(rate, source)) for start, price in self.above_prompt_tokens
            ),
            services=tuple((name, price.at_rate(rate, source)) for name, price in self.services),
        )

    def named(self, band: str) -> Price:
        """Return this price as that of a band of time."""
        return replace(
            self,
            band=band,
            above_prompt_tokens=tuple((at, p.named(band)) for at, p in self.above_prompt_tokens),
            services=tuple((name, price.named(band)) for name, price in self.services),
        )

    @property
    def where_from(self) -> str:
        """Where the figures come from, and the rate where there is one."""
        return f"{self.source}; rate: {self.rate_source}" if self.rate_source else self.source

    def usd(self, figure: Decimal | None) -> Decimal | None:
        """Return a figure of this price in US dollars; None: it or the rate is unknown."""
        if figure is None or self.rate is None:
            return None
        return figure if self.rate == ONE else _EXACT.multiply(figure, self.rate)

    def tier(self, prompt_tokens: int) -> Price:
        """Return the price that holds for a prompt of so many tokens."""
        for start, price in reversed(self.above_prompt_tokens):
            if prompt_tokens > start:
                return price
        return self

    def in_service(self, name: str) -> Price | None:
        """Return the price in a tier of service; None: it has no known price."""
        if not name or self.free:
            return self
        for known, price in self.services:
            if known == name:
                return price
        return None

    def reachable(self, prompt_tokens_most: int) -> Iterator[Price]:
        """Give every tier that a prompt of at most so many tokens can fall into."""
        yield self
        for start, price in self.above_prompt_tokens:
            if start < prompt_tokens_most:
                yield price


def _decimals(figure: Decimal) -> int:
    """Return how many places behind the point a normalised ``figure`` has."""
    exponent = figure.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _scaled(figure: Decimal, places: int) -> int:
    """Return ``figure * 10**places``, which has to be whole."""
    numerator, denominator = figure.as_integer_ratio()
    return numerator * int(10**places) // denominator
