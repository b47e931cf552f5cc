"""``entrepot explain REQUEST_ID``: how a past request was decided, and what was tried for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from billing import past
from billing.ledger import Entry
from billing.money import usd_text
from billing.store import StoreError
from gateway import ids, told
from gateway.commands import ledger
from gateway.commands.reading import load_config
from gateway.commands.screen import NOT_SO, fail, print_json, say, show
from gateway.config_file import Loaded
from routing.explain import lines

BEGINNING = "req_"
# What belongs to a request follows within a day.
_WITHIN = timedelta(days=1)


def is_one(name: str) -> bool:
    """Whether ``name`` is meant as a request's id; a model's name begins otherwise."""
    return name.startswith(BEGINNING) and "/" not in name


def run(request_id: str, config: Path | None, *, as_json: bool) -> None:
    """Show a request's decision and attempts. Ends with 1 where the ledger does not know it."""
    _, loaded = load_config(config)
    try:
        found = _attempts(loaded, request_id)
    except StoreError as fault:
        fail(f"the ledger {ledger.shown(loaded.config.ledger)}: {fault}", NOT_SO)
    if not found:
        fail(
            f"{request_id} is not in the ledger {ledger.shown(loaded.config.ledger)}. Its id is in "
            "the answer's x-entrepot-request-id and in the log; a request that was refused before "
            "any host was asked has a line in the log and none in the ledger",
            NOT_SO,
        )
    # Every attempt may have it; of a stored one the first is as good as any.
    decided = next((one for one in map(told.decision, found) if one is not None), None)
    if as_json:
        attempts = [told.entry(entry, loaded.config.server.zone) for entry in found]
        for attempt in attempts:
            del attempt["decision"]
        print_json({"request_id": request_id, "decision": decided, "attempts": attempts})
        return
    first = found[0]
    say(f"{request_id}, {told.when(first, loaded.config.server.zone):%Y-%m-%d %H:%M:%S %Z}")
    if decided is None:
        say(f"{first.model_asked} for label {first.label}; how it was decided is not kept")
    else:
        say(*lines(decided))
    say("", "what happened:")
    numbers = ("status", "first ms", "ms", "USD")
    show(
        ("purpose", "route", "outcome", *numbers, "and"),
        [_row(entry) for entry in found],
        right=numbers,
    )


def _attempts(loaded: Loaded, request_id: str) -> list[Entry]:
    """Return what database and journal have of a request, in the order that it began."""
    # The journal first: what is moved meanwhile is found twice, and never not at all.
    found = {one.attempt_id: one for one in ledger.in_journal(loaded.config.journal, request_id)}
    since, until = ids.around(request_id, _WITHIN) or (None, None)
    with ledger.existing(loaded.config.ledger) as store:
        if store is not None:
            stored = past.attempts(store, request_id, since, until)
            found |= {entry.attempt_id: entry for entry in stored}
    return sorted(found.values(), key=lambda entry: (entry.at_us, entry.attempt_id))


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.purpose,
        f"{entry.provider}/{entry.model}",
        entry.outcome,
        str(entry.status or ""),
        "" if entry.first_content_ms is None else str(entry.first_content_ms),
        str(entry.total_ms),
        "unknown" if entry.cost_pico is None else usd_text(entry.cost_pico),
        "; ".join(_more(entry)),
    )


def _more(entry: Entry) -> Iterator[str]:
    if entry.error:
        yield entry.error
    if entry.moved_from:
        lost = f"{entry.cache_lost_tokens} tokens of its cache lost"
        pico = entry.cache_lost_pico
        cost = f"{usd_text(pico)} USD" if pico is not None else "for an unknown price"
        yield f"moved from {entry.moved_from}, {lost}, {cost}"
    if entry.verdict:
        yield f"judged {entry.verdict}"
    if entry.notes:
        yield entry.notes
