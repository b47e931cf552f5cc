"""A gateway with all that money goes to: budgets, a plan, a machine at home, and a baseline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from billing.budgets import Holder
from gateway.plan_windows import remember
from tests.fakes.house import CONFIG, FakeHouse, ago_us, house, some_entries
from tests.unit.billing.samples import an_entry

READY_WITHIN_S = 10.0


@contextmanager
def rich(folder: Path) -> Iterator[FakeHouse]:
    """A gateway with budgets, a plan, a machine at home and a baseline."""
    desk = {**CONFIG["providers"]["desk"], "home": {"watts": 350, "idle_watts": 60,
            "usd_per_kwh": "0.32", "hardware_usd": 2400}}  # fmt: skip
    desk.pop("free")
    providers = {
        **CONFIG["providers"],
        "desk": desk,
        "coding": {
            "catalog": "minimax-plan",
            "api_key": "x",
            "tier": "plus",
            "terms": "ours allow it",
        },
    }
    budgets = [
        {"name": "everything", "usd": 20, "per": "month", "alerts": [50, 80]},
        {"name": "research with a rather long name", "usd": "0.02", "per": "day", "label": "internal",
         "alerts": [50, 80, 100]},
        {"name": "each person", "usd": 1, "per": "rolling 5h", "key": "each", "soft": True},
    ]  # fmt: skip
    with house(
        folder, providers=providers, budgets=budgets, baseline="mistral/mistral-large-2512"
    ) as made:
        made.keep(
            *some_entries(),
            *(
                an_entry(
                    400 + number,
                    at_us=ago_us(number * 2),
                    provider="desk",
                    model="qwen3-8b",
                    operator="home",
                    place="home",
                    total_ms=1_500_000,
                    input=9_000,
                    cost_pico=38_000_000_000,
                )
                for number in range(40)
            ),
            *(
                an_entry(
                    300 + number,
                    at_us=ago_us(number * 3),
                    provider="coding",
                    model="MiniMax-M2.5",
                    plan="M Plan",
                    input=40_000,
                    output=3_000,
                    cost_pico=0,
                )
                for number in range(30)
            ),
        )
        # A test may have a loop of its own in this thread.
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(asyncio.run, _spend(made)).result(READY_WITHIN_S)
        yield made


async def _spend(made: FakeHouse) -> None:
    await made.drain.move()
    remember(made.windows, made.setup, made.store)
    await made.limits.configure((), made.setup.budgets)
    for label, pico in (("public", 2_450_000_000_000), ("internal", 16_100_000_000)):
        hold = await made.limits.hold(Holder(key="alice", team="", label=label), 1, pico)
        hold.settle(pico, 1)
    await made.limits.hold(Holder(key="bob", team="", label="public"), 1, 3_100_000_000_000)
