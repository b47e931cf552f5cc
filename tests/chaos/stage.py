"""A running gateway with three hosts behind each of its models, and callers in several threads."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import httpx

from gateway.sight import Sight
from routing.health import Health
from tests.chaos.calls import GOOD, SHAPES, Call, Leaving, make
from tests.chaos.hosts import KINDS, WELL, Host, Mood
from tests.exchange.conftest import FACTS_AT_HOME, PRICE
from tests.fakes.upstream import Upstream
from tests.limits_seen import held
from tests.running import Running, config, running

NAMES = ("one", "two", "three")
ROUTES = [f"{name}/m" for name in NAMES]
STEADY, HEDGED, GOING_ON, ALL_OF_IT = "steady", "hedged", "going-on", "all-of-it"
HEDGE = {"percentile": 50}
MODELS: dict[str, dict[str, Any]] = {
    STEADY: {"routes": ROUTES},
    HEDGED: {"routes": ROUTES, "hedge": HEDGE},
    GOING_ON: {"routes": ROUTES, "continue_streams": True},
    ALL_OF_IT: {"routes": ROUTES, "hedge": HEDGE, "continue_streams": True},
}
THREADS = 6
REST_S = 10.0
TIMEOUTS = {"connect_s": 2, "first_byte_s": 0.3, "answer_s": 0.3, "between_s": 0.3, "total_s": 5}
COUNTED = re.compile(r"^entrepot_(\w+)_total(\{.*\})? (\S+)$", re.MULTILINE)
# The faults that a host answers with the seconds that it wants to be left alone for.
WAITS = ("rate_limited", "overloaded")
Weather = Callable[[int], None]


class Clock:
    """The clock of the gateway's health, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.jumps: list[float] = []

    def __call__(self) -> float:
        """Seconds."""
        return time.monotonic() + self.ahead_s

    def jump(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self.jumps.append(time.monotonic())
        self.ahead_s += seconds


class Stage:
    """The gateway, its hosts and its clock; ``calls`` are all that were made since ``begin``."""

    def __init__(self, gateway: Running, hosts: list[Host], pace_s: float) -> None:
        self.gateway = gateway
        self._pace_s = pace_s
        self.hosts = hosts
        self.clock = Clock()
        self.calls: list[Call] = []
        self._runs = count()
        self._prefix = ""
        server = gateway.server
        assert server is not None
        self._loop = server.servers[0].get_loop()
        self.begin(0)
        # What is there once and for all begins with the first call.
        self.run(len(SHAPES), STEADY)
        self.gateway.until(lambda: not gateway.house.in_flight)
        self._at_rest = self._tasks()
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Forget all that was; the hosts are well, and their moods are drawn by ``seed``."""
        house, self.clock, self.calls = self.gateway.house, Clock(), []
        self.pace(self._pace_s)
        self._prefix = f"n{seed}-{next(self._runs)}"
        for host in self.hosts:
            host.forget(seed)
        house.health = Health(
            self.clock, changed=lambda *c: house.metrics.count("breaker_transitions", c)
        )
        house.outlook = Sight(house.health, house.windows, house.home_load)

    def pace(self, seconds: float) -> None:
        """Let each host take so long before an answer."""
        for host in self.hosts:
            host.pace_s = seconds

    def feel(self, *moods: Mood) -> None:
        """Give the hosts these moods in order; those that are left are well."""
        for host, mood in zip(self.hosts, (*moods, *[WELL] * len(self.hosts)), strict=False):
            host.feels(mood)

    def run(
        self,
        number: int,
        *models: str,
        weather: Weather | None = None,
        leaving: Random | None = None,
        gap_s: float = 0.0,
        threads: int = THREADS,
    ) -> list[Call]:
        """Make ``number`` calls from ``threads`` threads, in all shapes, and return them.

        ``weather`` is told the number of each call before it is made. With ``leaving`` every second
        client leaves at a moment drawn from it. Each thread rests ``gap_s`` after a call.
        """
        numbers, lock, made = iter(range(number)), threading.Lock(), list[Call]()
        base, shapes = len(self.calls), len(SHAPES)

        def calls() -> Iterator[tuple[Call, Leaving | None]]:
            while True:
                with lock:
                    n = next(numbers, None)
                    if n is None:
                        return
                    if weather is not None:
                        weather(n)
                    model = models[n // shapes % len(models)]
                    call = Call(f"{self._prefix}-{base + n}", model, SHAPES[n % shapes])
                    goes = leaving is not None and n // shapes % 2 == 1
                    leaves = _drawn(leaving) if leaving is not None and goes else None
                    made.append(call)
                yield call, leaves

        def work() -> None:
            with httpx.Client(base_url=self.gateway.url, trust_env=False) as client:
                for call, leaves in calls():
                    make(client, call, leaves)
                    time.sleep(gap_s)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.calls += made
        return made

    def counts(self, name: str) -> Counter[str]:
        """One counter of /metrics by its labels, as they stand there."""
        text = self.gateway.client.get("/metrics").text
        found = [m for m in COUNTED.finditer(text) if m[1] == name]
        return Counter({m[2] or "": int(float(m[3])) for m in found})

    def breaches(self) -> list[str]:
        """Requests to a host at a time when the gateway knew that it wanted to be left alone.

        By the hosts' own clocks and by what must have come before what: a request counts where its
        call had not begun, or was still at another host, when the gateway had read the host's word.
        """
        calls = {call.nonce: call for call in self.calls}
        read = {
            (row["request_id"], row["provider"])
            for row in self.gateway.entries()
            if row["error"] in WAITS
        }
        heard = {host.name: host.heard() for host in self.hosts}
        steps: dict[str, list[tuple[float, str]]] = {call.nonce: [] for call in self.calls}
        for name, requests in heard.items():
            for at, nonce in requests:
                if nonce in steps:
                    steps[nonce].append((at, name))
        found = []
        for told in (told for host in self.hosts for told in host.told):
            call = calls.get(told.nonce)
            if call is None or (call.request_id, told.host) not in read:
                continue
            # In a race the other attempt's request says nothing of what this one has read.
            races = "hedge" in MODELS[call.model]
            later = [at for at, _ in steps[told.nonce] if at > told.at and not races]
            known = min([*later, call.ended])
            until = min([told.at + told.seconds, *(j for j in self.clock.jumps if j > told.at)])
            for at, nonce in heard[told.host]:
                if nonce not in calls or not known < at < until:
                    continue
                before = [calls[nonce].begun]
                if "hedge" not in MODELS[calls[nonce].model]:
                    before += [a for a, name in steps[nonce] if a < at and name != told.host]
                if max(before) > known:
                    found.append(f"{nonce} came {at - told.at:.3f} s after {told}")
        return found

    def wrong(self) -> list[str]:
        """What was wrong with the answers so far, one line for each such call."""
        judged = [(call, call.verdict) for call in self.calls]
        return [
            f"{c.nonce} ({c.shape}, {c.model}): {said}" for c, said in judged if said not in GOOD
        ]

    def leftovers(self) -> list[str]:
        """What is still there of calls that are over."""
        house = self.gateway.house
        found = [f"{house.in_flight} calls in flight"] if house.in_flight else []
        if amount := held(house.limits):
            found.append(f"{amount} held")
        begun = [known.begun for known in house.home_load._known.values()]
        found += [f"{len(attempts)} attempts at home" for attempts in begun if attempts]
        found += [f"a task of {name}" for name in (self._tasks() - self._at_rest).elements()]
        for host in self.hosts:
            # Each thread has one call under way at most, and each call one attempt at a host; the
            # connection of the call before may not have been given back when the next one begins.
            if (still := len(host.upstream._writers)) > 2 * THREADS:
                found.append(f"{still} connections to {host.name}")
        return found

    def _tasks(self) -> Counter[str]:
        """What the gateway's loop is at; the wait between two rounds of its drain comes and goes."""
        work = [task.get_coro() for task in asyncio.all_tasks(self._loop)]
        names = Counter(str(getattr(coroutine, "__qualname__", coroutine)) for coroutine in work)
        return Counter({name: n for name, n in names.items() if name != "Event.wait"})

    def check(self) -> None:
        """Fail where an answer was wrong, a host not left alone, or something is left over."""
        wrong = self.wrong() + self.breaches()
        assert not wrong, "\n".join(wrong)
        ends = time.monotonic() + REST_S
        while (left := self.leftovers()) and time.monotonic() < ends:
            time.sleep(0.02)
        assert not left, "\n".join(left)
        for host in self.hosts:
            assert not host.upstream.faults, f"the fake itself failed: {host.upstream.faults}"


def _drawn(leaving: Random) -> Leaving:
    return Leaving(leaving.choice((0.002, 0.01, 0.05, 0.2)), leaving.randrange(5))


def changing(stage: Stage, seed: int, every: int) -> Weather:
    """Return a weather that gives each host a new mood, drawn by ``seed``, every so many calls."""
    draw = Random(seed)

    def weather(number: int) -> None:
        if number % every == 0:
            stage.feel(*(_mood(draw) for _ in stage.hosts))

    return weather


def _mood(draw: Random) -> Mood:
    if draw.random() < 0.4:
        return WELL
    return Mood(draw.choice(KINDS), draw.choice((0.3, 0.7, 1.0)))


@contextmanager
def staged(
    folder: Path, *, pace_s: float = 0.0, timeouts: Mapping[str, float] = TIMEOUTS
) -> Iterator[Stage]:
    """Run a gateway in ``folder`` with its three hosts for the length of a block."""
    with ExitStack() as stack:
        hosts = [Host(name, stack.enter_context(Upstream())) for name in NAMES]
        usual = {
            "catalog": "groq",
            "prices": {"m": PRICE},
            "facts": FACTS_AT_HOME,
        }
        # A key of its own for each: providers with one key share one quota group.
        providers: dict[str, dict[str, Any]] = {
            host.name: {
                **usual,
                "base_url": host.upstream.base_url,
                "api_key": f"sk-canary-{host.name}",
            }
            for host in hosts
        }
        # Its attempts are counted as those at a server at home are; it is never too busy.
        providers["one"] |= {"max_wait_s": 600, "slots": 64}
        path = config(
            folder,
            server={"retries": 1, "timeouts": timeouts},
            providers=providers,
            models=MODELS,
            budgets=[{"name": "all of us", "usd": 1_000_000, "per": "month"}],
        )
        yield Stage(stack.enter_context(running(path)), hosts, pace_s)
