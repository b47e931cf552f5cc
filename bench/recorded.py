"""What calls cost when it was last written down, and the judgement of what they cost now."""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

PLACE = Path(__file__).parent / "recorded.yaml"
# How much more than recorded fails, and how much less should be recorded, in percent.
TOLERANCE = 15.0
HEAD = """\
# What a call and a chunk cost when this was written, by `make fast RECORD=1`, for each build of
# Python apart: instructions as multiples of one turn of bench/yardstick.py, CPU time as multiples
# of bench/floor.py's. `make fast` fails where one is more than 15 % above.
"""
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Measured:
    """What was measured now.

    ``means`` is what by, ``unit`` says it in words, ``name`` is the build of Python. More than
    ``tolerance`` percent above what is recorded is too much.
    """

    means: str
    unit: str
    name: str
    figures: Figures
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Row:
    """One kind of call; ``before`` None: nothing is recorded of it. ``change`` is in percent."""

    kind: str
    before: float | None
    now: float

    @property
    def change(self) -> float:
        """Return by how many percent it costs more, 0 where nothing was recorded."""
        return (self.now / self.before - 1) * 100 if self.before else 0.0


def build() -> str:
    """Return the name of this build of Python: only figures of the same one are compared."""
    asked = sysconfig.get_config_var("CONFIG_ARGS") or ""
    if sys.base_prefix == "/usr":
        kind = "the system's"
    else:
        kind = "optimised" if "--enable-optimizations" in asked else "not optimised"
    return f"{platform.python_implementation()} {platform.python_version()}, {kind}"


def judge(measured: Measured, say: Callable[[str], None], place: Path = PLACE) -> int:
    """Say how each kind stands to what is recorded; return 1 where one costs too much, else 0."""
    known = read(place).get(measured.means, {}).get(measured.name, {}).get("figures")
    rows = [Row(kind, (known or {}).get(kind), now) for kind, now in measured.figures.items()]
    say(table(rows, measured.unit))
    if known is None:
        say(f"nothing is recorded of {measured.name}, so nothing is judged; RECORD=1 records it")
        return 0
    most = measured.tolerance
    if gone := known.keys() - measured.figures.keys():
        say(f"recorded, and not measured any more: {', '.join(sorted(gone))}")
        return 1
    if less := [row.kind for row in rows if row.change < -most]:
        say(f"more than {most:g} % faster, record anew: {', '.join(less)}")
    if more := [row.kind for row in rows if row.change > most]:
        say(f"more than {most:g} % slower than recorded: {', '.join(more)}")
        return 1
    return 0


def table(rows: list[Row], unit: str) -> str:
    """Return the rows as they are shown."""
    lines = [f"{unit:24} {'recorded':>10} {'now':>10} {'change':>9}"]
    for row in rows:
        before = "–" if row.before is None else f"{row.before:.3f}"
        change = "–" if row.before is None else f"{row.change:+.1f} %"
        lines.append(f"{row.kind:24} {before:>10} {row.now:>10.3f} {change:>9}")
    return "\n".join(lines)


def read(place: Path = PLACE) -> dict[str, Any]:
    """Return all that is recorded, by means and by build; nothing where nothing is."""
    if not place.exists():
        return {}
    found = yaml.safe_load(place.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def write(means: str, name: str, now: Figures, place: Path = PLACE) -> None:
    """Record ``now`` for the build ``name``; what is recorded of other builds stays."""
    whole = read(place)
    day = datetime.now(UTC).date().isoformat()
    kept = {kind: round(figure, 3) for kind, figure in now.items()}
    whole.setdefault(means, {})[name] = {"date": day, "figures": kept}
    text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=100)
    place.write_text(HEAD + text, encoding="utf-8")
