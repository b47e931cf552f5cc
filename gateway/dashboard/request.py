"""``GET /dashboard/requests/ID``: one request: how it was decided, what was tried, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from billing import past
from billing.ledger import CORRECTION, Entry
from billing.sums import SpendRow
from gateway import ids, told
from gateway.dashboard.arithmetic import Arithmetic, arithmetic
from gateway.dashboard.decision_words import reason_words
from gateway.dashboard.entry_lines import EntryLine, entry_lines
from gateway.dashboard.figures import Money, places, spent, usd
from gateway.dashboard.lasting import lasting, took
from gateway.dashboard.page import View, path_of, sent_to, shown
from gateway.dashboard.rule_words import fact_name, value_in_words
from gateway.dashboard.words import Words
from gateway.errors import Refusal

# What belongs to a request begins within this of it; looked at longer, a page would be slow.
WITHIN = timedelta(hours=1)
ID_MAX_CHARS = 200
LINE = 1000  # the time line's length

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: its line, its bar on the time line (in thousandths), and how its cost came.

    ``x`` is where it begins, ``waits`` how long it was until its first content, ``rest`` after it.
    """

    line: EntryLine
    x: int
    waits: int
    rest: int
    after: str
    first: str
    whole: str
    cost: Arithmetic
    native: str
    computed: Money | None


@dataclass(frozen=True, slots=True)
class RouteLine:
    """One route of the decision. ``place`` 0: it was left out, for ``why``."""

    route: str
    place: int
    why: str
    rule: str
    words: str
    source: str
    frees: str
    keeps: list[str]
    was_asked: bool


@router.get("/dashboard/requests/find")
@shown("requests", "id")
async def find(view: View) -> Response:
    """Send the browser to the page of the request whose id was typed in."""
    name = view.given.get("id", "").strip()
    # Of an attempt the request is meant.
    name = name.partition(".")[0] if name.startswith("req_") else name
    return sent_to(view.link(f"requests/{_segment(name)}"))


@router.get("/dashboard/requests/{request_id:path}")
@shown("request")
async def request(view: View) -> Response:
    """Show one request; 404 where the ledger does not know it."""
    name = view.request.path_params["request_id"][:ID_MAX_CHARS]
    # An id that is none of ours says nothing of its time: it is looked for among the newest.
    since, until = ids.around(name, WITHIN) or (view.now - WITHIN, None)
    found: list[Entry] = []
    fault = ""
    try:
        found = await view.house.books.read(
            partial(past.attempts, request_id=name, since=since, until=until)
        )
    except Refusal as refusal:
        fault = refusal.message
    page: dict[str, object] = {"request_id": name, "fault": fault, "found": bool(found)}
    if found:
        page |= _shown(view, found)
    return view.render(503 if fault else 200 if found else 404, **page)


def _shown(view: View, found: Sequence[Entry]) -> dict[str, object]:
    first, t = found[0], view.t
    decided = next((one for one in map(told.decision, found) if one is not None), None)
    asked = {f"{entry.provider}/{entry.model}" for entry in found}
    whole = SpendRow()
    for entry in found:
        whole.add(sums(entry))
    ends = max((entry.at_us - first.at_us) // 1000 + entry.total_ms for entry in found)
    lines = entry_lines(found, view.span.zone, t)
    return {
        "first": first,
        "at": told.when(first, view.span.zone),
        "asked": list(_asked(first, t)),
        "decision": decided,
        "routes": [_route(one, asked, t) for one in decided["routes"]] if decided else [],
        "attempts": [_attempt(line, first.at_us, max(1, ends)) for line in lines],
        "took": took(ends),
        "money": spent(whole, places([whole.most_pico])),
        "tokens": whole.tokens,
        "config_now": view.house.setup.hash == first.config_hash,
        "policy_now": view.house.setup.policy.hash == first.policy_hash,
    }


def sums(entry: Entry) -> SpendRow:
    """Return one entry as the sums that a report has of it."""
    known = entry.cost_pico or 0
    least, most = entry.cost_least_pico, entry.cost_most_pico
    no_bound = entry.cost_pico is None and (least is None or most is None)
    return SpendRow(
        attempts=int(entry.purpose != CORRECTION),
        tokens_in=entry.prompt_tokens,
        tokens_out=entry.completion_tokens,
        cost_pico=known,
        least_pico=known if least is None else least,
        most_pico=known if most is None else most,
        unbounded=int(no_bound and entry.purpose != CORRECTION),
    )


def _asked(first: Entry, t: Words) -> list[tuple[str, str]]:
    """Return what was asked by whom, as far as the ledger keeps it: no content."""
    size = t("request.at_most", n=first.prompt_most) if first.prompt_most else ""
    longest = t("request.at_most", n=first.output_most) if first.output_most is not None else ""
    found = [
        ("dimension.key", first.key),
        ("dimension.team", first.team),
        ("dimension.user", first.user),
        ("dimension.label", first.label),
        ("dimension.tag", first.tags.replace(",", ", ")),
        ("dimension.session", first.session),
        ("column.asked", first.model_asked),
        ("dimension.wire", first.wire),
        ("request.stream", t("request.yes" if first.stream else "request.no")),
        ("request.needs", first.needs.replace(",", ", ")),
        ("request.prompt", size),
        ("request.longest", longest),
    ]
    return [(t(name), value) for name, value in found if value]


def _route(one: dict[str, Any], asked: set[str], t: Words) -> RouteLine:
    admitted = one["admitted"]
    frees = None if admitted else one["frees_in_s"]
    words = reason_words(one["reason"].removesuffix(f" ({one.get('source')})"), t)
    if not admitted and one["fact"]:
        value = value_in_words(one["fact"], one["value"], t)
        words = t("policy.fact_is", fact=fact_name(one["fact"], t), value=value)
    return RouteLine(
        route=one["route"],
        place=one["place"] if admitted else 0,
        why="" if admitted else t(f"why.{one['why']}"),
        rule="" if admitted else one["rule"],
        words=words,
        source="" if admitted else one["source"],
        frees="" if frees is None else t("policy.frees", span=lasting(frees, t)),
        keeps=[
            t("request.keeps", rule=kept["rule"], fact=fact_name(kept["fact"], t),
              value=value_in_words(kept["fact"], kept["value"], t))
            for kept in one["keeps"]
        ] if admitted else [],
        was_asked=one["route"] in asked,
    )  # fmt: skip


def _attempt(line: EntryLine, begin_us: int, whole_ms: int) -> Attempt:
    entry = line.entry
    after_ms = max(0, entry.at_us - begin_us) // 1000
    first_ms = entry.first_content_ms if entry.first_content_ms is not None else entry.total_ms
    x = LINE * after_ms // whole_ms
    waits = max(2, LINE * min(first_ms, entry.total_ms) // whole_ms)
    end = LINE * (after_ms + entry.total_ms) // whole_ms
    cost = arithmetic(entry)
    native = ""
    if entry.currency != "USD" and entry.native_pico is not None:
        native = f"{usd(entry.native_pico, 6).lstrip('$')} {entry.currency}"
    computed = entry.computed_pico
    return Attempt(
        line=line,
        x=x,
        waits=waits,
        rest=max(0, end - x - waits),
        after=took(after_ms),
        first=took(entry.first_content_ms),
        whole=took(entry.total_ms),
        cost=cost,
        native=native,
        computed=None if computed is None else Money(usd(computed, 6), Money.exactly(computed)),
    )


def _segment(name: str) -> str:
    """Return a name as one part of an address."""
    return path_of(name[:ID_MAX_CHARS]).rpartition("/dashboard/")[2].replace("/", "%2F")
