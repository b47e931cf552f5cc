"""Where data went: what label of it, to which operator and place, by team, policy and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.calendar_cuts import HOUR_S, QUARTER_S, SECOND_US, Span, moment, pieces, spans
from billing.reports import Asked, extent
from billing.store import Store
from billing.sums import SpendRow, reached, sizes_for, summed

# What a record of flows is by where nothing else is asked for.
USUAL = ("label", "operator", "place", "team", "policy")
# What every flow is told by, whatever else: there is no flow without a where to.
WAY = ("label", "operator", "place")
ROWS_MAX = 10_000
_NUMBERS = ("attempts", "unsent", "requests", "tokens_in", "tokens_out")


@dataclass(frozen=True, slots=True)
class FlowRow:
    """What data of one label went to one operator and place (country codes, or "unknown").

    ``more`` is what else it is told by: its team, the hash of the policy in force, its time.
    ``transfers`` are the attempts that sent something, with shadows and judges; ``requests`` those
    of clients whose first attempt went there. ``first`` is when the hour of the first transfer
    begins, ``last`` when that of the last one ends; None where rollups do not say it.
    """

    label: str
    operator: str
    place: str
    more: Mapping[str, str]
    transfers: int
    requests: int
    tokens_in: int
    tokens_out: int
    first: datetime | None = None
    last: datetime | None = None


def flows(store: Store, asked: Asked) -> list[FlowRow]:
    """Return what label of data went where, most tokens first; in the order of time where by it.

    ``asked.by`` has to name ``WAY``. An attempt that found no connection sent nothing, and is left
    out. Raises ``StoreError``, and ``ValueError`` for what is no record of flows.
    """
    if not {*WAY} <= {*asked.by}:
        raise ValueError(f"flows are by {', '.join(WAY)} at least")
    if {"tag", "session"} & {*asked.by, *asked.where}:
        raise ValueError("flows are known by no tag and no session")
    cut = spans(asked.grain, *extent(store, asked.since, asked.until), asked.zone)
    sizes = sizes_for(asked.dimensions, asked.where)
    found = summed(store, asked.dimensions, asked.where, pieces(cut, sizes), numbers=_NUMBERS)
    size = HOUR_S if HOUR_S in sizes else QUARTER_S
    times = reached(store, asked.dimensions, asked.where, cut, size)
    made = []
    for key, row in sorted(found.items(), key=lambda item: (item[0][0], -item[1].tokens, item[0])):
        if row.attempts > row.unsent:
            first, last = times.get(key, (None, None))
            begun, ended = _clipped(cut[key[0]], first, last, size)
            made.append(_flow(asked, key[1], row, cut[key[0]].name, begun, ended))
    if len(made) > ROWS_MAX:
        raise ValueError(f"more than {ROWS_MAX} flows; a shorter time or fewer dimensions would do")
    return made


def _clipped(
    span: Span, first: int | None, last: int | None, size: int
) -> tuple[datetime | None, datetime | None]:
    if first is None or last is None:
        return None, None
    begun = max(span.begin, first * SECOND_US)
    return moment(begun), moment(min(span.end, (last + size) * SECOND_US))


def _flow(
    asked: Asked,
    names: Sequence[str],
    row: SpendRow,
    time: str,
    first: datetime | None,
    last: datetime | None,
) -> FlowRow:
    named = dict(zip(asked.dimensions, names, strict=True))
    if asked.grain is not None:
        named[asked.grain] = time
    return FlowRow(
        label=named["label"],
        operator=named["operator"],
        place=named["place"],
        more={name: named[name] for name in asked.by if name not in WAY},
        transfers=row.attempts - row.unsent,
        requests=row.requests,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        first=first.astimezone(asked.zone) if first is not None else None,
        last=last.astimezone(asked.zone) if last is not None else None,
    )
