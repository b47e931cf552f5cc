"""How each provider is at this moment, for operators: what this process knows and decides by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from math import ceil
from typing import Any

from gateway.home_load import Queued
from gateway.house import House
from gateway.told import configured_models, share
from providers.limits_left import LimitLeft, limits_left
from routing.health import RouteHealth, Snapshot
from routing.outlook import Blocked
from routing.route import Route
from routing.windows import Used

UNHEARD = RouteHealth("closed", 0, 0.0)


@dataclass(frozen=True, slots=True)
class RouteNow:
    """One route: its breaker and how much failed lately; ``blocked`` None where it may be asked."""

    name: str
    health: RouteHealth
    blocked: Blocked | None


@dataclass(frozen=True, slots=True)
class Room:
    """How much of its limits the host of one quota group said was left, ``ago_s`` seconds ago."""

    group: str
    ago_s: float
    limits: tuple[LimitLeft, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One provider at one moment. ``cooling`` leads from quota groups of its keys to seconds left.

    ``routes`` are those that the config names, then others that were asked or are not well.
    ``windows`` are those of its plan that are counted here; ``queue`` None: not looked after.
    ``rooms`` are what its host said is left of rate limits; none where it says nothing.
    """

    routes: tuple[RouteNow, ...]
    cooling: Mapping[str, float]
    windows: tuple[Used, ...]
    queue: Queued | None
    rooms: tuple[Room, ...] = ()


def conditions(house: House) -> dict[str, Condition]:
    """Return the condition of every configured provider, by name."""
    snapshot = house.health.snapshot()
    heard: dict[str, list[str]] = {}
    for name, health in snapshot.routes.items():
        if health.attempts or health.state != "closed":
            heard.setdefault(name.partition("/")[0], []).append(name)
    return {
        name: _condition(house, snapshot, name, heard.get(name, ()))
        for name in house.setup.providers
    }


def _condition(house: House, snapshot: Snapshot, provider: str, heard: Sequence[str]) -> Condition:
    named = [f"{provider}/{model}" for model in configured_models(house.setup, provider)]
    routes = [house.setup.route(name) for name in dict.fromkeys((*named, *heard))]
    keys = ((route, key) for route in routes for key in route.endpoints)
    # A key's whole limit may be used up, or what one model has of it.
    groups = {group for route, key in keys for group in (key.quota, route.quota(key))}
    return Condition(
        routes=tuple(_now(house, snapshot, route) for route in routes),
        cooling={group: snapshot.cooling[group] for group in groups & snapshot.cooling.keys()},
        windows=house.windows.of(provider),
        queue=house.home_load.queue(routes[0]) if routes else None,
        rooms=tuple(_rooms(snapshot, sorted(groups))),
    )


def _rooms(snapshot: Snapshot, groups: Iterable[str]) -> Iterator[Room]:
    for group in groups:
        ago_s, headers = snapshot.told.get(group, (0.0, {}))
        limits = limits_left(headers)
        if limits:
            yield Room(group, ago_s, tuple(limits))


def _now(house: House, snapshot: Snapshot, route: Route) -> RouteNow:
    health = snapshot.routes.get(route.name, UNHEARD)
    return RouteNow(route.name, health, house.outlook.blocked(route))


def told(found: Condition) -> dict[str, Any]:
    """Return a condition as plain data for JSON: seconds are whole, shares decimals as text."""
    queue = found.queue
    return {
        "routes": [_route(route) for route in found.routes],
        "cooling": [
            {"group": group, "frees_in_s": ceil(left)}
            for group, left in sorted(found.cooling.items())
        ],
        "windows": [told_window(used) for used in found.windows],
        "limits": [
            {
                "group": room.group,
                "ago_s": ceil(room.ago_s),
                "left": [
                    {
                        "kind": one.kind or None,
                        "left": one.left,
                        "most": one.most,
                        "resets_in_s": one.resets_s if one.resets_s is None else ceil(one.resets_s),
                    }
                    for one in room.limits
                ],
            }
            for room in found.rooms
        ],
        "queue": queue
        and {
            "running": queue.running,
            "waiting": queue.waiting,
            "wait_s": ceil(queue.waits_s),
        },
    }


def _route(route: RouteNow) -> dict[str, Any]:
    health, blocked = route.health, route.blocked
    failed = round(health.failure_rate * health.attempts)
    return {
        "route": route.name,
        "breaker": health.state,
        # Of the last half minute.
        "attempts": health.attempts,
        "failure_rate": share(failed, health.attempts),
        "blocked": blocked
        and {
            "why": blocked.why,
            "reason": blocked.reason,
            "frees_in_s": ceil(blocked.frees_in_s),
        },
    }


def told_window(used: Used, zone: tzinfo = UTC) -> dict[str, Any]:
    """Return what is used of a plan's window as plain data; ``told_at`` is in ``zone``."""
    return {
        "plan": used.plan,
        "per": used.window.per,
        "starts": used.window.starts or None,
        "unit": used.window.unit,
        "used": figure(used.used),
        "most": figure(used.most),
        "frees_in_s": ceil(used.frees_in_s),
        "ends_in_s": used.ends_in_s if used.ends_in_s is None else ceil(used.ends_in_s),
        "full_in_s": used.full_in_s if used.full_in_s is None else ceil(used.full_in_s),
        "by": by(used),
        "told_at": used.told_at
        and datetime.fromtimestamp(used.told_at, zone).isoformat(timespec="seconds"),
        "unweighed": used.unweighed,
    }


def by(used: Used) -> str | None:
    """Return whose word a figure is: ``vendor`` or ``count``; None where there is no figure."""
    if used.used is None:
        return None
    return "count" if used.told_at is None else "vendor"


def figure(number: Decimal | None) -> int | str | None:
    """Return an amount for JSON: a whole one as a number, another exactly as text."""
    if number is None:
        return None
    return int(number) if number == number.to_integral_value() else f"{number.normalize():f}"
