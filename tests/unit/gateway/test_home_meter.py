"""Answers at home share their machine's time; what it draws is stated, or measured where it says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.home_cost import busy_ms
from gateway.config_providers import ProviderForm
from gateway.home_machine import machine, measured
from gateway.home_meter import HomeMeter, source
from gateway.power import GOOD_FOR_S, Power
from tests.unit.routing.test_windows import PLAN

SECOND = 10**9
DESK = replace(PLAN, provider="desk", usd_per_hour=Decimal("0.36"), watts=Decimal(300))


class Clock:
    """Nanoseconds (or seconds) that pass when told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def meter(clock: Clock) -> HomeMeter:
    return HomeMeter(clock=clock)


def test_one_alone_has_the_whole_machine() -> None:
    clock = Clock()
    found = meter(clock)
    found.began(DESK, "a")
    clock.now = 10 * SECOND
    took = found.took(DESK, "a")
    assert took is not None
    # A thousandth of a dollar for ten seconds, 300 W.
    assert (took.ns, took.pico, took.joules) == (10 * SECOND, 10**9, 3000)
    assert found.took(DESK, "a") is None, "it counts once"
    assert source(took, Decimal("0.360")) == "config: 0.36 USD per hour"


def test_two_at_once_have_half_of_it_while_they_are_two() -> None:
    clock = Clock()
    found = meter(clock)
    found.began(DESK, "a")
    clock.now = 4 * SECOND
    found.began(DESK, "b")
    clock.now = 10 * SECOND
    first = found.took(DESK, "a")
    clock.now = 11 * SECOND
    second = found.took(DESK, "b")
    assert first is not None
    assert second is not None
    assert (first.ns, second.ns) == (7 * SECOND, 4 * SECOND)


def test_a_route_that_is_not_paid_by_the_hour_is_not_measured() -> None:
    found = HomeMeter()
    found.began(PLAN, "a")
    found.ended(PLAN, "a")
    assert found.took(PLAN, "a") is None
    assert found.took(DESK, "never began") is None


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=12)
)  # fmt: skip
def test_the_parts_add_up_to_the_time_in_which_it_was_busy(spans: list[tuple[int, int]]) -> None:
    clock = Clock()
    found = meter(clock)
    events = [(begin, 1, number) for number, (begin, _) in enumerate(spans)]
    events += [(begin + length, 0, number) for number, (begin, length) in enumerate(spans)]
    total = 0
    for at, begins, number in sorted(events):
        clock.now = at * SECOND
        if begins:
            found.began(DESK, number)
        else:
            took = found.took(DESK, number)
            assert took is not None
            total += took.ns
    busy = busy_ms([(begin, begin + length) for begin, length in spans]) * SECOND
    assert busy - 24 * len(spans) <= total <= busy


def sensors(root: Path, energy_uj: int, card_uw: int | None = None) -> None:
    """Write what Linux says of one processor package (and its part), a battery, and a card."""
    for name, uj in (("intel-rapl:0", energy_uj), ("intel-rapl:0:0", 7)):
        folder = root / "powercap" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "energy_uj").write_text(f"{uj}\n")
        (folder / "max_energy_range_uj").write_text("999999999\n")
    for number, (name, uw) in enumerate({"BAT0": 9_000_000, "amdgpu": card_uw}.items()):
        folder = root / "hwmon" / f"hwmon{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text(f"{name}\n")
        if uw is not None:
            (folder / "power1_average").write_text(f"{uw}\n")


def held(root: Path, clock: Clock) -> Power:
    """Return a power that is read by hand only."""
    found = Power(root, clock)
    found._idle = {"desk": Decimal(50)}
    return found


