"""What a provider charges, as the config file says it: prices, discounts, fees on top.

``providers.prices`` says what each part of a price list means; ``source`` and ``date`` are for
people, and stand in the ledger beside every cost.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gateway.config_values import Form, Name, Number, PerMillion, Text
from gateway.problems import WrongError
from providers import prices
from providers.catalog_price_form import (
    BANDS_MOST,
    FACTOR_MOST,
    MOST,
    MOST_CNY,
    BandName,
    CountryCode,
    Day,
    Hours,
    Moment,
    Weekday,
    Zone,
    check_band,
    check_list,
    check_terms,
    check_validity,
    dearest,
)
from providers.prices import Currency, freeze
from providers.source import Source

# The config's words for prices, and the ledger's.
BUCKET_OF = {"cached_read": "cache_read", "cached_write": "cache_write",
             "cached_write_long": "cache_write_long"}  # fmt: skip
PERCENT_MOST = 100
# Each may double the number of bands.
CHANGES_MOST = 4

Factor = Annotated[PerMillion, Field(le=FACTOR_MOST)]
Percent = Annotated[PerMillion, Field(gt=0, le=PERCENT_MOST)]


class RatesForm(Form):
    """Prices per million tokens; ``request`` and ``search`` each for one of them.

    None: this kind of token has no known price. ``reasoning`` None is billed as output.
    """

    input: PerMillion | None = None
    output: PerMillion | None = None
    cached_read: PerMillion | None = None
    cached_write: PerMillion | None = None
    cached_write_long: PerMillion | None = None
    reasoning: PerMillion | None = None
    audio_input: PerMillion | None = None
    audio_output: PerMillion | None = None
    image_input: PerMillion | None = None
    image_output: PerMillion | None = None
    request: PerMillion | None = None
    search: PerMillion | None = None


class LongPromptForm(RatesForm):
    """Prices of a whole call whose prompt has more tokens than the number, or so many and more."""

    prompt_tokens: Annotated[int, Number, Field(gt=0)] | None = None
    from_prompt_tokens: Annotated[int, Number, Field(gt=1)] | None = None
    factor: Factor | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.prompt_tokens is None) == (self.from_prompt_tokens is None):
            raise WrongError(
                "needs to say from where on it holds",
                "prompt_tokens (above that many) or from_prompt_tokens (that many and more)",
            )
        _check(check_terms, self)
        return self


class ServiceForm(RatesForm):
    """Prices of one tier of service: figures, or a factor on the usual ones."""

    factor: Factor | None = None
    above: tuple[LongPromptForm, ...] = ()

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        _check(check_terms, self)
        return self


class BandForm(RatesForm):
    """Prices that hold at some times: figures, or a factor on what holds without the band."""

    name: BandName
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] | None = None
    hours: Annotated[tuple[Hours, ...], Field(max_length=6)] = ()
    holidays: Literal["only", "never"] | None = None
    makeup_days: Literal["workday", "weekend", "unknown"] = "unknown"
    factor: Factor | None = None
    above: tuple[LongPromptForm, ...] = ()
    tiers: dict[Name, ServiceForm] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        _check(check_terms, self)
        _check(check_band, self)
        return self


class YearForm(Form):
    """The public holidays of a year, and the weekend days on which people work."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)]
    workdays: tuple[Day, ...] = ()


class PriceForm(RatesForm):
    """What one model costs, over what the catalogue and the price package say.

    Per million tokens, in ``currency``. Outside ``from`` and ``until`` theirs hold. Without
    ``input`` it adds to what they say: figures for what they lack, tiers of service.
    """

    currency: Currency = "USD"
    time_zone: Zone = "UTC"
    holidays_of: CountryCode | None = None
    holidays: dict[int, YearForm] = Field(default_factory=dict)
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None
    above: tuple[LongPromptForm, ...] = ()
    tiers: dict[Name, ServiceForm] = Field(default_factory=dict)
    bands: Annotated[tuple[BandForm, ...], Field(max_length=BANDS_MOST)] = ()
    source: Text = "config"
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.input is not None and self.output is None:
            raise WrongError("has an input and no output", "output: 0 where none is charged")
        _check(check_list, self, self.input is None)
        most = MOST_CNY if self.currency == "CNY" else MOST
        figure = dearest(_plain(self.model_dump(exclude_none=True)))
        if figure > most:
            raise WrongError(
                f"comes to over {most} {self.currency} per million tokens",
                "figures per million tokens, not per token or in cents, with factors that fit",
            )
        return self

    def frozen(self) -> prices.Prices:
        """Return what is said."""
        said = _plain(self.model_dump(exclude_none=True))
        said["adds"] = self.input is None
        for band in said["bands"]:
            band["source"] = ()
        return freeze(said, Source(self.source, self.date or ""), {})


class ChangeForm(Form):
    """A percentage off, or on top of, what a provider lists; ``models`` None: of all.

    What the config states as a price is what is paid, and not changed by it.
    """

    percent: Percent
    models: tuple[Text, ...] | None = None
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None
    time_zone: Zone = "UTC"
    source: Text = "config"
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        _check(check_validity, self)
        return self

    @property
    def bounds(self) -> tuple[prices.Moment | None, prices.Moment | None]:
        """From when to when it holds."""
        since, until = self.since, self.until
        return (
            prices.moment(since) if since is not None else None,
            prices.moment(until) if until is not None else None,
        )


def _check(check: Any, *given: Any) -> None:
    """Say a fault of the shared checks as one of this file."""
    try:
        check(*given)
    except ValueError as fault:
        raise WrongError(str(fault), "see `prices` in the config's example") from None


def _plain(said: Any) -> Any:
    """Return a form's plain data in the ledger's words for tokens."""
    if isinstance(said, dict):
        return {BUCKET_OF.get(key, key): _plain(inner) for key, inner in said.items()}
    return [_plain(one) for one in said] if isinstance(said, list | tuple) else said
