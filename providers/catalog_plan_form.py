"""The YAML form of a plan: a subscription whose key is a contract of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from providers.catalog_price_form import Factor, Hours, Weekdays, Zone
from providers.catalog_values import Dotted, Exact, Fact, Form, Header

Currency = Literal["USD", "EUR", "CNY", "CHF", "GBP"]


class FeeForm(Form):
    """What a plan costs for a period, exactly, in the vendor's own currency."""

    amount: Exact
    currency: Currency
    per: Literal["month", "year", "quarter"] = "month"
    note: str = ""


Span = Annotated[str, Field(pattern=r"^[1-9][0-9]*(h|d|month)$")]


class WindowForm(Form):
    """How much may be used in a window; ``amount`` missing: the vendor does not publish it.

    ``starts`` is when a window begins anew: at fixed times, behind every request, with the first
    request of it.
    """

    per: Span
    unit: Literal["requests", "prompts", "tokens", "credits", "usd"]
    amount: Exact | None = None
    starts: Literal["fixed", "rolling", "first_use"] | None = None
    note: str = ""


class TierForm(Form):
    """One size of a plan: its prices (one for each currency or period) and its windows."""

    fees: Fact[list[FeeForm]]
    windows: Fact[list[WindowForm]]


class TermsForm(Form):
    """What the contract allows.

    ``gateway``: whether calls may come by way of a gateway at all. ``clients``: the programs that
    may call, by their names under ``gateway/clients`` or as ``User-Agent`` patterns; ``any`` for
    all. ``who``: whom the key is for.
    """

    gateway: Fact[Literal["allowed", "forbidden"]]
    clients: Fact[list[str]]
    who: Fact[str] | None = None


class HoursForm(Form):
    """When a call counts ``factor`` times: on these weekdays, in these hours; missing is always."""

    factor: Factor
    weekdays: Weekdays | None = None
    hours: list[Hours] = Field(default_factory=list, max_length=6)


class WeightForm(Form):
    """The credits of one token: read fresh, read from the cache, and written."""

    input: Exact
    cache_read: Exact
    output: Exact


class ListPriceForm(Form):
    """A call is weighed by its list price: so many ``credits`` are one of ``currency``."""

    currency: Currency
    credits: Exact


class WeightsForm(Form):
    """How many credits a call takes: of so many tokens (``per``) by model, or by its list price.

    ``usual`` multiplies it at all times that are not among ``hours``, in ``zone``.
    """

    per: Annotated[Exact, Field(gt=0)] = Field(default="1", validate_default=True)
    models: dict[str, WeightForm] = Field(default_factory=dict)
    list_price: ListPriceForm | None = None
    zone: Zone = "UTC"
    usual: Exact = Field(default="1", validate_default=True)
    hours: list[HoursForm] = Field(default_factory=list)

    @model_validator(mode="after")
    def _weighs_something(self) -> WeightsForm:
        if bool(self.models) == (self.list_price is not None):
            raise ValueError("needs either `models`, with what a token takes, or `list_price`")
        return self


class ToldForm(Form):
    """Where a window stands in an answer, or (without ``each``) in headers.

    ``each`` leads to a list of windows, ``only`` has what an element must say. ``per``, or
    ``number`` of the ``units`` that ``unit`` names, is the window's length. ``used`` or ``left``
    stand beside the ``limit``; else a percentage used or left, or a share from 0 to 1.
    """

    each: Dotted | None = None
    only: dict[str, str] = Field(default_factory=dict)
    per: Span | None = None
    number: Dotted | None = None
    unit: Dotted | None = None
    units: dict[str, Literal["minute", "hour", "day", "week", "month"]] = Field(
        default_factory=dict
    )
    used: Dotted | None = None
    left: Dotted | None = None
    limit: Dotted | None = None
    used_percent: Dotted | None = None
    left_percent: Dotted | None = None
    used_share: Dotted | None = None
    resets_at: Dotted | None = None

    @model_validator(mode="after")
    def _says_how_long_and_how_much(self) -> ToldForm:
        if (self.per is None) == (self.number is None):
            raise ValueError("needs either `per` or `number`: how long the window is")
        if (self.number is None) != (self.unit is None) or (self.unit is None) != (not self.units):
            raise ValueError("needs `number`, `unit` and `units` together")
        counts = self.limit is not None and (self.used is not None or self.left is not None)
        if not (counts or self.used_percent or self.left_percent or self.used_share):
            raise ValueError("needs `limit` with `used` or `left`, a percentage or a share")
        return self


class HeadersForm(ToldForm):
    """Where headers tell of a window; every place is the name of one."""

    each: None = None
    used: Header | None = None
    left: Header | None = None
    limit: Header | None = None
    used_percent: Header | None = None
    left_percent: Header | None = None
    used_share: Header | None = None
    resets_at: Header | None = None


class PlanForm(Form):
    """A subscription: its sizes, terms, and where what is left of it can be read.

    ``payg`` is the host that the same vendor charges by the token, as the fallback one would name.
    ``models`` and ``credits`` say in words which models a tier has and how a call is weighed,
    ``weights`` says the latter in figures. ``quota_path`` stands under the base URL; what its
    answer says is read by ``quota_says``, and headers of every answer by ``quota_headers``.
    """

    name: str
    tiers: dict[str, TierForm] = Field(min_length=1)
    terms: TermsForm
    payg: str | None = None
    quota_path: Fact[str] | None = None
    quota_says: Fact[list[ToldForm]] | None = None
    quota_headers: Fact[list[HeadersForm]] | None = None
    models: Fact[str] | None = None
    credits: Fact[str] | None = None
    weights: Fact[WeightsForm] | None = None
    concurrency: Fact[int] | None = None
