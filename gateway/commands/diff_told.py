"""What ``entrepot diff`` found: as tables, as Markdown for a comment, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from billing.money import usd_text
from gateway.commands.screen import clean, say, show
from routing.difference import Denied, Reach, Report, Side, Sums

_K = TypeVar("_K")
# A comment is read by people: of longer tables the largest rows.
ROWS_TOLD = 25
CELL_MAX = 300  # characters in Markdown
NOT_IN_THE_LEDGER = (
    "Requests that were refused then are not in the ledger, so what would be allowed anew is not "
    "all counted here."
)
QUIET = (
    "Both sides are decided as on a quiet day: every route up, no budget used up, nothing cached; "
    "by the rules and facts of today and the prices of then."
)


@dataclass(frozen=True, slots=True)
class Told:
    """A report with what it is about. ``broken`` says what changes that must not."""

    report: Report
    broken: list[str]
    now: str
    new: str
    since: datetime | None
    until: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class _Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, ...]]
    right: Sequence[str] = ()


def document(told: Told) -> dict[str, Any]:
    """Return everything as plain data for JSON; costs are US dollars as text, exact."""
    report = told.report
    return {
        "good": not told.broken,
        "broken": told.broken,
        "against": told.now,
        "proposed": told.new,
        "since": told.since.isoformat() if told.since is not None else None,
        "until": told.until.isoformat() if told.until is not None else None,
        "currency": "USD",
        "requests": report.requests,
        "tokens": report.tokens,
        "paid_usd": usd_text(report.paid_pico),
        "paid_unknown": report.paid_unknown,
        "answered_elsewhere": report.elsewhere,
        "compared": _sums(report.whole),
        "moved": [
            {"from": source, "to": target, **_sums(sums)}
            for (source, target), sums in _largest(report.moved)
        ],
        "reordered": report.reordered,
        "denied": [{**asdict(row), **_counts(sums)} for row, sums in _largest(report.denied)],
        "allowed": [{**asdict(row), **_counts(sums)} for row, sums in _largest(report.allowed)],
        "still_denied": report.still_denied,
        "newly_reached": [_reach(report.after, reach) for reach in report.newly_reached],
        "no_longer_reached": [_reach(report.before, reach) for reach in report.no_longer_reached],
        "home": {"before": _home(report.before), "after": _home(report.after)},
        "waiting": told.waiting,
    }


def show_all(told: Told) -> None:
    """Print tables for people."""
    say(*_summary(told))
    for table in _tables(told.report):
        say("", f"{table.title}:")
        show(table.columns, table.rows[:ROWS_TOLD], right=table.right)
        if len(table.rows) > ROWS_TOLD:
            say(f"and {len(table.rows) - ROWS_TOLD} more; --json has them")
    say("", *_notes(told))
    if told.broken:
        say("", *(f"NOT SO  {words}" for words in told.broken))


def markdown(told: Told) -> list[str]:
    """Return the lines of a comment; what comes from configs and clients cannot leave its cell."""
    good = "✅ Nothing changes that must not"
    head = "❌ This changes what must not change" if told.broken else good
    lines = ["### Replay of past requests", "", f"{head}.", ""]
    lines += [f"- **{_cell(words)}**" for words in told.broken]
    lines += ["", *(f"- {_cell(line)}" for line in _summary(told))]
    for table in _tables(told.report):
        lines += ["", f"#### {table.title}", "", _row(table.columns)]
        lines.append(_row([":--" if name not in table.right else "--:" for name in table.columns]))
        lines += [_row([_cell(cell) for cell in row]) for row in table.rows[:ROWS_TOLD]]
        if len(table.rows) > ROWS_TOLD:
            lines += ["", f"and {len(table.rows) - ROWS_TOLD} more"]
    return [*lines, "", *(f"<sub>{_cell(note)}</sub>  " for note in _notes(told))]


def change(sums: Sums) -> str:
    """Return what requests cost before and after, and the difference."""
    share = ""
    if sums.before_pico:
        share = f", {_signed(f'{100 * sums.delta_pico / sums.before_pico:.1f}')} %"
    before, after = usd_text(sums.before_pico), usd_text(sums.after_pico)
    return f"{before} to {after} USD ({_signed(usd_text(sums.delta_pico))}{share})"


def _summary(told: Told) -> Iterator[str]:
    report, whole = told.report, told.report.whole
    span = "all time" if told.since is None else f"since {told.since:%Y-%m-%d %H:%M}"
    until = "" if told.until is None else f", before {told.until:%Y-%m-%d %H:%M}"
    yield f"{told.new} against {told.now}: {report.requests} requests, {span}{until}"
    moved = sum(sums.requests for sums in report.moved.values())
    yield f"another first route: {moved} requests; another order behind it: {report.reordered}"
    denied = sum(sums.requests for sums in report.denied.values())
    allowed = sum(sums.requests for sums in report.allowed.values())
    yield f"newly denied: {denied} requests; newly allowed: {allowed}"
    yield f"cost of the {whole.priced} that both sides can price: {change(whole)}"
    if whole.unpriced or whole.lost_price:
        yield (
            f"cost unknown: of {whole.unpriced} requests now, of {whole.lost_price} more then; "
            "in no sum"
        )
    yield (
        f"at home: {_share(report.before.home, report.before.allowed)} to "
        f"{_share(report.after.home, report.after.allowed)} of requests, "
        f"{_share(report.before.home_tokens, report.before.tokens)} to "
        f"{_share(report.after.home_tokens, report.after.tokens)} of tokens"
    )


def _notes(told: Told) -> Iterator[str]:
    report = told.report
    unknown = f", {report.paid_unknown} of unknown cost left out" if report.paid_unknown else ""
    yield (
        f"In truth {usd_text(report.paid_pico)} USD were paid{unknown}, and {report.elsewhere} "
        "requests were answered by another route than the one that is first now."
    )
    yield QUIET
    yield NOT_IN_THE_LEDGER
    if report.still_denied:
        yield f"{report.still_denied} requests were answered then and are denied by both sides."
    if told.waiting:
        yield f"{told.waiting} entries wait in the journal, and are in no number yet."


def _tables(report: Report) -> Iterator[_Table]:
    """Give the tables that have rows."""
    numbers = ("requests", "tokens", "USD before", "USD after", "change", "cost unknown")
    tables = [
        _Table(
            "Newly denied",
            ("why", "rule", "key", "label", "model", "requests", "tokens", "for example"),
            [_denied_row(*pair) for pair in _largest(report.denied)],
            ("requests", "tokens"),
        ),
        _reach_table("Newly reached", report.after, report.newly_reached),
        _reach_table("No longer reached", report.before, report.no_longer_reached),
        _Table(
            "Another first route",
            ("from", "to", *numbers, "for example"),
            [_moved_row(*pair) for pair in _largest(report.moved)],
            numbers,
        ),
        _Table(
            "Newly allowed",
            ("was denied by", "rule", "key", "label", "model", "requests", "tokens", "for example"),
            [_denied_row(*pair) for pair in _largest(report.allowed)],
            ("requests", "tokens"),
        ),
    ]
    yield from (table for table in tables if table.rows)


def _reach_table(title: str, side: Side, reaches: Sequence[Reach]) -> _Table:
    rows = [
        (
            reach.label,
            reach.fact,
            reach.word,
            str(side.reached[reach].first),
            str(side.reached[reach].may),
        )
        for reach in reaches
    ]
    numbers = ("requests first", "requests that may")
    return _Table(title, ("label", "country or operator", "which", *numbers), rows, numbers)


def _denied_row(row: Denied, sums: Sums) -> tuple[str, ...]:
    who = (row.by, row.rule, row.key, row.label, row.model)
    return (*who, str(sums.requests), str(sums.tokens), " ".join(sums.examples))


def _moved_row(way: tuple[str, str], sums: Sums) -> tuple[str, ...]:
    return (
        *way,
        str(sums.requests),
        str(sums.tokens),
        usd_text(sums.before_pico),
        usd_text(sums.after_pico),
        _signed(usd_text(sums.delta_pico)),
        str(sums.unpriced + sums.lost_price),
        " ".join(sums.examples),
    )


def _largest(table: Mapping[_K, Sums]) -> list[tuple[_K, Sums]]:
    return sorted(table.items(), key=lambda pair: -pair[1].requests)


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        **_counts(sums),
        "priced": sums.priced,
        "before_usd": usd_text(sums.before_pico),
        "after_usd": usd_text(sums.after_pico),
        "change_usd": usd_text(sums.delta_pico),
        "unknown_cost": sums.unpriced,
        "newly_unknown_cost": sums.lost_price,
    }


def _counts(sums: Sums) -> dict[str, Any]:
    return {"requests": sums.requests, "tokens": sums.tokens, "examples": sums.examples}


def _reach(side: Side, reach: Reach) -> dict[str, Any]:
    visits = side.reached[reach]
    return {**asdict(reach), "requests_first": visits.first, "requests_that_may": visits.may}


def _home(side: Side) -> dict[str, int]:
    return {
        "requests": side.home,
        "of_requests": side.allowed,
        "tokens": side.home_tokens,
        "of_tokens": side.tokens,
    }


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _signed(text: str) -> str:
    return text if text.startswith("-") else f"+{text}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Return ``text`` so that it neither ends a cell nor is read as Markdown, HTML or a mention."""
    plain = " ".join(clean(text).split())
    # A client names its models as it likes, and a comment has a bound.
    plain = plain if len(plain) <= CELL_MAX else f"{plain[:CELL_MAX]}…"
    for sign in "\\`*_[]<>|#~":
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("@", "@\u200b")
