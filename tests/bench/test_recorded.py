"""The judgement of what calls cost now, against what was recorded; and the steps that are counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from bench import counted, lockstep, recorded, yardstick
from bench.counted import Scale

BEFORE = {"small request": 9.0, "relayed chunk": 0.25}


def judged(now: dict[str, float], place: Path, name: str = "a build") -> tuple[int, list[str]]:
    said: list[str] = []
    recorded.write("instructions", "a build", BEFORE, place)
    measured = recorded.Measured("instructions", "in turns", name, now)
    return recorded.judge(measured, said.append, place), said


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        (1.16, 1, "slower"),
        (1.14, 0, ""),
        (1.0, 0, ""),
        (0.86, 0, ""),
        (0.84, 0, "record anew"),
    ],
)
def test_what_costs_16_percent_more_fails_and_14_do_not(
    tmp_path: Path, change: float, status: int, word: str
) -> None:
    for kind in BEFORE:
        now = {**BEFORE, kind: BEFORE[kind] * change}
        found, said = judged(now, tmp_path / "recorded.yaml")
        assert found == status
        last = said[-1]
        assert (word in last and last.endswith(kind)) if word else "%," not in last


def test_another_build_and_a_new_kind_are_shown_and_not_judged(tmp_path: Path) -> None:
    place = tmp_path / "recorded.yaml"
    dear = {kind: figure * 3 for kind, figure in BEFORE.items()}
    status, said = judged(dear, place, "another build")
    assert status == 0
    assert "another build" in said[-1]
    status, said = judged({**BEFORE, "new": 1.0}, place)
    assert status == 0
    assert any("new" in line and "–" in line for line in said[0].splitlines())


def test_what_is_no_longer_measured_fails(tmp_path: Path) -> None:
    status, said = judged({"small request": 9.0}, tmp_path / "recorded.yaml")
    assert status == 1
    assert said[-1].endswith("relayed chunk")


def test_builds_are_recorded_apart(tmp_path: Path) -> None:
    place = tmp_path / "recorded.yaml"
    for means, name, figure in (("instructions", "a", 1.0), ("instructions", "b", 2.0),
                                ("cpu", "a", 3.0), ("instructions", "a", 4.0)):  # fmt: skip
        recorded.write(means, name, {"kind": figure}, place)
    found = {
        (means, name): entry["figures"]["kind"]
        for means, builds in recorded.read(place).items()
        for name, entry in builds.items()
    }
    assert found == {("instructions", "a"): 4.0, ("instructions", "b"): 2.0, ("cpu", "a"): 3.0}


def test_what_is_recorded_is_what_is_measured() -> None:
    whole = yaml.safe_load(recorded.PLACE.read_text(encoding="utf-8"))
    assert whole["instructions"]
    for builds in whole.values():
        for entry in builds.values():
            assert set(entry["figures"]) == set(counted.KINDS)


class Ticks:
    """A meter that tells how often it was asked."""

    def __init__(self) -> None:
        self.zeros = 0

    def zero(self) -> None:
        self.zeros += 1

    def take(self) -> float:
        return 12.0


async def test_each_step_waits_for_the_one_before() -> None:
    """The host alone, without a gateway: it takes a client's calls just as a gateway's."""
    server, streams = await lockstep.listen(0)
    port = server.sockets[0].getsockname()[1]
    steps = await lockstep.connect(port, streams)
    scale = Scale(warm=3, calls=4, big_calls=3, huge_calls=2, streams=2, chunks=6)
    meter = Ticks()
    found = await counted.figures(steps, meter, scale, translates=False)
    assert set(found) == set(counted.KINDS) - {"translated chunk"}
    assert meter.zeros == len(found)
    assert found["small request"] == 3.0
    assert found["relayed chunk"] == 2.0
    host = await steps.begin("chat")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await steps.read(lockstep.CHUNK_END)  # no chunk was sent, so none comes
    host.chunk()
    await steps.read(lockstep.CHUNK_END)
    await steps.end(host)
    steps.close()
    server.close()
    await server.wait_closed()


async def test_the_yardstick_does_the_same_every_time() -> None:
    assert await yardstick.turns(50) == await yardstick.turns(50) > 0
