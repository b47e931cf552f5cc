"""What an attempt teaches of its route: told to whoever keeps the health, once, at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.attempt import Attempt
from gateway.front import ClientGoneError
from gateway.house import House
from providers.client import StaleConnectionError
from providers.errors import UpstreamError

T = TypeVar("T")


async def watched(
    house: House, attempt: Attempt, work: Coroutine[Any, Any, T], *, repeats: bool = False
) -> T:
    """Await ``work``, which is ``attempt``, and tell of its end; result and faults pass on.

    ``repeats``: the one before it found its connection closed, so that this end counts in any case.
    """
    route, endpoint, health = attempt.route, attempt.endpoint, house.health
    health.began(route, endpoint)
    house.home_load.began(route, attempt)
    house.home_meter.began(route, attempt)
    good = False
    try:
        result = await work
        good = True
    except UpstreamError as fault:
        if isinstance(fault, StaleConnectionError) and not repeats:
            # The pool's, not the host's: it is tried once more, and that end counts.
            health.gone(route)
        else:
            health.bad(route, endpoint, fault)
        raise
    except (asyncio.CancelledError, ClientGoneError):
        health.gone(route)
        raise
    finally:
        house.home_load.ended(route, attempt, good=good)
        house.home_meter.ended(route, attempt)
    health.good(route, endpoint, attempt.first_content_s, attempt.tokens_per_s)
    return result
