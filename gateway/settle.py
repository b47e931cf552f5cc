"""One attempt's account: from what was seen of it to one ledger entry, once."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from msgspec.structs import replace as copied

from billing import pricing
from billing.ledger import Entry
from billing.money import PICO_PER_USD
from billing.price import Price
from billing.pricing import Cost
from gateway.attempt import LOST_MAX_CHARS, Attempt
from gateway.home_meter import source
from gateway.house import House
from gateway.opening import beginning
from gateway.plan_paying import count, paid_by, prices
from gateway.recounting import again
from gateway.route_holds import overran
from gateway.used import Used, reported, used
from providers.tokens import COUNTED_MAX_CHARS
from providers.usage import Usage
from routing.affinity import Loss, loss
from routing.route import ceiling

NOTES_MAX_CHARS = 1000


def settle(house: House, attempt: Attempt) -> Entry:
    """Price the attempt and put its entry in the journal; a second call gives the same entry.

    Synchronous from end to end, so that no cancellation can come between.
    """
    if attempt.entry is None:
        if attempt.route.endpoint.server is not None and attempt.outcome == "completed":
            _look_back(house, attempt)
        found = used(attempt, house.tokenizers.ready, COUNTED_MAX_CHARS)
        lost = _learn(house, attempt, found.usage)
        attempt.plan = paid_by(house, attempt.route) if attempt.sent else ""
        attempt.took = house.home_meter.took(attempt.route, attempt)
        entry = attempt.entry = _entry(attempt, found, lost)
        if attempt.sent and entry.outcome != "failed":
            count(house, attempt.route, found.usage, attempt.at_us)
        house.keep(entry, attempt.slot)
        record = attempt.call.record
        record.attempts.append(entry)
        cost = entry.cost_pico
        known = record.cost_pico is not None and cost is not None
        record.cost_pico = (record.cost_pico or 0) + (cost or 0) if known else None
        if record.most_pico is not None:
            most = _most_of(attempt, entry)
            record.most_pico = record.most_pico + most if most is not None else None
        overran(house, attempt.call, attempt.held.settle(_most_of(attempt, entry), 0))
        if not entry.reconciled:
            house.metrics.count("unreconciled", (attempt.route.name,))
        if found.least is not None and attempt.countable:
            again(house, attempt, found, partial(_entry, attempt, lost=None))
    return attempt.entry


def _most_of(attempt: Attempt, entry: Entry) -> int | None:
    """Return what budgets count of an entry: the most that it can have cost, None: unknown."""
    return _most(attempt) if entry.cost_most_pico is None else entry.cost_most_pico


def _most(attempt: Attempt) -> int | None:
    """Return what an attempt of unknown cost can have cost, 1e-12 dollars; None: unknown."""
    began = datetime.fromtimestamp(attempt.at_us / 1e6, UTC)
    return ceiling(attempt.route, began, attempt.call.size)


def _learn(house: House, attempt: Attempt, usage: Usage) -> Loss | None:
    """Learn from an answer how long it was and what is cached now; return what a move lost."""
    call, route = attempt.call, attempt.route
    if attempt.outcome != "completed" or attempt.purpose != "call":
        return None
    house.answers.seen(call.facts.key, call.peek.model, usage.completion_tokens)
    if call.conversation is None:
        return None
    began = datetime.fromtimestamp(attempt.at_us / 1e6, UTC)
    lost = loss(route, usage, call.warm, call.candidates.routes, began)
    house.affinity.answered(call.conversation, route, usage, began)
    if lost is not None and lost.tokens:
        house.metrics.count("cache_lost_tokens", (lost.moved_from,), lost.tokens)
        house.metrics.count("cache_lost_usd", (lost.moved_from,), (lost.pico or 0) / PICO_PER_USD)
    return lost


def _look_back(house: House, attempt: Attempt) -> None:
    call = attempt.call
    note = house.at_home.look_back(
        attempt.route, call.lanes, reported(attempt), call.record.request_id
    )
    attempt.notes += [note] if note else []


def _cost(attempt: Attempt, usage: Usage) -> Cost:
    route, per_hour, took = attempt.route, attempt.route.usd_per_hour, attempt.took
    if per_hour is None:
        began = datetime.fromtimestamp(attempt.at_us / 1e6, UTC)
        return pricing.cost(usage, prices(route, attempt.plan), began, route.surcharge)
    if usage.state == "none" or took is None:
        return pricing.cost(usage, None, datetime.now(UTC))
    # A machine at home is paid by the hour: this call has its share of the time that it took.
    price = Price(None, None, source=source(took, per_hour))
    return Cost(took.pico, "priced", price, native_pico=took.pico)


def cost_bounds(attempt: Attempt, found: Used, cost: Cost) -> tuple[int | None, int | None]:
    """Return the least and the most that an attempt can have cost, 1e-12 dollars; None: unknown.

    What is paid by the hour, and what the host reported, is known.
    """
    route, least, most = attempt.route, found.least, found.most
    if route.usd_per_hour is not None:
        return cost.pico, cost.pico
    if least is None or most is None:
        return cost.least, cost.most
    began = datetime.fromtimestamp(attempt.at_us / 1e6, UTC)
    into, out = most
    known = into is not None and out is not None
    upper = (into or 0, out or 0) if known else least
    tier = found.usage.tier
    charged = prices(route, attempt.plan)
    low, high = pricing.bounds(charged, began, least, upper, route.surcharge, tier)
    return low, high if known else None


def _entry(attempt: Attempt, found: Used, lost: Loss | None) -> Entry:
    """Return the entry of an attempt: what was known, how it ended, what was used and its cost."""
    reader, lane, usage = attempt.reader, attempt.lane, found.usage
    cost = _cost(attempt, usage)
    price = cost.price
    in_least, out_least = found.least or (None, None)
    in_most, out_most = found.most or (None, None)
    cost_least, cost_most = cost_bounds(attempt, found, cost)
    known = beginning(attempt)
    # Why it was made may be known late: which of two lost a race.
    known["purpose"], known["plan"] = attempt.purpose, attempt.plan
    entry = Entry(
        **known,
        lost=",".join(lane.lost)[:LOST_MAX_CHARS] if lane.lost else "",
        notes="; ".join((*lane.changed, *lane.notes, *attempt.notes))[:NOTES_MAX_CHARS],
        outcome=attempt.outcome,
        error=attempt.error,
        status=attempt.status,
        finish=reader.finish if reader is not None else attempt.finish,
        usage_state=usage.state,
        input=usage.input,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        cache_write_long=usage.cache_write_long,
        audio_input=usage.audio_input,
        image_input=usage.image_input,
        output=usage.output,
        reasoning=usage.reasoning,
        audio_output=usage.audio_output,
        image_output=usage.image_output,
        searches=usage.searches,
        tier=usage.tier,
        reconciled=usage.reconciled,
        cost_pico=cost.pico,
        cost_state=cost.state,
        currency=cost.currency,
        rate=cost.rate,
        native_pico=cost.native_pico,
        computed_pico=cost.computed_pico,
        prices=price.unit_prices if price is not None else "",
        price_source=price.where_from if price is not None else "",
        price_date=price.date if price is not None else "",
        first_content_ms=attempt.first_content_ms,
        total_ms=attempt.elapsed_ms(),
        served_model=reader.model if reader is not None else attempt.served,
        verdict=attempt.verdict,
        decision=attempt.call.decision,
        tokenizer=found.tokenizer,
        tokens_in_least=in_least,
        tokens_in_most=in_most,
        tokens_out_least=out_least,
        tokens_out_most=out_most,
        cost_least_pico=cost_least,
        cost_most_pico=cost_most,
        energy_j=attempt.took.joules if attempt.took is not None else None,
    )
    return entry if lost is None else _moved(entry, lost)


def _moved(entry: Entry, lost: Loss) -> Entry:
    """Return the entry with what the conversation's move lost."""
    return copied(
        entry,
        moved_from=lost.moved_from,
        cache_lost_tokens=lost.tokens,
        cache_lost_pico=lost.pico,
    )
