"""Asks servers at home what they tell of themselves, keeps it, and applies it to calls.

A server is asked when a model of it is first asked for, and again from time to time. The first call
waits a moment for the answer, later ones never. What it said makes the route anew: its window,
whether tools reach the model, whether the model runs there at all. A fault means that nothing is
known, but for one: a server that cannot say in time whether it passes a model on to other machines
is not trusted to keep it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway import prompt_size
from gateway.ending import end
from gateway.errors import Refusal
from gateway.lanes import Lane, Lanes
from gateway.log import LineLog
from gateway.setup import Setup, Standing
from providers import home_asking, tokens
from providers.client import Client
from providers.errors import ErrorKind, UpstreamError
from providers.home_reading import together
from providers.home_server import NOTHING_LEARNT, Learnt, Server
from providers.launch import Launched
from providers.usage import Usage
from routing.plan import Plan
from routing.route import Route

# What a call waits for a server that was never asked before: it is in the same house.
FIRST_WAIT_S = 0.5
AGAIN_S = 60.0
# After nothing, or not enough, was said.
SOON_S = 5.0
# A call is refused only by what was said so recently.
SURE_S = 5.0
KNOWN_MAX = 4096
NEVER = float("-inf")
NEVER_DUE = float("inf")
CHAT = "chat"
CHAT_PROMPT = ("messages", "tools")
# A prompt that fills so much of a window, of a text so much larger than it, was cut.
FULL, LARGER = 0.5, 1.25
# What a prompt has beside text, so that its bytes tell nothing.
NO_TEXT = frozenset({"images", "files", "audio"})


_Key = tuple[str, str]  # a route's name, and the address of its server


@dataclass(slots=True)
class _Known:
    """What a server said of one model; ``at`` is when, and ``again`` when to ask it anew.

    ``early``: it was asked before that once, because a call has made it load the model.
    """

    learnt: Learnt
    at: float = NEVER
    again: float = 0.0
    early: bool = False

    @property
    def waited_for(self) -> bool:
        """Whether a call waits for the next answer: there is none yet, or it is wanted at once."""
        return self.at == NEVER or not self.again


class UnfitError(UpstreamError):
    """This route cannot serve the request, as its server said; another one may."""


class AtHome:
    """What is known of the servers at home; one for the process, in its loop.

    ``launched`` are the servers that the gateway runs itself, by provider.
    """

    def __init__(self, client: Client, log: LineLog, launched: Mapping[str, Launched]) -> None:
        self._client = client
        self._log = log
        self._launched = launched
        self._setup: Setup | None = None
        self._known: dict[_Key, _Known] = {}
        self._news = 0  # counts what may make a question due earlier than it was
        self._asking: dict[_Key, asyncio.Task[None]] = {}

    def due(self, setup: Setup, planned: Plan, standing: Standing) -> bool:
        """Whether ``meet`` has anything to do for a plan; ``standing`` remembers until when not."""
        if setup is not self._setup:
            return True
        now = time.monotonic()
        if planned is not standing.plan:
            return any(self._due_at(route) <= now for route in self._worth(planned))
        news, until = standing.calm
        if news != self._news or until <= now:
            until = min((self._due_at(route) for route in self._worth(planned)), default=NEVER_DUE)
            standing.calm = self._news, until
        return until <= now

    async def meet(self, setup: Setup, planned: Plan) -> bool:
        """Have the servers in a plan tell of themselves, within a moment.

        Returns whether that makes a route otherwise than it was.
        """
        if setup is not self._setup:
            self._changed(setup)
        now, unmet = time.monotonic(), []
        routes = list(self._worth(planned))
        for route in routes:
            if self._due_at(route) <= now and (address := await self.address(route)):
                wanted_now = self._of(route).waited_for
                task = self._ask(route, address)
                unmet += [task] if wanted_now else []
        await _some_time(unmet)
        for route in routes:
            if (met := self._known.get(_key(route))) is not None:
                setup.learn(route.name, met.learnt)
        return any(setup.route(route.name) is not route for route in routes)

    def _changed(self, setup: Setup) -> None:
        """Tell a new setup what is known, and forget what is not of a server at its address."""
        self._setup = setup
        for name, base_url in list(self._known):
            owner = setup.providers.get(name.partition("/")[0])
            # A server that is launched may be another one now, without an address to tell.
            if owner is None or not base_url or owner.endpoint.base_url != base_url:
                del self._known[name, base_url]
            else:
                setup.learn(name, self._known[name, base_url].learnt)

    def _worth(self, planned: Plan) -> Iterator[Route]:
        """Yield the routes at home that may be asked.

        One that policy leaves out is not, unless by what its server said, which may be over.
        """
        for route in planned.routes:
            if route.endpoint.server is not None:
                yield route
        for dropped in planned.dropped:
            if _key(dropped.route) in self._known:
                yield dropped.route

    async def check(
        self,
        route: Route,
        setup: Setup,
        lanes: Lanes,
        lane: Lane,
        may: Callable[[Route], bool],
        base_url: str,
    ) -> Route:
        """Return the route as its server says that it is, right before the call goes there.

        ``base_url`` is that of a launched server. Raises ``UpstreamError`` where it cannot serve
        the call: it takes no tools, the prompt does not fit, or policy forbids where it would go.
        """
        server = route.endpoint.server
        if server is None:
            return route
        address = base_url or route.endpoint.base_url
        known = self._of(route)
        if server.probes and known.at == NEVER:
            await _some_time([self._ask(route, address)])
        setup.learn(route.name, known.learnt)
        now = setup.route(route.name)
        if now is not route and not may(now):
            text = "by what its server says of the model, policy does not let this call go there"
            raise UnfitError(ErrorKind.BAD_REQUEST, text, status=403, code="policy_denied")
        if now.available and not route.available:
            # As when everything has to stay at home, and its server passes the model on.
            raise UnfitError(ErrorKind.BAD_REQUEST, now.available, status=403, code="policy_denied")
        if "tools" in lanes.peek.needs and "tools" in now.cannot and "tools" not in route.cannot:
            text = "its chat template takes no tools: they would go unused without a word"
            raise UnfitError(ErrorKind.BAD_REQUEST, text, code="unsupported_parameter")
        if server.overflow != "refused" and known.learnt.context is not None:
            await self._fits(now, server, lanes, lane, address)
        return now

    def look_back(self, route: Route, lanes: Lanes, usage: Usage, request_id: str) -> str:
        """Return a note for the ledger where the usage shows that the prompt was cut, else ""."""
        server = route.endpoint.server
        if server is None or server.overflow == "refused" or usage.state != "reported":
            return ""
        known = self._of(route)
        if known.learnt.loaded is False and not known.early:
            # It has loaded the model for this call, and can say its window now.
            known.early, known.again = True, 0.0
            self._news += 1
        windows = (known.learnt.context,) if known.learnt.context else server.usual_windows
        window = _filled(windows, usage.prompt_tokens, lanes)
        if window is None:
            return ""
        sent = tokens.estimate(prompt_size.text_bytes(lanes.neutral()))
        self._log.write(
            {
                "event": "prompt_cut",
                "id": request_id,
                "route": route.name,
                "window": window,
                "read": usage.prompt_tokens,
                "sent_about": sent,
            }
        )
        return (
            f"the prompt was probably cut by the server: about {sent} tokens were sent, "
            f"{usage.prompt_tokens} were read, its window is {window}"
        )

    async def close(self) -> None:
        """Ask nothing any more."""
        await end(self._asking.values())

    def _due_at(self, route: Route) -> float:
        """Return when the server of ``route`` is to be asked again (monotonic seconds)."""
        server = route.endpoint.server
        if server is None or not server.probes:
            return NEVER_DUE
        known = self._known.get(_key(route))
        return known.again if known is not None else 0.0

    def _of(self, route: Route) -> _Known:
        found = self._known.get(_key(route))
        if found is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._news += 1
            probes = route.endpoint.server.probes if route.endpoint.server is not None else ()
            unsure = any("remote" in probe.finds for probe in probes)
            found = self._known[_key(route)] = _Known(Learnt(silent=unsure))
        return found

    async def address(self, route: Route) -> str:
        """Return where the server of ``route`` is; "" for one that is not running yet."""
        if route.endpoint.base_url:
            return route.endpoint.base_url
        server = self._launched.get(route.provider)
        if server is None or server.state.phase != "ready":
            return ""
        return await server.ready(0)

    def _ask(self, route: Route, address: str) -> asyncio.Task[None]:
        """Return the one question that is under way for ``route``, begun where there is none."""
        key = _key(route)
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._learn(route, address))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _learn(self, route: Route, address: str) -> None:
        known = self._of(route)
        known.again = time.monotonic() + home_asking.WITHIN_S
        learnt = await home_asking.learn(self._client, route.endpoint, address, route.model)
        now = time.monotonic()
        known.again = now + (SOON_S if learnt.silent or learnt == NOTHING_LEARNT else AGAIN_S)
        # Where it says nothing (busy, restarting), what it said before is the best there is.
        before = replace(known.learnt, silent=False)
        if learnt.remote is not None:
            before = replace(before, remote=None)
        known.learnt, known.at = together([learnt, before]), now
        known.early = known.early and not learnt.loaded
        owner = self._setup.providers.get(route.provider) if self._setup is not None else None
        self._news += 1
        if self._setup is not None and owner is not None and owner.endpoint is route.endpoint:
            self._setup.learn(route.name, known.learnt)

    async def _fits(
        self, route: Route, server: Server, lanes: Lanes, lane: Lane, address: str
    ) -> None:
        """Raise ``UpstreamError`` where the prompt is certainly longer than the window."""
        known = self._of(route)
        window = known.learnt.context or 0
        if tokens.at_most(lanes.peek.text_bytes) <= window or not lanes.wire.neutral:
            return
        least = await self._least(route, server, lanes, lane, window, address)
        if least > window and time.monotonic() - known.at > SURE_S:
            # The model may have been loaded anew, with another window.
            await _some_time([self._ask(route, address)])
            window = known.learnt.context or 0
        if window and least > window:
            raise UpstreamError(
                ErrorKind.CONTEXT_TOO_LONG,
                f"the prompt has at least {least} tokens, and the window of {route.name} is "
                f"{window}, as its server says: it would be cut there without a word. Shorten it, "
                "or have the server load the model with a larger window",
            )

    async def _least(
        self, route: Route, server: Server, lanes: Lanes, lane: Lane, window: int, address: str
    ) -> int:
        """Return a number of tokens that the prompt certainly has: counted there, else here."""
        try:
            request = lanes.neutral()
        except Refusal:
            return 0
        least = prompt_size.words(request)
        at, near = server.tokenise, 2 * tokens.estimate(prompt_size.text_bytes(request)) > window
        if least > window or at is None or not near:
            return least
        if at.sends == "text":
            asked: dict[str, Any] = {"model": route.model, at.field: prompt_size.text(request)}
        elif lane.wire.name == CHAT:
            names = [name for name in CHAT_PROMPT if name in lane.body]
            asked = {"model": route.model, **{name: lane.body[name] for name in names}}
        else:
            return least
        counted = await home_asking.count(self._client, route.endpoint, address, at, asked)
        return max(least, counted or 0)


def _key(route: Route) -> _Key:
    return route.name, route.endpoint.base_url


def _filled(windows: Iterable[int], read: int, lanes: Lanes) -> int | None:
    """Return the window that a prompt filled which was larger; None where nothing shows that."""
    if lanes.peek.needs & NO_TEXT or not lanes.wire.neutral:
        return None
    sent = tokens.estimate(lanes.peek.text_bytes)
    fits = [one for one in windows if FULL * one <= read <= one and sent >= LARGER * one]
    if not fits:
        return None
    try:
        # The bytes of a body may be much more than its text: escapes, schemas, names of fields.
        exact = tokens.estimate(prompt_size.text_bytes(lanes.neutral()))
    except Refusal:
        return None
    return next((window for window in fits if exact >= LARGER * window), None)


async def _some_time(tasks: list[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=FIRST_WAIT_S)
