"""Small makers of routes with keys, of their faults, and of time; for the tests of health."""

from __future__ import annotations

from providers.endpoint import Endpoint, Timeouts
from providers.errors import ErrorKind, UpstreamError
from routing.facts import RouteFacts
from routing.health import Health
from routing.route import Route


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def key(provider: str, quota: str) -> Endpoint:
    return Endpoint(provider, "host", "default", "", {}, Timeouts(1, 1, 1, 1), quota=quota)


def route(name: str, *quotas: str, shares: bool = True) -> Route:
    provider, _, model = name.partition("/")
    keys = tuple(key(provider, quota) for quota in quotas or (provider,))
    facts = RouteFacts(provider, model)
    return Route(
        name, provider, model, keys[0], {}, facts, endpoints=keys, shares_limits=shares
    )  # fmt: skip


def fault(kind: ErrorKind, wait: float | None = None) -> UpstreamError:
    return UpstreamError(kind, "no", retry_after_s=wait)


def fail(health: Health, one: Route, times: int = 5, kind: ErrorKind = ErrorKind.SERVER) -> None:
    for _ in range(times):
        health.bad(one, one.endpoint, fault(kind))
