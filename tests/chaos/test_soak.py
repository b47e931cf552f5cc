"""A few thousand calls in a mixture of faults: with all that may be turned on, and clients that leave."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.chaos.stage import ALL_OF_IT, GOING_ON, HEDGED, STEADY, changing, staged


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_wrong_and_nothing_is_left(tmp_path: Path, seed: int) -> None:
    with staged(tmp_path, pace_s=0.005) as stage:
        stage.begin(seed)
        weather = changing(stage, seed, 15)
        for _ in range(4):
            stage.run(300, STEADY, HEDGED, GOING_ON, ALL_OF_IT, weather=weather)
            stage.run(100, ALL_OF_IT, STEADY, weather=weather, leaving=Random(seed))
            # The breakers that are open try again.
            stage.clock.jump(200)
        stage.check()
