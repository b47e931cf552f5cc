"""What the page shows, line by line, before it is HTML: books and setup in people's words."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from types import MappingProxyType

from billing.ledger import Entry
from billing.money import usd_text
from billing.sums import SpendRow
from gateway import freshness, savings, told
from gateway.books import Overview
from gateway.condition import Condition, conditions
from gateway.dashboard.accounts import age_of
from gateway.dashboard.figures import (
    Bar,
    Money,
    amount,
    bars,
    lengths,
    percent,
    places,
    share_at_home,
    spent,
    usd,
)
from gateway.dashboard.troubles import trouble
from gateway.house import House
from gateway.routes import Provider
from gateway.savings import Saved
from providers.fact_age import age_days
from routing.facts import RouteFacts

UNKNOWN = "unknown"
GONE = "not in the config now"
NOT_ASKED_FOR = "no request began here"
# Why a host was asked, where it was not for an answer to a client's call alone.
PURPOSES = MappingProxyType(
    {
        "hedge": "hedged second attempt",
        "continue": "went on with a stream that broke off",
        "count": "count of tokens",
    }
)
CHART_LEAST = timedelta(days=1)  # from the first day to the last


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One provider's or model's sums; ``bar`` is its share of the most, in hundredths."""

    name: str
    note: str
    operator: str
    place: str
    row: SpendRow
    money: Money
    bar: int


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One attempt. ``state`` is how its outcome is coloured: good, bad or odd.

    ``details`` are what was out of the ordinary in why and how its route was asked.
    """

    entry: Entry
    at: datetime
    money: Money
    outcome: str
    state: str
    details: list[str]


@dataclass(frozen=True, slots=True)
class FactCell:
    """One fact: what is so, and since when that was last confirmed, "" where no age says anything.

    ``is_doubtful``: it is older than the config lets facts be, or nobody knows how old.
    """

    words: str
    age: str = ""
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """One configured provider now. ``state`` is good, bad or odd; ``words`` say how it is.

    ``troubles`` are lines on what is not well there.
    """

    name: str
    host: str
    run_by: str
    operator: FactCell
    place: FactCell
    training: FactCell
    address: str
    state: str
    words: str
    troubles: list[str]


@dataclass(frozen=True, slots=True)
class CacheCell:
    """How much of the prompts was read from caches, and what route changes lost of them."""

    read: str
    moves: int
    lost: Money
    lost_tokens: int


@dataclass(frozen=True, slots=True)
class Charts:
    """Spend and tokens by day; ``spend`` is empty where no day cost anything."""

    spend: list[Bar]
    tokens: list[Bar]
    most_spent: str
    most_tokens: str


@dataclass(frozen=True, slots=True)
class Figures:
    """A period's sums and the newest entries, as they are shown. ``charts`` None: too few days.

    ``saved`` says what the same would have cost at the baseline; empty without one.
    """

    total: SpendRow
    money: Money
    saved: list[str]
    at_home: str
    cache: CacheCell
    charts: Charts | None
    days: list[GroupLine]
    providers: list[GroupLine]
    models: list[GroupLine]
    flows: list[dict[str, object]]
    entries: list[EntryLine]


def figures(
    seen: Overview, saved: Saved | None, house: House, first: date, last: date, zone: tzinfo
) -> Figures:
    """Return the books of a period whose days are ``first`` to ``last``."""
    owners = house.setup.providers
    costs = [entry.cost_pico for entry in seen.entries if entry.cost_pico is not None]
    decimals = places(costs)
    return Figures(
        total=seen.total,
        money=spent(seen.total, places([seen.total.most_pico])),
        saved=_saved(saved) if saved is not None else [],
        at_home=share_at_home(seen.flows),
        cache=_cache(seen.total),
        charts=_charts(seen.days, first, last) if last - first >= CHART_LEAST else None,
        days=_groups(seen.days),
        providers=_groups(seen.providers, owners),
        models=_groups(seen.models),
        flows=[told.flow(row) for row in seen.flows],
        entries=[_entry(entry, decimals, zone) for entry in seen.entries],
    )


def providers(house: House) -> list[ProviderLine]:
    """Return every configured provider with how it is at this moment."""
    now = conditions(house)
    return [_provider(owner, house, now[name]) for name, owner in house.setup.providers.items()]


def alarms(house: House) -> list[tuple[str, list[str]]]:
    """Return what an operator has to know at once: headings, each with its lines."""
    found: list[tuple[str, list[str]]] = []
    if house.reload_problem:
        lines = house.reload_problem.splitlines()
        found.append(
            ("The last edit of the config was refused; the one before it is in force", lines)
        )
    if house.unsaved:
        rest = "calls are let in on debt" if house.debt.is_allowed else "no call is let in"
        found.append((f"The journal cannot be written, and {rest} until it can", [house.trouble]))
    if house.books.trouble:
        waiting = f"{house.books.waiting:,} entries wait in the journal, where they are safe"
        if house.books.waiting:
            waiting += f"; the oldest for {age_of(house.journal.oldest_s)}"
        found.append(("The ledger's database takes no entries now", [waiting, house.books.trouble]))
    if house.debt.owed_pico:
        lines = ["Until it can, what they may cost is bounded by `debt_usd` of the config"]
        owed = usd(house.debt.owed_pico, places([house.debt.owed_pico]))
        found.append((f"Calls for {owed} can be neither written nor counted yet", lines))
    if house.limits.some_uncounted:
        lines = ["Calls under them are refused, or let in on debt, until it can be read"]
        found.append(("What some budgets had spent before could not be read yet", lines))
    return found


def first_call(house: House, address: str) -> str:
    """Return a shell command that makes a first call; "" where no model is configured."""
    if not house.setup.model_names:
        return ""
    messages = [{"role": "user", "content": "Say hello."}]
    body = {"model": house.setup.model_names[0], "messages": messages, "max_tokens": 32}
    key = "" if house.setup.local is not None else ' -H "authorization: Bearer $ENTREPOT_KEY"'
    return (
        f"curl {address}/v1/chat/completions{key} \\\n  -H 'content-type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body))}"
    )


def _cache(total: SpendRow) -> CacheCell:
    pico, unknown = total.cache_lost_pico, total.cache_lost_unknown
    lost = Money(usd(pico, places([pico])), f"{usd_text(pico)} USD", unknown)
    return CacheCell(
        read=percent(total.tokens_cached, total.tokens_in),
        moves=total.moves,
        lost=Money("unknown", "", unknown) if unknown and not pico else lost,
        lost_tokens=total.cache_lost_tokens,
    )


def _saved(saved: Saved) -> list[str]:
    decimals = places([saved.pico, saved.spent_most])
    return savings.in_words(saved, lambda pico: usd(pico, decimals))


def _charts(days: Sequence[SpendRow], first: date, last: date) -> Charts:
    most = max((row.cost_pico for row in days), default=0)
    decimals = places([most])
    spend = bars(
        days, first, last, lambda row: row.cost_pico, lambda row: spent(row, decimals).text
    )
    tokens = bars(days, first, last, _tokens, lambda row: f"{_tokens(row):,}")
    return Charts(
        spend=spend if most else [],
        tokens=tokens,
        most_spent=usd(most, decimals),
        most_tokens=f"{max(map(_tokens, days), default=0):,}",
    )


def _tokens(row: SpendRow) -> int:
    return row.tokens_in + row.tokens_out


def _groups(
    rows: Sequence[SpendRow], owners: Mapping[str, Provider] | None = None
) -> list[GroupLine]:
    """Return groups with bars by what they cost, or by their tokens where nothing cost anything."""
    decimals = places(row.most_pico for row in rows)
    costs = [row.cost_pico for row in rows]
    drawn = lengths(costs if any(costs) else [_tokens(row) for row in rows])
    return [
        GroupLine(row.group, *_where(row, owners), row, spent(row, decimals), bar)
        for row, bar in zip(rows, drawn, strict=True)
    ]


def _where(row: SpendRow, owners: Mapping[str, Provider] | None) -> tuple[str, str, str]:
    """Return a note, the operator's countries and the place of a provider as it is configured."""
    note = "" if row.requests else NOT_ASKED_FOR
    if owners is None:
        return note, "", ""
    if row.group not in owners:
        return GONE, "–", "–"
    facts = told.place(owners[row.group])
    return note, _countries(facts.operator), _countries(facts.processed_in)


