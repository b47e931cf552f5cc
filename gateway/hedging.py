"""A second attempt beside a slow first one: whichever speaks first answers, the other is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.attempt import Attempt
from gateway.ending import end
from gateway.front import Message, Send
from gateway.house import House
from routing.route import Route


class Door:
    """One runner's way to the client: the first message through any of them shuts the others.

    ``attempt`` is what the runner is at.
    """

    def __init__(self, race: Race) -> None:
        self._race = race
        self.attempt: Attempt | None = None

    async def send(self, message: Message) -> None:
        """Pass ``message`` on to the client; never returns for who has lost."""
        if not self._race.won_by(self):
            # The cancellation that came with the loss is delivered here.
            await asyncio.Future()
        await self._race.send(message)


class Race:
    """Two attempts at one answer."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.winner: Door | None = None
        self._tasks: dict[Door, asyncio.Task[bool]] = {}

    @property
    def tasks(self) -> list[asyncio.Task[bool]]:
        """Those that have begun, in order."""
        return list(self._tasks.values())

    def begin(self, run: Callable[[Door], Coroutine[Any, Any, bool]]) -> asyncio.Task[bool]:
        """Let one more run."""
        door = Door(self)
        task = self._tasks[door] = asyncio.ensure_future(run(door))
        return task

    def won_by(self, door: Door) -> bool:
        """Whether ``door`` is the one to speak; the first that asks is."""
        if self.winner is None:
            self.winner = door
            for other, task in self._tasks.items():
                if other is not door:
                    if other.attempt is not None:
                        other.attempt.purpose = "hedge"  # what it costs is what hedging costs
                    task.cancel()
        return self.winner is door

    async def end(self) -> None:
        """Stop all that still run, and wait until each has settled."""
        await end(self.tasks)


async def raced(
    house: House,
    run: Callable[[Route, Door], Coroutine[Any, Any, bool]],
    send: Send,
    first: Route,
    second: Route,
    after_s: float,
) -> tuple[bool, bool]:
    """Try ``first``, and ``second`` beside it where the client has nothing after ``after_s``.

    ``run`` makes an attempt, and gives True where it answered. Returns whether one has, and whether
    both were tried. A fault of ours in either is raised once both have ended.
    """
    race = Race(send)
    race.begin(lambda door: run(first, door))
    try:
        await asyncio.wait(race.tasks, timeout=after_s)
        slow = not race.tasks[0].done() and race.winner is None
        if slow and house.outlook.blocked(second) is None:
            house.health.hedged(first)
            race.begin(lambda door: run(second, door))
        await _until_one_answered(race.tasks)
    finally:
        await race.end()
    both = len(race.tasks) > 1
    if both:
        speaker = race.winner.attempt if race.winner is not None else None
        won = speaker is not None and speaker.route is second
        house.metrics.count("hedges", (second.name, "won" if won else "lost"))
    results = [task.result() for task in race.tasks if not task.cancelled()]
    return any(results), both


async def _until_one_answered(tasks: list[asyncio.Task[bool]]) -> None:
    waiting: set[asyncio.Task[bool]] = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if any(not task.cancelled() and (task.exception() or task.result()) for task in done):
            return
