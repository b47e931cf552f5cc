"""The YAML form of the prices of a model at a host; its values are those of the config's form too.

``providers.prices`` says what each of them means.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from providers import catalog_values as values
from providers import prices
from providers.catalog_values import Exact, Form
from providers.prices import FIGURES, Currency, freeze
from providers.source import Source
from providers.usage import BUCKETS

# Per million tokens in US dollars, or in a currency of which a unit is not worth much less: above
# it the unit of the figure is wrong. A yuan is worth more than a tenth of a dollar.
MOST = 1000
MOST_CNY = 10_000
FACTOR_MOST = 100
BANDS_MOST = 8


def _text(value: object) -> object:
    """Take a day or a moment as YAML reads it, without quotes, for its text."""
    return value.isoformat() if isinstance(value, date) else value


def _moment(text: str) -> str:
    try:
        prices.moment(text)
    except ValueError:
        raise ValueError(
            f"`{text}` is no day or moment; write it as 2026-12-01 or 2026-12-01T16:00"
        ) from None
    return text


def _hours(text: str) -> str:
    try:
        start, end = prices.hours(text)
    except ValueError:
        raise ValueError(f"`{text}` are no hours of a day; write them as 09:00-12:00") from None
    if start == end:
        raise ValueError(f"`{text}` are no hours; leave them out for the whole day")
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"`{name}` names no time zone; write one such as Asia/Shanghai") from None
    return name


Moment = Annotated[str, BeforeValidator(_text), AfterValidator(_moment)]
Day = Annotated[values.Day, BeforeValidator(_text)]
Hours = Annotated[str, AfterValidator(_hours)]
Zone = Annotated[str, AfterValidator(_zone)]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
BandName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 :,._-]{0,39}$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Weekdays = Annotated[list[Weekday], Field(min_length=1, max_length=7)]
Factor = Annotated[Exact, Field(le=FACTOR_MOST)]


class RatesForm(Form):
    """Prices per million tokens, by bucket; ``request`` and ``search`` each for one of them."""

    input: Exact | None = None
    output: Exact | None = None
    cache_read: Exact | None = None
    cache_write: Exact | None = None
    cache_write_long: Exact | None = None
    audio_input: Exact | None = None
    audio_output: Exact | None = None
    image_input: Exact | None = None
    image_output: Exact | None = None
    reasoning: Exact | None = None
    request: Exact | None = None
    search: Exact | None = None


class LongPromptForm(RatesForm):
    """Terms of a whole call whose prompt has more than so many tokens, or so many and more."""

    prompt_tokens: Annotated[int, Field(gt=0)] | None = None
    from_prompt_tokens: Annotated[int, Field(gt=1)] | None = None
    factor: Factor | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.prompt_tokens is None) == (self.from_prompt_tokens is None):
            raise ValueError("needs one of `prompt_tokens` (above it) and `from_prompt_tokens`")
        check_terms(self)
        return self


class ServiceForm(RatesForm):
    """Terms of one tier of service: figures, or a factor on the usual ones."""

    factor: Factor | None = None
    above: list[LongPromptForm] = Field(default_factory=list)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        check_terms(self)
        return self


class BandForm(RatesForm):
    """Terms that hold at some times: figures, or a factor on what holds without the band."""

    name: BandName
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None
    weekdays: Weekdays | None = None
    hours: list[Hours] = Field(default_factory=list, max_length=6)
    holidays: Literal["only", "never"] | None = None
    makeup_days: Literal["workday", "weekend", "unknown"] = "unknown"
    factor: Factor | None = None
    above: list[LongPromptForm] = Field(default_factory=list)
    tiers: dict[str, ServiceForm] = Field(default_factory=dict)
    source: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        check_terms(self)
        check_band(self)
        return self


class YearForm(Form):
    """The public holidays of a year, and the weekend days on which people work."""

    days: list[Day] = Field(min_length=1)
    workdays: list[Day] = Field(default_factory=list)


class PricesForm(RatesForm):
    """Prices where the price package lacks them, in the currency that the vendor bills.

    Without ``input`` they add to the package's. A currency other than USD needs a rate in the
    config; without one the cost is known in that currency only.
    """

    currency: Currency = "USD"
    time_zone: Zone = "UTC"
    holidays_of: CountryCode | None = None
    holidays: dict[int, YearForm] = Field(default_factory=dict)
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None
    above: list[LongPromptForm] = Field(default_factory=list)
    tiers: dict[str, ServiceForm] = Field(default_factory=dict)
    bands: list[BandForm] = Field(default_factory=list, max_length=BANDS_MOST)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        check_list(self, self.input is None)
        most = MOST_CNY if self.currency == "CNY" else MOST
        figure = dearest(self.model_dump(exclude_none=True))
        if figure > most:
            raise ValueError(
                f"comes to {figure:f} {self.currency} per million tokens, over {most}; figures are "
                "per million tokens, not per token or in cents"
            )
        return self

    def frozen(self, source: Source, sources: Mapping[str, Source]) -> prices.Prices:
        """Return what is said, with the source of the whole; bands may name others by key."""
        said = self.model_dump(exclude_none=True)
        return freeze({**said, "adds": self.input is None}, source, sources)


def check_terms(form: Any) -> None:
    """Raise ``ValueError`` where terms have both figures and a factor, or neither."""
    figures = [name for name in FIGURES if getattr(form, name, None) is not None]
    if form.factor is None and not figures:
        raise ValueError("says no price: figures, or a `factor`")
    if form.factor is not None and figures:
        raise ValueError(f"has a `factor` and figures ({', '.join(figures)}); one of the two")
    if form.factor is not None and (getattr(form, "above", None) or getattr(form, "tiers", None)):
        raise ValueError("has a `factor`, which holds for tiers too; leave `above`, `tiers` out")
    check_rising(getattr(form, "above", ()))


def check_rising(above: Any) -> None:
    """Raise ``ValueError`` where the tiers of a long context do not rise."""
    starts = [one.prompt_tokens or (one.from_prompt_tokens or 0) - 1 for one in above]
    if starts != sorted(set(starts)):
        raise ValueError(f"the tiers of a long context must rise: {starts}")


def check_band(form: Any) -> None:
    """Raise ``ValueError`` for a band that says nothing of a time, or one that never comes."""
    when = (form.since, form.until, form.weekdays, form.holidays)
    if not form.hours and all(said is None for said in when):
        raise ValueError("says no time: from, until, weekdays, hours or holidays")
    check_validity(form)


def check_validity(form: Any) -> None:
    """Raise ``ValueError`` where what is stated ends before it begins."""
    if form.since and form.until and form.until[:16] <= form.since[: len(form.until)]:
        raise ValueError(f"ends ({form.until}) before it begins ({form.since})")


def check_list(form: Any, adds: bool) -> None:
    """Raise ``ValueError`` for what does not agree in a whole list; ``adds``: it has no input."""
    check_rising(form.above)
    check_validity(form)
    if any(band.holidays for band in form.bands) and form.holidays_of is None and not form.holidays:
        raise ValueError("a band looks at holidays: whose? write `holidays_of: CN`, or `holidays`")
    if not adds:
        return
    if form.output is not None or form.above or form.bands or form.currency != "USD":
        raise ValueError(
            "has no `input`, so it adds to the price package's list: that takes figures and tiers "
            "in USD, and no output, above or bands"
        )
    if not form.tiers and all(getattr(form, name, None) is None for name in FIGURES):
        raise ValueError("says no price")


def dearest(said: Mapping[str, Any]) -> Decimal:
    """Return the most that a million tokens come to in plain terms, factors and all."""
    own = [said[name] for name in BUCKETS if name in said]
    nested = [*said.get("above", ()), *said.get("tiers", {}).values(), *said.get("bands", ())]
    found: Decimal = max([*own, *map(dearest, nested)], default=Decimal(0))
    for kind in (said.get("above", ()), said.get("tiers", {}).values(), said.get("bands", ())):
        found *= max([Decimal(1), *(one["factor"] for one in kind if "factor" in one)])
    return found
