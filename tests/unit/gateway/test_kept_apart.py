"""What one client or host can bring about at will stays its own: no label, table or hint gives."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import cast

import pytest

from gateway import metrics
from gateway.call import Call
from gateway.counting import count
from gateway.front import Message, headers_of
from gateway.house import House
from gateway.lanes import Cannot
from gateway.metrics import Metrics
from gateway.record import Record
from providers.wires.registry import WIRES
from routing.health import Health
from tests.unit.routing.sick_routes import Clock, fail, route

LABEL, TAGS = b"x-entrepot-label", b"x-entrepot-tags"


@pytest.mark.parametrize(
    ("name", "given", "found"),
    [
        (LABEL, [b"personal", b"public"], b"personal,public"),  # none of the policy's: refused
        (LABEL, [b"public", b"public"], b"public"),
        (TAGS, [b"patients", b"batch, night"], b"patients,batch, night"),
        (b"user-agent", [b"first", b"last"], b"last"),
    ],
)
def test_a_word_that_raises_a_label_is_not_lost_beside_another(
    name: bytes, given: list[bytes], found: bytes
) -> None:
    pairs = [(b"host", b"h"), *((name, value) for value in given)]
    assert headers_of(pairs) == {b"host": b"h", name: found}


def test_codes_that_hosts_make_up_do_not_grow_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "SERIES_MAX", 10)
    counts = Metrics({})
    for number in range(50):
        counts.observe(Record("req", 0.0, status=400, code=f"made-up-{number}"), 0.1)
    lines = counts.text().decode().splitlines()
    asked = [line for line in lines if line.startswith("entrepot_requests_total")]
    assert len(asked) == 11
    assert 'entrepot_requests_total{code="other",status="400"} 40.0' in asked


async def test_a_count_that_no_host_gives_takes_no_probes_place() -> None:
    clock = Clock()
    health, one = Health(clock, lambda: 0.5), route("a/m")
    fail(health, one)
    clock.now += 60
    call = SimpleNamespace(
        wire=WIRES["messages"],
        plan=SimpleNamespace(routes=(one,)),
        lanes=SimpleNamespace(counting=lambda _: Cannot("", "its host counts no tokens")),
        stay="",
        peek=SimpleNamespace(text_bytes=10),
        record=Record("req", 0.0),
    )

    async def send(_: Message) -> None:
        return None

    await count(cast(House, SimpleNamespace(health=health)), cast(Call, call), send)
    assert health.blocked(one) is None


def test_who_knows_all_of_a_conversation_but_its_key_cannot_make_its_hint() -> None:
    code = "from gateway.conversations import hint; print(hint(b'k' * 16, 'one'))"
    made = {subprocess.check_output([sys.executable, "-c", code]) for _ in range(2)}
    assert len(made) == 2
