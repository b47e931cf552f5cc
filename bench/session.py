"""The rounds: each gateway in turn, then again, so that a slow hour of the machine meets them all."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import crowds, gateways, growth, lanes, workers
from bench.gateways import Gateway, Running, WrongAnswerError
from bench.measures import COMMON, Figures, Scale
from bench.mock import Mock, NotStartedError

OURS = "entrepot"
# What `--only` may name, in the order of a round.
PARTS = (*COMMON, "heavy", "translated", "sizes", "crowd", "routes", "rules", "workers")
QUICK_PARTS = (*COMMON, "translated", "crowd")
# Figures that are shown while a run goes on.
SHOWN = ("cpu_ms", "cpu_us", "p50_ms", "p99_ms", "rps", "rss_mb", "start_s", "stream_kb",
         "first_worst_ms", "beside_ms", "whole.cpu_ms", "paced.cpu_us", "burst.cpu_us",
         *(f"{size}.cpu_ms" for size in growth.SIZES))  # fmt: skip


@dataclass
class Session:
    """One run of the benchmark; ``records`` has a row for each part of each gateway and round."""

    mock: Mock
    folder: Path
    scale: Scale
    wanted: frozenset[str]
    version: str
    say: Callable[[str], None] = print
    records: list[dict[str, Any]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def run(self, others: Sequence[Gateway]) -> None:
        """Make all rounds; ``others`` are measured beside ours in what both can do."""
        everybody = [
            gateways.direct(),
            gateways.floor("bench"),
            gateways.ours(self.version),
            *others,
        ]
        for number in range(1, self.scale.rounds + 1):
            for gateway in everybody:
                self._started(number, gateway, partial(self._common, number, gateway))
            for gateway in everybody:
                self._started(number, gateway, partial(self._crowds, number, gateway))
            for part in (self._growth, self._workers):
                self._started(number, everybody[2], partial(part, number))

    def faults(self, gateway: str) -> list[str]:
        """Return what was wrong with a gateway's answers."""
        return [
            f"{record['part']}: {record['wrong']}"
            for record in self.records
            if record["gateway"] == gateway and "wrong" in record
        ]

    def _started(self, number: int, gateway: Gateway, measure: Callable[[], None]) -> None:
        """Measure one, and go on with the others where it does not start."""
        try:
            measure()
        except NotStartedError as fault:
            record = {"round": number, "gateway": gateway.name, "part": "start"}
            self.records.append({**record, "wrong": str(fault)})
            self.say(str(fault))

    def _common(self, number: int, gateway: Gateway) -> None:
        parts = [name for name in PARTS if name in self.wanted and self._is_common(name, gateway)]
        if not parts:
            return
        folder = self._folder(number, "common")
        if gateway.name == OURS and "idle" in parts:
            # The very first start makes the database; those after it are what is called cold.
            with self._running(gateway, folder) as running:
                self._take(
                    number, gateway.name, "first start", lambda: {"start_s": running.start_s}
                )
        with self._running(gateway, folder) as running:
            for name in parts:
                self._part(number, running, name)

    def _is_common(self, name: str, gateway: Gateway) -> bool:
        if gateway.prepare is None:
            return name in ("latency", "first", "heavy")
        if name == "translated":
            return gateway.name == OURS or len(gateway.lanes) > len(gateways.direct().lanes)
        if name == "sizes":
            return gateway.name in (OURS, "floor")
        return name in COMMON or name == "heavy"

    def _part(self, number: int, running: Running, name: str) -> None:
        mock, scale, who = self.mock, self.scale, running.gateway.name
        if name == "translated":
            for of in lanes.pairs_of(running):
                self._take(number, who, str(of), partial(lanes.pair, running, mock, scale, of))
        elif name == "sizes":
            self._take(number, who, name, partial(growth.sized, running, mock, scale))
        elif name == "heavy":
            self._take(number, who, name, partial(crowds.heavy, running, mock, scale))
        else:
            self._take(number, who, name, partial(COMMON[name], running, mock, scale))

    def _crowds(self, number: int, gateway: Gateway) -> None:
        if "crowd" not in self.wanted:
            return
        # The largest crowd is ours and the floor's: with all the others it would take too long.
        plans = self.scale.crowds if gateway.name in (OURS, "floor") else self.scale.crowds[:1]
        for plan in plans:
            with self._running(gateway, self._folder(number, f"crowd-{plan.count}")) as running:
                measure = partial(crowds.crowd, running, self.scale, plan)
                self._take(number, gateway.name, f"crowd {plan.count}", measure)

    def _growth(self, number: int) -> None:
        forms = {
            **(growth.ROUTES if "routes" in self.wanted else {}),
            **(growth.RULES if "rules" in self.wanted else {}),
        }
        for place, (part, form) in enumerate(forms.items()):
            gateway = gateways.ours(self.version, form)
            with self._running(gateway, self._folder(number, f"growth-{place}")) as running:
                measure = partial(growth.grown, running, self.mock, self.scale)
                self._take(number, OURS, part, measure)

    def _workers(self, number: int) -> None:
        for place, part in enumerate(workers.PARTS if "workers" in self.wanted else ()):
            folder = self._folder(number, f"workers-{place}")
            measure = partial(workers.measure, self.version, self.mock, folder, self.scale, part)
            self._take(number, OURS, part, measure)

    def _running(self, gateway: Gateway, folder: Path) -> Any:
        return gateways.running(gateway, self.mock, folder)

    def _folder(self, number: int, name: str) -> Path:
        found = self.folder / f"round-{number}" / name
        found.mkdir(parents=True, exist_ok=True)
        return found

    def _take(self, number: int, gateway: str, part: str, measure: Callable[[], Figures]) -> None:
        gc.collect()
        record: dict[str, Any] = {"round": number, "gateway": gateway, "part": part}
        try:
            figures = measure()
        except WrongAnswerError as fault:
            record["wrong"] = shown = str(fault)
        except workers.LeftOutError as fault:
            record["left_out"] = shown = str(fault)
        else:
            record["figures"] = {
                name: None if math.isnan(value) else float(f"{value:.5g}")
                for name, value in figures.items()
            }
            shown = ", ".join(_shown(record["figures"]))
        self.records.append(record)
        took = time.monotonic() - self.begun
        self.say(
            f"{took:5.0f} s  round {number} of {self.scale.rounds}  {gateway:9} {part}: {shown}"
        )


def _shown(figures: Mapping[str, float | None]) -> Iterator[str]:
    for name in SHOWN:
        if (value := figures.get(name)) is not None:
            yield f"{name} {value:.4g}"
