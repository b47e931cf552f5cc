"""What translating costs: calls and chunks of clients and hosts that speak different wires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bench.gateways import Running
from bench.measures import BURST, PACED, Figures, Scale, calls, chunks, warm
from bench.mock import Mock


class Pair(NamedTuple):
    """A client's wire, and that of the hosts that answer."""

    client: str
    host: str

    def __str__(self) -> str:
        return f"{self.client} to {self.host}"


PAIRS: tuple[Pair, ...] = (
    Pair("chat", "messages"),
    Pair("chat", "gemini"),
    Pair("chat", "converse"),
    Pair("messages", "chat"),
    Pair("gemini", "chat"),
)


def pairs_of(running: Running) -> list[Pair]:
    """Return the pairs that a gateway is set up for; of peers only what they say they can."""
    if running.gateway.name == "entrepot":
        return list(PAIRS)
    return [pair for pair in PAIRS if pair.client == "chat" and pair.host in running.gateway.lanes]


def pair(running: Running, mock: Mock, scale: Scale, of: Pair) -> Figures:
    """Return the figures of whole answers, paced chunks and chunks in a burst of one pair."""
    asked = running.asked(of.host, of.client)
    warm(running, asked, scale)
    found: dict[str, Mapping[str, float]] = {
        "whole": calls(running, mock, asked, scale.lane_s),
        "paced": chunks(running, running.asked(of.host, of.client, stream=PACED), PACED, 1),
        "burst": chunks(
            running, running.asked(of.host, of.client, stream=BURST), BURST, 1, scale.lane_s
        ),
    }
    return {
        f"{part}.{name}": value
        for part, figures in found.items()
        for name, value in figures.items()
    }
