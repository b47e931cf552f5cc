"""How the cost of a call grows: with routes, with rules, with limits, with the prompt."""

from __future__ import annotations

from collections.abc import Mapping

from bench.asks import prompt
from bench.config import Form
from bench.gateways import Running
from bench.measures import PARALLEL, Figures, Scale, calls, memory, warm
from bench.mock import Mock

USUAL = "10 routes, 20 rules"
# A part's name leads to what stands in the config; the usual form is among them, to compare with.
ROUTES: Mapping[str, Form] = {
    USUAL: Form(),
    "100 routes": Form(routes=100),
    "1,000 routes": Form(routes=1000),
    "1,000 routes, of 100 models": Form(models=100),
}
RULES: Mapping[str, Form] = {
    USUAL: Form(),
    "1 rule": Form(rules=1),
    "200 rules": Form(rules=200),
    "a key with rates and a budget": Form(limited=True),
}
SIZES: Mapping[str, int] = {
    "1 KB": 1 << 10,
    "32 KB": 32 << 10,
    "256 KB": 256 << 10,
    "1 MB": 1 << 20,
    "4 MB": 4 << 20,
}
LARGE = 200_000
PARALLEL_LARGE = 4


def grown(running: Running, mock: Mock, scale: Scale) -> Figures:
    """Return the figures of small requests, and what the start took."""
    asked = running.asked()
    warm(running, asked, scale)
    found = calls(running, mock, asked, scale.grown_s)
    return {**found, "start_s": running.start_s, "rss_mb": memory(running).resident}


def sized(running: Running, mock: Mock, scale: Scale) -> Figures:
    """Return CPU milliseconds a call by the prompt's size; of large ones four at a time."""
    found: Figures = {}
    for name, size in SIZES.items():
        asked = running.asked("long", text=prompt(size))
        running.probe(asked)
        parallel = PARALLEL_LARGE if size > LARGE else PARALLEL
        figures = calls(running, mock, asked, scale.size_s, parallel)
        found |= {f"{name}.{figure}": value for figure, value in figures.items()}
    return found
