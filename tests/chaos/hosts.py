"""A fake host with moods: it answers each call with words that tell whose answer it is, or fails.

The words are parts like ``<nonce.3.two>``: which call, which part of the answer, which host said it.
So an answer that is another call's, or of two hosts, or lacks a part, or has one twice, is noticed.
A host that is given the first parts goes on with those that follow.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.fakes import answers
from tests.fakes.answers import Behaviour, End
from tests.fakes.upstream import Request, Upstream

PARTS = 6
PART = re.compile(r"<([\w-]+)\.(\d+)\.(\w+)>")
NONCE = re.compile(r"call ([\w-]+)")
ENDS: tuple[End, ...] = ("stall", "close", "reset", "end")
GARBAGE = b'data: {"choices":[{"index":0,"delta":{"con\n\n'


@dataclass(frozen=True, slots=True)
class Mood:
    """How a host is just now: ``share`` of its answers have the fault ``kind``, "" for none."""

    kind: str = ""
    share: float = 1.0


WELL = Mood()


@dataclass(frozen=True, slots=True)
class Told:
    """A host told one call to wait: ``at`` which moment of monotonic time, and for how long."""

    host: str
    nonce: str
    at: float
    seconds: float


@dataclass(slots=True)
class Host:
    """One host. ``pace_s`` is how long it takes before an answer, and a fifth of it for each part.

    ``waits`` are the seconds that it names where it wants to be left alone.
    """

    name: str
    upstream: Upstream
    pace_s: float = 0.0
    waits: tuple[str, ...] = ("0.4", "0.8")
    mood: Mood = WELL
    told: list[Told] = field(default_factory=list)
    draw: Random = field(default_factory=Random)

    def __post_init__(self) -> None:
        """Let the fake answer by the mood of the moment."""
        self.upstream.default = self._answer

    def feels(self, mood: Mood) -> None:
        """Change the mood; a host that refuses has its port closed."""
        if mood.kind == "refused" and self.mood.kind != "refused":
            self.upstream.refuse()
        if mood.kind != "refused" and self.mood.kind == "refused":
            self.upstream.accept()
        self.mood = mood

    def forget(self, seed: int) -> None:
        """Be well, with nothing said or heard so far."""
        self.feels(WELL)
        self.draw.seed(f"{self.name}{seed}")
        self.told.clear()
        self.upstream.requests.clear()

    def heard(self) -> list[tuple[float, str]]:
        """When which call was asked for, in order."""
        return [(request.at, nonce_of(request)) for request in self.upstream.requests]

    def _answer(self, request: Request) -> Behaviour:
        mood = self.mood
        fault = FAULTS.get(mood.kind)
        if fault is None or self.draw.random() >= mood.share:
            return self.good(request)
        return fault(self, request)

    def good(self, request: Request) -> Behaviour:
        """The whole answer, from the part on that is still to be said."""
        asked, nonce = request.json(), nonce_of(request)
        said = len(PART.findall(json.dumps(asked["messages"])))
        parts = [f"<{nonce}.{place}.{self.name}>" for place in range(said, PARTS)]
        if not asked.get("stream"):
            return answers.late(answers.chat("".join(parts)), seconds=self.pace_s)
        events = answers.chat_stream(parts, usage_place="own")
        stream = answers.sse(events, gap_s=self.pace_s / 5)
        return answers.late(stream, seconds=self.pace_s)

    def says_to_wait(self, request: Request) -> str:
        """Name a number of seconds, and keep that it was named."""
        seconds = self.draw.choice(self.waits)
        self.told.append(
            Told(self.name, nonce_of(request), time.monotonic(), float(seconds)),
        )
        return seconds


def nonce_of(request: Request) -> str:
    """Return which call a request belongs to."""
    found = NONCE.search(json.dumps(request.json()["messages"]))
    assert found is not None, request.body
    return found[1]


def _resets(host: Host, request: Request) -> Behaviour:
    return host.draw.choice((answers.reset(), answers.hang_up()))


def _is_slow(host: Host, request: Request) -> Behaviour:
    late = answers.late(host.good(request), seconds=host.draw.uniform(0.05, 0.2))
    return host.draw.choice((answers.stall(), late))


def _limits(host: Host, request: Request) -> Behaviour:
    return answers.rate_limited(host.says_to_wait(request))


def _fails(host: Host, request: Request) -> Behaviour:
    status = host.draw.choice((500, 502, 503, 504, 529))
    if status == 503 and host.draw.random() < 0.2:
        return answers.error(503, "full", headers={"retry-after": host.says_to_wait(request)})
    return answers.html(502) if status == 502 else answers.error(status, "all is lost")


def _half_dies(host: Host, request: Request) -> Behaviour:
    good, how = host.good(request), host.draw.choice(ENDS)
    if not request.json().get("stream"):
        return answers.cut(good, after_bytes=host.draw.randrange(len(good.pieces[0])), how=how)
    # Up to, and with, the last part of its words: never so far that it is whole.
    pieces = good.pieces[: host.draw.randrange(1, len(good.pieces) - 2)]
    last: Any = host.draw.choice((b"", b"", GARBAGE, _event(answers.error_event("it broke"))))
    return replace(good, pieces=(*pieces, last) if last else pieces, end=how)


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


# A host that refuses answers nobody, so that it has no function.
FAULTS: dict[str, Callable[[Host, Request], Behaviour]] = {
    "reset": _resets,
    "slow": _is_slow,
    "429 storm": _limits,
    "5xx": _fails,
    "half-dead stream": _half_dies,
}
KINDS = ("refused", *FAULTS)