def _provider(owner: Provider, house: House, now: Condition) -> ProviderLine:
    facts, host = told.place(owner), owner.host
    parent = f", part of {host.parent_name}" if host.parent_name else ""
    state, words = _state(owner, house)
    found = trouble(now)
    if found is not None and state == "good":
        state, words = found.state, found.words
    training = {"never": "never", "opt_out": "unless opted out", "by_default": "by default"}
    stale = house.setup.config.facts_stale_days
    return ProviderLine(
        name=owner.name,
        host=host.name,
        run_by=f"{host.operator_name}{parent}",
        operator=_fact(facts, "operator", _countries(facts.operator), stale),
        place=_fact(facts, "processed_in", _countries(facts.processed_in), stale),
        training=_fact(
            facts, "trains_on_data", training.get(facts.trains_on_data or "", UNKNOWN), stale
        ),
        address=owner.endpoint.base_url,
        state=state,
        words=words,
        troubles=found.lines if found is not None else [],
    )


def _state(owner: Provider, house: House) -> tuple[str, str]:
    if owner.available:
        return "odd", owner.available
    if owner.host.status in freshness.GONE:
        return "bad", f"the host is {owner.host.status}"
    server = house.launched.get(owner.name)
    if server is None:
        return "good", "available"
    colours = {"ready": "good", "failed": "bad"}
    phase, reason = server.state.phase, server.state.reason
    words = f"{phase}: {reason}" if reason else phase
    return colours.get(phase, "odd"), "runs here, ready" if phase == "ready" else words


