"""What is paid for a subscription of the config, in dollars, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from decimal import Decimal
from typing import Literal

from billing.plans import Paid
from gateway.routes import Provider
from providers.plan import Fee, Plan


@dataclass(frozen=True, slots=True)
class FeeSaid:
    """A plan's fee before it is words: ``amount`` of ``currency`` for each ``per``, ``times`` over.

    ``by`` is who says it, "" where no fee in dollars is known: then ``amount`` is None, and either
    ``tiers`` are the sizes of which none was named, or ``known`` are its fees in currencies without
    a rate; with neither nobody knows the fee. ``note`` is the vendor's own.
    """

    by: Literal["config", "vendor", ""] = ""
    amount: Decimal | None = None
    currency: str = "USD"
    per: str = ""
    note: str = ""
    times: int = 1
    tiers: tuple[str, ...] = ()
    known: tuple[Fee, ...] = ()


def fee(owner: Provider, plan: Plan, zone: tzinfo, at: datetime) -> tuple[Paid | None, FeeSaid]:
    """Return what is paid for a plan in dollars, None where unknown; and who says it.

    Rates of currencies are those of ``at``.
    """
    said = owner.form.fee
    keys = len({key.quota for key in owner.endpoints})
    if said is not None:
        since = datetime.combine(said.since, time(), zone) if said.since is not None else None
        told = FeeSaid("config", said.usd.normalize(), per=said.per, times=keys)
        return Paid(said.usd, said.per, since, keys), told
    tier = plan.tiers.get(owner.form.tier or "")
    if tier is None:
        return None, FeeSaid(tiers=tuple(plan.tiers))
    fees = sorted(tier.fees or (), key=_usual_first)
    for one in fees:
        rate = owner.exchange.at(one.currency, at.astimezone(UTC))
        if one.currency != "USD" and rate is None:
            continue
        usd = one.amount if rate is None or one.currency == "USD" else one.amount * rate.usd
        told = FeeSaid("vendor", one.amount, one.currency, one.per, one.note, keys)
        return Paid(usd, one.per, None, keys), told
    return None, FeeSaid(known=tuple(fees))


def in_words(said: FeeSaid) -> tuple[str, str]:
    """Return what is paid, "" where that is not known; and why it is not, "" where it is."""
    if said.amount is not None:
        note = f" ({said.note})" if said.note else ""
        times = f", {said.times} times" if said.times > 1 else ""
        by = "by the config" if said.by == "config" else "by the vendor's list"
        return f"{said.amount:f} {said.currency} a {said.per}{note}{times}, {by}", ""
    if said.tiers:
        right = f"tier: one of {', '.join(said.tiers)}; or fee: {{usd: …, per: month}}"
        return "", f"which size was bought is not said; in the config: {right}"
    known = ", ".join(f"{one.amount:f} {one.currency} a {one.per}" for one in said.known)
    why = f"its fee is known as {known}, and no rate of it" if known else "its fee is not known"
    return "", f"{why}; in the config: fee: {{usd: …, per: month}}"


def _usual_first(one: Fee) -> tuple[bool, bool]:
    # One with a note is for those who pay by the year, or for the first month.
    return (one.currency != "USD", bool(one.note))
