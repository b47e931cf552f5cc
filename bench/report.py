"""The tables of a run: medians over its rounds, in brackets what they are to the floor of the same run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bench import growth, workers

OURS, FLOOR, DIRECT = "entrepot", "floor", "direct"
UNKNOWN = "–"
OUR_NAME = "**Entrepôt**"
NAMES: Mapping[str, str] = {OURS: OUR_NAME, DIRECT: "no gateway"}


class Row(NamedTuple):
    """One row: a figure of a part, its decimals; ``over`` subtracts what asking directly takes."""

    label: str
    part: str
    figure: str
    places: int
    is_ratio: bool = True
    over: bool = False


ROWS: tuple[Row, ...] = (
    Row("small request, CPU ms", "small", "cpu_ms", 3),
    Row("30 KB prompt, CPU ms", "prompt", "cpu_ms", 3),
    Row("chunk, paced at 10 ms, CPU µs", "paced", "cpu_us", 1),
    Row("chunk in a burst, CPU µs", "burst", "cpu_us", 2),
    Row("request at 50 a second, CPU ms", "latency", "cpu_ms", 3),
    Row("added to the first byte, ms", "first", "p50_ms", 2, over=True),
    Row("added to the first word, ms", "first", "word_p50_ms", 2, over=True),
    Row("added at 50 requests a second, p50, ms", "latency", "p50_ms", 2, over=True),
    Row("the same, p99, ms", "latency", "p99_ms", 2, is_ratio=False, over=True),
    Row("requests a second on the core, 64 connections", "small", "rps", 0),
    Row("their p50, ms", "small", "p50_ms", 1, is_ratio=False),
    Row("their p99, ms", "small", "p99_ms", 1, is_ratio=False),
    Row("resident memory, idle, MB", "idle", "rss_mb", 0, is_ratio=False),
    Row("resident memory, after load, MB", "loaded", "rss_mb", 0, is_ratio=False),
    Row("from the command to the first answer, s", "idle", "start_s", 2, is_ratio=False),
    Row(
        "the same where the database is to be made, s", "first start", "start_s", 2, is_ratio=False
    ),
    Row("16 paced streams: longest silence, ms", "heavy", "alone_ms", 1, is_ratio=False),
    Row("the same beside one body of 5 MB, ms", "heavy", "beside_ms", 1, is_ratio=False),
)
# Rows whose lowest and highest round are told too.
SPREAD = ROWS[:4]
CROWD: tuple[tuple[str, str, int], ...] = (
    ("streams at once", "streams", 0),
    ("s between chunks", "gap_s", 1),
    ("CPU µs a chunk", "cpu_us", 1),
    ("core busy", "busy", 2),
    ("KB a stream", "stream_kb", 0),
    ("first word p50, ms", "first_p50_ms", 1),
    ("worst first word, ms", "first_worst_ms", 1),
)
PAIR: tuple[tuple[str, str, int], ...] = (
    ("whole answer, CPU ms", "whole.cpu_ms", 3),
    ("chunk, paced, CPU µs", "paced.cpu_us", 1),
    ("chunk in a burst, CPU µs", "burst.cpu_us", 2),
)
WORKERS: tuple[tuple[str, str, int], ...] = (
    ("CPU ms a request, of all", "cpu_ms", 3),
    ("requests a second", "rps", 0),
    ("cores busy", "busy", 2),
    ("least share of one", "least_share", 2),
)
GROWN: tuple[tuple[str, str, int], ...] = (
    ("small request, CPU ms", "cpu_ms", 3),
    ("start, s", "start_s", 2),
    ("resident memory, MB", "rss_mb", 0),
)


class Results:
    """The records of a run, by gateway, part and figure."""

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._found: dict[tuple[str, str, str], list[float]] = {}
        self.wrong: list[str] = []
        self.parts: dict[str, dict[str, None]] = {}
        for record in records:
            gateway, part = record["gateway"], record["part"]
            self.parts.setdefault(gateway, {})[part] = None
            why = record.get("wrong") or record.get("left_out")
            if why is not None:
                self.wrong.append(f"{gateway}, {part}: {why}")
            for figure, value in record.get("figures", {}).items():
                if value is not None:
                    self._found.setdefault((gateway, part, figure), []).append(value)

    def median(self, gateway: str, part: str, figure: str) -> float | None:
        """Return the median over the rounds, None where there is no figure."""
        row = self._found.get((gateway, part, figure))
        return statistics.median(row) if row else None

    def spread(self, gateway: str, part: str, figure: str) -> tuple[float, float] | None:
        """Return the lowest and the highest round."""
        row = self._found.get((gateway, part, figure))
        return (min(row), max(row)) if row else None

    def figures(self, part: str, ending: str) -> list[str]:
        """Return what figures of a part are called that end so, without that ending."""
        names = [figure for _, of, figure in self._found if of == part and figure.endswith(ending)]
        return list(dict.fromkeys(name.removesuffix(ending) for name in names))

    def over(self, gateway: str, part: str, figure: str) -> float | None:
        """Return how much more it is than without any gateway: the median of each, subtracted."""
        mine, none = self.median(gateway, part, figure), self.median(DIRECT, part, figure)
        return None if mine is None or none is None else mine - none


def text(raw: Mapping[str, Any]) -> str:
    """Return the tables of a run as Markdown."""
    found = Results(raw["records"])
    others = list(raw["gateways"])
    parts = [_made_with(raw), _main(found, [FLOOR, OURS, *others])]
    if raw["rounds"] > 1:
        parts.append(_spread(found, others))
    parts += [_pairs(found, others), *_crowds(found, others), _sizes(found)]
    parts += [
        _own(found, "Routes of the model that is asked for", growth.ROUTES, growth.USUAL, GROWN),
        _own(found, "Rules of the policy, and limits", growth.RULES, growth.USUAL, GROWN),
        _own(found, WORKERS_SAID, workers.PARTS, "1 worker", WORKERS),
        _faults(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


WORKERS_SAID = (
    "Workers. `entrepot serve` runs one; two are two processes with shared state (Valkey, its CPU not "
    "counted), each on a core and a port, the load split. Mock and load are on the same two cores"
)


def packed(raw: Mapping[str, Any]) -> str:
    """Return a run as JSON, a record in each line."""
    head = json.dumps({name: value for name, value in raw.items() if name != "records"}, indent=1)
    rows = ",\n  ".join(json.dumps(record, separators=(",", ":")) for record in raw["records"])
    return f'{head[:-2]},\n "records": [\n  {rows}\n ]\n}}\n'


def _made_with(raw: Mapping[str, Any]) -> str:
    rounds = f"{raw['rounds']} round{'s' if raw['rounds'] > 1 else ''}"
    took = f"{raw['seconds'] // 60} min {raw['seconds'] % 60} s"
    used = ", ".join(raw[name] for name in ("machine", "system", "python", "packages"))
    lines = [
        f"{raw['date'][:10]}, {used}. Tree {raw['tree']}. {rounds} in {took}; small requests by {raw['load']}."
    ]
    if raw["quick"]:
        lines.append("One short round: for a first look, not for a comparison.")
    for name, peer in raw["gateways"].items():
        lines.append(f"{name} {peer['version']}: {peer['note']}.")
    return " ".join(lines)


def _main(found: Results, columns: Sequence[str]) -> str:
    """Return the table that all gateways are in."""
    rows = []
    for row in ROWS:
        get = found.over if row.over else found.median
        floor = get(FLOOR, row.part, row.figure)
        cells = []
        for name in columns:
            value = get(name, row.part, row.figure)
            to = floor if row.is_ratio and name != FLOOR and floor and floor > 0 else None
            cells.append(_cell(value, row.places, to))
        rows.append([row.label, *cells])
    return _table(["", *(NAMES.get(name, name) for name in columns)], rows)


def _spread(found: Results, others: Sequence[str]) -> str:
    """Return the lowest and highest rounds of what is compared most."""
    rows = []
    for row in SPREAD:
        cells = []
        for name in (FLOOR, OURS, *others):
            ends = found.spread(name, row.part, row.figure)
            cells.append(
                UNKNOWN if ends is None else " to ".join(f"{end:.{row.places}f}" for end in ends)
            )
        rows.append([row.label, *cells])
    names = [NAMES.get(name, name) for name in (FLOOR, OURS, *others)]
    return _titled("Lowest and highest round:", _table(["", *names], rows))


def _pairs(found: Results, others: Sequence[str]) -> str:
    """Return what translated calls cost, beside a relayed one of ours."""
    floor = [
        found.median(FLOOR, part, figure)
        for part, figure in (("small", "cpu_ms"), ("paced", "cpu_us"), ("burst", "cpu_us"))
    ]
    rows: list[list[str]] = []
    for name in (FLOOR, OURS):
        cells = [
            _cell(found.median(name, part, figure), places, to if name == OURS else None)
            for (part, figure, places), to in zip(
                (("small", "cpu_ms", 3), ("paced", "cpu_us", 1), ("burst", "cpu_us", 2)),
                floor,
                strict=True,
            )
        ]
        rows.append([f"{NAMES.get(name, name)}, relayed", *cells])
    count = len(rows)
    for name in (OURS, *others):
        for part in found.parts.get(name, {}):
            if " to " in part:
                cells = [
                    _cell(found.median(name, part, figure), places, to)
                    for (_, figure, places), to in zip(PAIR, floor, strict=True)
                ]
                rows.append([f"{NAMES.get(name, name)}, {part}", *cells])
    if len(rows) == count:
        return ""
    said = "Translated, client's wire to host's (in brackets: to the floor, which relays):"
    return _titled(said, _table(["", *(label for label, _, _ in PAIR)], rows))


def _crowds(found: Results, others: Sequence[str]) -> Iterator[str]:
    """Return a table for each crowd of streams."""
    crowds = {
        part: None for parts in found.parts.values() for part in parts if part.startswith("crowd")
    }
    for part in crowds:
        rows = []
        for name in (DIRECT, FLOOR, OURS, *others):
            if part in found.parts.get(name, {}):
                cells = [
                    _cell(found.median(name, part, figure), places) for _, figure, places in CROWD
                ]
                rows.append([NAMES.get(name, name), *cells])
        said = f"{int(part.split()[1]):,} streams at once on one core:"
        yield _titled(said, _table(["", *(label for label, _, _ in CROWD)], rows))


def _sizes(found: Results) -> str:
    """Return CPU by the size of the prompt."""
    rows = []
    for size in found.figures("sizes", ".cpu_ms"):
        floor = found.median(FLOOR, "sizes", f"{size}.cpu_ms")
        ours = found.median(OURS, "sizes", f"{size}.cpu_ms")
        rows.append([size, _cell(floor, 3), _cell(ours, 3, floor)])
    return _titled(
        "CPU ms a request, by the size of its prompt:", _table(["", "floor", OUR_NAME], rows)
    )


def _own(
    found: Results,
    said: str,
    parts: Iterable[str],
    usual: str,
    figures: Sequence[tuple[str, str, int]],
) -> str:
    """Return a table of parts that only ours has; in brackets CPU by that of the usual one."""
    cpu = found.median(OURS, usual, "cpu_ms")
    if found.parts.get(OURS, {}).keys() & set(parts) <= {usual}:
        return ""
    rows = []
    for part in parts:
        cells = [
            _cell(
                found.median(OURS, part, figure),
                places,
                cpu if figure == "cpu_ms" and part != usual else None,
            )
            for _, figure, places in figures
        ]
        rows.append([part, *cells])
    return _titled(f"{said}:", _table(["", *(label for label, _, _ in figures)], rows))


def _faults(found: Results) -> str:
    if not found.wrong:
        return ""
    return "Not measured:\n\n" + "\n".join(f"- {fault}" for fault in dict.fromkeys(found.wrong))


def _cell(value: float | None, places: int, to: float | None = None) -> str:
    if value is None:
        return UNKNOWN
    said = f"{value:,.{places}f}"
    return f"{said} ({value / to:.2f})" if to else said


def _titled(title: str, table: str) -> str:
    return f"{title}\n\n{table}" if table else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table without the rows that have no figure; "" where no row has one."""
    kept = [row for row in rows if set(row[1:]) != {UNKNOWN}]
    if not kept:
        return ""
    lines = [head, ["---", *("--:" for _ in head[1:])], *kept]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
