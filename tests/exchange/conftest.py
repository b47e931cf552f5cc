"""A running gateway between a client and two fake hosts, one per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.upstream import Upstream
from tests.running import Running, config, running

QUICK = {"connect_s": 2, "first_byte_s": 0.6, "answer_s": 0.6, "between_s": 0.6, "total_s": 6}
PRICE = {"input": "1", "output": "2", "cached_read": "0.1", "source": "test", "date": "2026-11-25"}
FACTS_AT_HOME = {"operator": ["FR"], "processed_in": ["FR"], "trains_on_data": "never"}


@dataclass
class House:
    """The gateway and its two hosts; ``assistant`` goes to the first and then to the second."""

    gateway: Running
    first: Upstream
    second: Upstream


def providers(first: Upstream, second: Upstream) -> dict[str, Any]:
    """Two providers of one catalogue entry, told apart by their addresses and facts."""
    return {
        "one": {
            "catalog": "openai",
            "base_url": first.base_url,
            "api_key": "sk-canary-one",
            "prices": {"m": PRICE},
            "facts": FACTS_AT_HOME,
        },
        "two": {
            "catalog": "openai",
            "base_url": second.base_url,
            "api_key": "sk-canary-two",
            "prices": {"m": PRICE},
            "facts": {"operator": ["US"], "processed_in": ["US"], "trains_on_data": "never"},
        },
    }


@pytest.fixture
def build(tmp_path: Path, upstream: Upstream) -> Iterator[Callable[..., House]]:
    """``build(**parts)`` runs a gateway whose config has these parts beside the usual ones."""
    with ExitStack() as stack:
        second = stack.enter_context(Upstream())

        def make(**parts: Any) -> House:
            server = {"timeouts": QUICK, **parts.pop("server", {})}
            if callable(parts.get("providers")):
                parts["providers"] = parts["providers"](upstream, second)
            whole: dict[str, Any] = {
                "server": server,
                "providers": providers(upstream, second),
                "models": {"assistant": ["one/m", "two/m"]},
                **parts,
            }
            path = config(tmp_path, **whole)
            return House(stack.enter_context(running(path)), upstream, second)

        yield make


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """The usual gateway with its two hosts."""
    return build()
