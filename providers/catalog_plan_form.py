"""The YAML form of a plan: a subscription whose key is a contract of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from providers.catalog_values import Exact, Fact, Form

Currency = Literal["USD", "EUR", "CNY", "CHF", "GBP"]


class FeeForm(Form):
    """What a plan costs for a period, exactly, in the vendor's own currency."""

    amount: Exact
    currency: Currency
    per: Literal["month", "year", "quarter"] = "month"
    note: str = ""


class WindowForm(Form):
    """How much may be used in a window; ``amount`` missing: the vendor does not publish it.

    ``starts`` is when a window begins anew: at fixed times, behind every request, with the first
    request of it.
    """

    per: Annotated[str, Field(pattern=r"^[1-9][0-9]*(h|d|month)$")]
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


class PlanForm(Form):
    """A subscription: its sizes, terms, and where what is left of it can be read.

    ``payg`` is the host that the same vendor charges by the token, as the fallback one would name.
    ``models`` and ``credits`` say in words which models a tier has and how a call is weighed.
    """

    name: str
    tiers: dict[str, TierForm] = Field(min_length=1)
    terms: TermsForm
    payg: str | None = None
    quota_path: Fact[str] | None = None
    models: Fact[str] | None = None
    credits: Fact[str] | None = None
    concurrency: Fact[int] | None = None
