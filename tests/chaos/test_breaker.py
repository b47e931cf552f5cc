"""A breaker's way through its states, as a scrape of the metrics sees it."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.hosts import Mood
from tests.chaos.stage import STEADY, Stage, staged
from tests.fakes import answers

CHANGES = ("closed open", "open half_open", "half_open open", "half_open closed")
MOVED = '{{after="{1}",before="{0}",route="one/m"}}'
PATIENT = {"connect_s": 20, "first_byte_s": 20, "answer_s": 20, "between_s": 20, "total_s": 40}


def moved(stage: Stage) -> tuple[int, ...]:
    found = stage.counts("breaker_transitions")
    return tuple(found[MOVED.format(*change.split())] for change in CHANGES)


def test_it_opens_probes_and_closes_and_the_metrics_tell(tmp_path: Path) -> None:
    with staged(tmp_path, timeouts=PATIENT) as stage:
        host = stage.hosts[0].upstream
        host.script(*[answers.error(500)] * 5)
        stage.run(5, STEADY, threads=1)
        assert moved(stage) == (1, 0, 0, 0)
        # Open: nothing goes there, though the host is well again.
        stage.run(4, STEADY, threads=1)
        assert len(host.requests) == 5
        # Half open: one probe fails, and it is open again.
        stage.clock.jump(15)
        host.script(answers.reset(), answers.reset())  # the first may have been a stale connection
        stage.run(4, STEADY, threads=1)
        assert len(host.requests) == 7
        assert moved(stage) == (1, 1, 1, 0)
        # Two good probes close it.
        stage.clock.jump(30)
        stage.run(4, STEADY, threads=1)
        assert len(host.requests) == 11
        assert moved(stage) == (1, 2, 1, 1)
        assert {call.verdict for call in stage.calls} == {"right"}
        stage.check()


def test_a_host_that_resets_every_connection_is_given_up(tmp_path: Path) -> None:
    with staged(tmp_path, timeouts=PATIENT) as stage:
        stage.feel(Mood("reset"))
        stage.run(8, STEADY, threads=1)
        # One reset may be the pool's: the call is made once more, and what befalls that one counts.
        assert moved(stage) == (1, 0, 0, 0), [call.headers for call in stage.calls]
        heard = len(stage.hosts[0].upstream.requests)
        assert heard <= 10
        stage.run(4, STEADY, threads=1)
        assert len(stage.hosts[0].upstream.requests) == heard
        stage.check()
