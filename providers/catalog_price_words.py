"""A model's prices in words, as its facts are shown: figures, tiers, and when which hold."""

from __future__ import annotations

from collections.abc import Iterator

from providers.catalog_evidence import words
from providers.catalog_price_form import BandForm, LongPromptForm, PricesForm, RatesForm

# What a price is called for people; the others are called by their buckets.
_RATES = {
    "input": "in",
    "output": "out",
    "cache_read": "cached",
    "cache_write": "cache written",
    "request": "a request",
    "search": "a search",
}


def prices_in_words(form: PricesForm | None) -> str:
    """Return the prices of a model, such as "1.4 in, 4.4 out (USD per million tokens)"."""
    if form is None:
        return words(None)
    parts = [f"{_rates(form) or 'tiers'} ({form.currency} per million tokens)"]
    if form.input is None:
        parts[0] += ", beside what the price package says"
    parts += [_long(tier) for tier in form.above]
    parts += [f"{name} {_rates(tier)}" for name, tier in form.tiers.items()]
    parts += [f"{band.name} {_rates(band)} ({_when(band, form)})" for band in form.bands]
    valid = list(_bounds(form))
    return "; ".join([*parts, *([" ".join(valid)] if valid else [])])


def _long(tier: LongPromptForm) -> str:
    if tier.from_prompt_tokens is not None:
        return f"from {tier.from_prompt_tokens:,} tokens of prompt {_rates(tier)}"
    return f"above {tier.prompt_tokens:,} tokens of prompt {_rates(tier)}"


def _rates(form: RatesForm) -> str:
    factor = getattr(form, "factor", None)
    if factor is not None:
        return f"x{factor:f}"
    said = {name: getattr(form, name) for name in RatesForm.model_fields}
    return ", ".join(
        f"{price:f} {_RATES.get(name, name)}" for name, price in said.items() if price is not None
    )


def _when(band: BandForm, form: PricesForm) -> str:
    parts = list(_bounds(band))
    if band.weekdays is not None:
        parts.append(", ".join(band.weekdays))
    if band.hours:
        parts.append(" and ".join(band.hours))
    if band.holidays is not None:
        whose = form.holidays_of or "stated"
        parts.append(f"{'only' if band.holidays == 'only' else 'not'} on {whose} holidays")
    return f"{' '.join(parts)}, {form.time_zone}"


def _bounds(form: BandForm | PricesForm) -> Iterator[str]:
    if form.since is not None:
        yield f"from {form.since}"
    if form.until is not None:
        yield f"until {form.until}"