def _fact(facts: RouteFacts, name: str, words: str, stale_days: int) -> FactCell:
    """Return a fact with its age; what the config states, or nobody knows, has none."""
    if name not in facts.confirmed:
        return FactCell(words)
    days = age_days(facts.confirmed[name], datetime.now(UTC).date())
    if days is None:
        return FactCell(words, "of no known date", is_doubtful=True)
    old = "new today" if days == 0 else "1 day old" if days == 1 else f"{days} days old"
    return FactCell(words, f"{old}, stale", True) if days > stale_days else FactCell(words, old)


def _countries(found: frozenset[str] | None) -> str:
    return ", ".join(sorted(found)) if found else UNKNOWN


def _entry(entry: Entry, decimals: int, zone: tzinfo) -> EntryLine:
    outcome, state = entry.outcome, "good" if entry.outcome == "completed" else "bad"
    if entry.outcome == "cancelled":
        state = "odd"
    if entry.error:
        outcome += f": {entry.error}"
    if entry.status and entry.status >= 400:
        outcome += f" ({entry.status})"
    return EntryLine(
        entry,
        told.when(entry, zone),
        amount(entry, decimals),
        outcome,
        state,
        list(_details(entry)),
    )


def _details(entry: Entry) -> Iterator[str]:
    if entry.purpose != "call":
        yield PURPOSES.get(entry.purpose, entry.purpose)
    if entry.verdict:
        yield f"judged {entry.verdict}"
    if entry.moved_from:
        yield f"moved from {entry.moved_from}"
    if entry.cache_lost_tokens:
        pico = entry.cache_lost_pico
        lost = "at an unknown price" if pico is None else usd(pico, places([pico]))
        yield f"{entry.cache_lost_tokens:,} cached tokens lost, {lost}"
    if entry.lane == "translate":
        yield f"{entry.wire} to {entry.host_wire}"
    if entry.lost:
        yield f"left out: {entry.lost}"
    if entry.notes:
        yield entry.notes
