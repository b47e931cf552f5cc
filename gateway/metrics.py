"""Every Prometheus metric, declared once. The hot path adds plain numbers; a scrape reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from billing.money import PICO_PER_USD
from gateway.record import Record

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
# Counters of single events, by name: what they count, and by which labels.
COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "breaker_transitions": ("Changes of a route's breaker", ("route", "before", "after")),
        "hedges": ("Second attempts beside a slow first one", ("route", "result")),
        "continued": ("Streams that another route went on with", ("route",)),
        "overflowed": ("Calls that did not wait for a server at home", ("route",)),
        "detected": ("Things that detectors found in prompts", ("kind",)),
        "cache_lost_tokens": ("Cached tokens that a change of route lost", ("route",)),
        "cache_lost_usd": ("What they cost", ("route",)),
        "egress_refused": ("Connections that the egress list does not allow", ("host",)),
        "judges": ("Questions to a judge of shadows", ("model", "result")),
        "unreconciled": ("Answers whose own figures contradict each other", ("route",)),
        "budget_overrun_usd": ("Cost over what budgets had set aside", ("key",)),
        "budget_alerts": ("Alerts of budgets", ("budget", "result")),
        "shadows": ("Copies of calls sent to a shadow route", ("route", "result")),
    }
)
# Clients may name models: past this many routes the rest is counted under "other".
SERIES_MAX = 2000


class Metrics(Collector):
    """Counts of this process. ``gauges`` are read at scrape time: name -> (help, reader)."""

    def __init__(self, gauges: dict[str, tuple[str, Callable[[], float]]]) -> None:
        self._gauges = gauges
        self._names: set[str] = set()
        self._requests: dict[tuple[str, str], int] = {}
        self._attempts: dict[tuple[str, str, str], int] = {}
        self._tokens: dict[tuple[str, str], int] = {}
        self._cost: dict[str, int] = {}
        self._unpriced: dict[str, int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self._counted: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in COUNTERS}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, record: Record, seconds: float) -> None:
        """Count one finished exchange."""
        route = self._name(record.route)
        asked = (str(record.status), record.code)
        if asked not in self._requests and len(self._requests) >= SERIES_MAX:
            # A code may be a host's own word.
            asked = (str(record.status), "other")
        self._requests[asked] = self._requests.get(asked, 0) + 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(SECONDS) + 1)
        buckets[bisect_left(SECONDS, seconds)] += 1
        self._sums[route] = self._sums.get(route, 0.0) + seconds
        for entry in record.attempts:
            name = self._name(f"{entry.provider}/{entry.model}")
            tried = (name, entry.outcome, entry.error)
            self._attempts[tried] = self._attempts.get(tried, 0) + 1
            for way, count in (("in", entry.prompt_tokens), ("out", entry.completion_tokens)):
                self._tokens[name, way] = self._tokens.get((name, way), 0) + count
            if entry.cost_pico is None:
                self._unpriced[name] = self._unpriced.get(name, 0) + 1
            else:
                self._cost[name] = self._cost.get(name, 0) + entry.cost_pico

    def count(self, name: str, labels: tuple[str, ...], amount: float = 1) -> None:
        """Add to one of ``COUNTERS``; past ``SERIES_MAX`` sets of labels the rest is one set."""
        counts = self._counted[name]
        if labels not in counts and len(counts) >= SERIES_MAX:
            labels = ("other",) * len(labels)
        counts[labels] = counts.get(labels, 0) + amount

    def _name(self, route: str) -> str:
        if route in self._names:
            return route
        if len(self._names) >= SERIES_MAX:
            return "other"
        self._names.add(route)
        return route

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        """Give the metric families; called by a scrape."""
        requests = CounterMetricFamily(
            "entrepot_requests", "Client calls answered", labels=["status", "code"]
        )
        for asked, count in self._requests.items():
            requests.add_metric(list(asked), count)
        yield requests
        attempts = CounterMetricFamily(
            "entrepot_attempts", "Calls made to hosts", labels=["route", "outcome", "error"]
        )
        for tried, count in self._attempts.items():
            attempts.add_metric(list(tried), count)
        yield attempts
        tokens = CounterMetricFamily("entrepot_tokens", "Tokens", labels=["route", "way"])
        for way, count in self._tokens.items():
            tokens.add_metric(list(way), count)
        yield tokens
        cost = CounterMetricFamily(
            "entrepot_cost_usd", "Known cost (the ledger has it exactly)", labels=["route"]
        )
        for name, pico in self._cost.items():
            cost.add_metric([name], pico / PICO_PER_USD)
        yield cost
        unpriced = CounterMetricFamily(
            "entrepot_unpriced", "Attempts whose cost is not known", labels=["route"]
        )
        for name, count in self._unpriced.items():
            unpriced.add_metric([name], count)
        yield unpriced
        for name, (text, labels) in COUNTERS.items():
            family = CounterMetricFamily(f"entrepot_{name}", text, labels=list(labels))
            for values, amount in self._counted[name].items():
                family.add_metric(list(values), amount)
            yield family
        yield self._durations()
        for name, (text, read) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=read())

    def _durations(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "entrepot_request_seconds", "Time of a client call", labels=["route"]
        )
        for route, counts in self._buckets.items():
            total, rows = 0, []
            for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
                total += count
                rows.append((bound, float(total)))
            family.add_metric([route], rows, sum_value=self._sums[route])
        return family

    def text(self) -> bytes:
        """The exposition in Prometheus' text format."""
        return generate_latest(self._registry)