def test_measured_power_is_that_of_packages_and_cards(tmp_path: Path) -> None:
    clock = Clock()
    found = held(tmp_path, clock)
    sensors(tmp_path, 990_000_000, 120_000_000)
    found.read()
    assert found.watts("desk") is None, "a counter needs two readings"
    clock.now = 2
    # It began again meanwhile: 170 J in two seconds.
    sensors(tmp_path, 160_000_000, 120_000_000)
    found.read()
    assert found.watts("desk") == Decimal(85 + 120 - 50)
    assert found.watts("other") is None
    clock.now += int(GOOD_FOR_S) + 1
    assert found.watts("desk") is None, "it is too old"


def test_a_counter_without_a_known_length_measures_all_the_same(tmp_path: Path) -> None:
    clock = Clock()
    found = held(tmp_path, clock)
    for clock.now, energy_uj, watts in (
        (0, 0, None), (1, 150_000_000, 100), (2, 5, None), (3, 100_000_005, 50),
    ):  # fmt: skip
        sensors(tmp_path, energy_uj)
        (tmp_path / "powercap" / "intel-rapl:0" / "max_energy_range_uj").unlink()
        found.read()
        assert found.watts("desk") == watts


def test_what_no_machine_draws_is_no_reading(tmp_path: Path) -> None:
    clock = Clock()
    found = held(tmp_path, clock)
    sensors(tmp_path, 999_999_000)
    found.read()
    clock.now = 1
    sensors(tmp_path, 999_998_000, 25_000_000_000)
    found.read()
    assert found.watts("desk") is None


def test_without_sensors_nothing_is_known(tmp_path: Path) -> None:
    clock = Clock()
    found = held(tmp_path, clock)
    for _ in range(2):
        found.read()
        clock.now += 2
    assert found.watts("desk") is None


def test_measured_power_stands_in_the_place_of_the_stated(tmp_path: Path) -> None:
    clock = Clock()
    power = held(tmp_path, clock)
    found = HomeMeter(power, clock)
    sensors(tmp_path, 0)
    power.read()
    clock.now = 1
    sensors(tmp_path, 200_000_000)
    power.read()
    found.began(DESK, "a")
    clock.now += 1
    took = found.took(DESK, "a")
    assert took is not None
    # 150 W above idling where 300 are stated: half the price.
    assert (took.pico, took.joules, took.measured) == (round(Decimal(50) / 10**6), 0, True)
    assert "by measured power" in source(took, Decimal("0.36"))


def test_it_reads_in_the_background_and_ends() -> None:
    async def run() -> None:
        found = Power(Path("/nowhere"))
        found.hold({})
        assert found._task is None
        found.hold({"desk": Decimal(0)})
        await asyncio.sleep(0)
        await found.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "per_hour"),
    [
        ({"watts": 350, "usd_per_kwh": "0.32"}, "0.112"),
        ({"usd_per_hour": "1.5"}, "1.5"),
        ({"home": {"watts": 350, "idle_watts": 50, "usd_per_kwh": "0.32"}}, "0.096"),
        ({"home": {"watts": 350, "usd_per_kwh": 0}}, "0"),
        ({}, None),
    ],
)
def test_every_way_to_say_it_is_one_machine(said: dict[str, object], per_hour: str | None) -> None:
    found = machine(ProviderForm.model_validate(said))
    if per_hour is None:
        assert found is None
    else:
        assert found is not None
        assert found.busy_usd_per_hour == Decimal(per_hour)


def test_only_this_machine_is_measured() -> None:
    home = {"watts": 350, "usd_per_kwh": "0.32", "idle_watts": 40, "measured": True}
    forms = {
        "here": {"home": home, "base_url": "http://127.0.0.1:8081/v1"},
        "launched": {"home": home, "launch": {"model": "m"}},
        "attic": {"home": home, "base_url": "http://192.168.1.7:8081/v1"},
        "stated": {"home": {**home, "measured": False}, "base_url": "http://127.0.0.1:8081/v1"},
    }
    found = measured({name: ProviderForm.model_validate(form) for name, form in forms.items()})
    assert found == {"here": Decimal(40), "launched": Decimal(40)}
