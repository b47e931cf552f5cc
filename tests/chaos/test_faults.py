"""Whatever befalls its hosts: an answer is right, or it is an error in the asker's wire."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.chaos.hosts import KINDS, Mood
from tests.chaos.stage import ALL_OF_IT, GOING_ON, HEDGED, STEADY, Stage, changing, staged

CALLS = 16


@pytest.fixture(scope="module")
def _staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("chaos")) as stage:
        yield stage


@pytest.fixture
def stage(_staged: Stage) -> Stage:
    """A gateway whose three hosts are well."""
    _staged.begin(1)
    return _staged


def verdicts(stage: Stage) -> set[str]:
    return {call.verdict for call in stage.calls}


def test_without_faults(stage: Stage) -> None:
    stage.run(32, STEADY, HEDGED, GOING_ON, ALL_OF_IT)
    stage.check()
    assert "right" in verdicts(stage)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_one_host(stage: Stage, kind: str) -> None:
    stage.feel(Mood(kind))
    stage.run(CALLS, STEADY)
    stage.check()


@pytest.mark.parametrize(("kind", "other"), [*zip(KINDS[::2], KINDS[1::2], strict=True)])
def test_two_hosts_at_once(stage: Stage, kind: str, other: str) -> None:
    stage.feel(Mood(kind), Mood(other))
    stage.run(CALLS, STEADY)
    stage.check()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all_three_for_a_while(stage: Stage, kind: str) -> None:
    stage.feel(Mood(kind), Mood(kind), Mood(kind))
    stage.run(CALLS, STEADY)
    stage.feel()
    stage.clock.jump(60)
    stage.run(CALLS, STEADY)
    stage.check()


def test_a_mixture_that_changes(stage: Stage) -> None:
    stage.run(120, STEADY, weather=changing(stage, 1, 12))
    stage.check()


def test_with_hedging(stage: Stage) -> None:
    # Long enough that two answers at once would be mixed.
    stage.pace(0.02)
    stage.run(48, HEDGED)
    before = stage.counts("hedges").total()
    stage.feel(Mood("slow", 0.5), Mood("half-dead stream", 0.5), Mood("slow", 0.3))
    stage.run(48, HEDGED)
    stage.check()
    assert stage.counts("hedges").total() > before


def test_with_streams_that_are_gone_on_with(stage: Stage) -> None:
    before = stage.counts("continued").total()
    stage.feel(Mood("half-dead stream", 0.7), Mood("half-dead stream", 0.7))
    stage.run(48, GOING_ON)
    stage.check()
    assert stage.counts("continued").total() > before


@pytest.mark.parametrize("model", [STEADY, ALL_OF_IT])
def test_nothing_is_left_of_clients_that_leave(stage: Stage, model: str) -> None:
    stage.pace(0.02)
    stage.run(64, model, weather=changing(stage, 7, 8), leaving=Random(7))
    stage.check()
    assert "left" in verdicts(stage)
