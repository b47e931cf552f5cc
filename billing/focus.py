"""The ledger in the FinOps cost format: FOCUS 1.2, one row for each hour and slice of it.

The names, types and allowed values are those of the specification (focus.finops.org, version 1.2,
read 2026-11). A row is what one key of one team asked of one model in one hour, with one user and
one list of tags; its charge is exact, and all rows add up to the ledger's sum. FOCUS has no way
of saying that a cost is unknown, and a zero would be a claim: what has no known cost has no row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import select

from billing.calendar_cuts import HOUR_S, QUARTER_S, SECOND_US, Span, moment, pieces
from billing.cells import Figure, lines
from billing.ledger import CORRECTION
from billing.money import usd_text
from billing.queries import each
from billing.reports import extent
from billing.schema import DIMENSIONS as COLUMNS_OF_SLICE
from billing.schema import HOURS, rollups
from billing.store import Store
from billing.sums import DIMENSIONS, SpendRow, Where, summed

# Every dimension that a slice has.
BY = tuple(name for name, column in DIMENSIONS.items() if column in COLUMNS_OF_SLICE)
# Column -> its type in the specification; those with x_ are ours.
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "BilledCost": "Decimal",
        "BillingAccountId": "String",
        "BillingAccountName": "String",
        "BillingCurrency": "String",
        "BillingPeriodEnd": "Date/Time",
        "BillingPeriodStart": "Date/Time",
        "ChargeCategory": "String",
        "ChargeClass": "String",
        "ChargeDescription": "String",
        "ChargeFrequency": "String",
        "ChargePeriodEnd": "Date/Time",
        "ChargePeriodStart": "Date/Time",
        "ConsumedQuantity": "Decimal",
        "ConsumedUnit": "String",
        "ContractedCost": "Decimal",
        "EffectiveCost": "Decimal",
        "InvoiceIssuerName": "String",
        "ListCost": "Decimal",
        "PricingQuantity": "Decimal",
        "PricingUnit": "String",
        "ProviderName": "String",
        "PublisherName": "String",
        "ServiceCategory": "String",
        "ServiceName": "String",
        "ServiceSubcategory": "String",
        "SkuId": "String",
        "SubAccountId": "String",
        "SubAccountName": "String",
        "Tags": "JSON",
        "x_Attempts": "Decimal",
        "x_CostLeast": "Decimal",
        "x_CostMost": "Decimal",
        "x_EstimatedAttempts": "Decimal",
        "x_ModelAsked": "String",
        "x_Operator": "String",
        "x_Plan": "String",
        "x_PolicyHash": "String",
        "x_ProcessedIn": "String",
        "x_Purpose": "String",
        "x_TokensCached": "Decimal",
        "x_TokensIn": "Decimal",
        "x_TokensOut": "Decimal",
        "x_UnknownCostAttempts": "Decimal",
        "x_Wire": "String",
    }
)
# Whoever is asked bills, sells and is paid: the ledger knows one name for it.
WHO = (
    "BillingAccountId", "BillingAccountName", "InvoiceIssuerName", "ProviderName", "PublisherName",
)  # fmt: skip
CATEGORY, SUBCATEGORY = "AI and Machine Learning", "Generative AI"
_HOUR_US = HOUR_S * SECOND_US


def focus(
    store: Store, since: datetime | None, until: datetime | None, where: Where
) -> Iterator[bytes]:
    """Give the CSV, hour by hour, with the line of names first.

    Raises ``StoreError``, and ``ValueError`` for a time that does not begin and end at a whole
    quarter of an hour.
    """
    begin, end = extent(store, since, until)
    if begin % (QUARTER_S * SECOND_US) or end % (QUARTER_S * SECOND_US):
        raise ValueError("this export begins and ends at a whole quarter of an hour")
    yield lines([list(COLUMNS)]).encode()
    for at in _hours(store, begin, end):
        hour = Span("", max(begin, at), min(end, at + _HOUR_US))
        found = summed(store, BY, where, pieces([hour], (QUARTER_S,)))
        rows = [_row(hour, found[key]) for key in sorted(found) if has_row(found[key])]
        if rows:
            yield lines(rows).encode()


def _hours(store: Store, begin: int, end: int) -> list[int]:
    """Return the hours in which anything was asked, microseconds since 1970."""
    first, last = begin // _HOUR_US * HOUR_S, end // SECOND_US
    query = select(rollups.c.at).where(
        rollups.c.grain == HOURS, rollups.c.at >= first, rollups.c.at < last
    )
    found = each(store, query.distinct(), moment(begin), moment(end))
    return sorted({row.at * SECOND_US for row in found})


def has_row(row: SpendRow) -> bool:
    """Whether a slice of an hour has anything that can be said: a known cost, or use for none."""
    return bool(row.cost_pico) or (not row.unknown and bool(row.tokens or row.searches))


def _row(hour: Span, row: SpendRow) -> list[object]:
    named = dict(zip(BY, row.names, strict=True))
    begin, end = moment(hour.begin), moment(hour.end)
    month = begin.replace(day=1, hour=0, minute=0)
    corrects = named["purpose"] == CORRECTION
    cost, tokens = Figure(usd_text(row.cost_pico)), row.tokens
    what = "Correction of earlier calls" if corrects else f"{row.attempts} calls"
    values: dict[str, object] = {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost),
        **dict.fromkeys(WHO, named["provider"]),
        "BillingCurrency": "USD",
        "BillingPeriodStart": _time(month),
        "BillingPeriodEnd": _time((month + timedelta(days=31)).replace(day=1)),
        "ChargeCategory": "Adjustment" if corrects else "Usage",
        "ChargeClass": None,
        "ChargeDescription": f"{what} of {named['model']} at {named['provider']}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(begin),
        "ChargePeriodEnd": _time(end),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), tokens),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), "Tokens"),
        "ServiceCategory": CATEGORY,
        "ServiceSubcategory": SUBCATEGORY,
        "ServiceName": named["provider"],
        "SkuId": f"{named['provider']}/{named['model']}",
        **dict.fromkeys(("SubAccountId", "SubAccountName"), named["team"] or None),
        "Tags": _tags(named),
        "x_Attempts": row.attempts,
        "x_CostLeast": Figure(usd_text(row.least_pico)),
        "x_CostMost": None if row.unbounded else Figure(usd_text(row.most_pico)),
        "x_EstimatedAttempts": row.estimated + row.missing,
        "x_ModelAsked": named["model_asked"],
        "x_Operator": named["operator"],
        "x_Plan": named["plan"] or None,
        "x_PolicyHash": named["policy"],
        "x_ProcessedIn": named["place"],
        "x_Purpose": named["purpose"],
        "x_TokensCached": row.tokens_cached,
        "x_TokensIn": row.tokens_in,
        "x_TokensOut": row.tokens_out,
        "x_UnknownCostAttempts": row.unknown,
        "x_Wire": named["wire"],
    }
    return [values[name] for name in COLUMNS]


def _tags(named: Mapping[str, str]) -> str:
    """Return a JSON object: team, key, user and label, and each tag of the client as ``tag/…``."""
    told: dict[str, object] = {
        name: named[name] for name in ("team", "key", "user", "label") if named[name]
    }
    told |= {f"tag/{tag}": True for tag in named["tag"].split(",") if tag}
    return json.dumps(told, ensure_ascii=False)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
