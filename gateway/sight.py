"""What a plan is told of its routes at this moment, from all who keep such knowledge."""

from __future__ import annotations

from gateway.home_load import HomeLoad
from routing.health import Health
from routing.outlook import Blocked, Speed
from routing.route import Route
from routing.windows import Windows


class Sight:
    """The outlook of one process; as ``routing.outlook.Outlook``."""

    def __init__(self, health: Health, windows: Windows, home_load: HomeLoad) -> None:
        self._health = health
        self._windows = windows
        self._home_load = home_load

    @property
    def is_clear(self) -> bool:
        """Whether no route at all is in any trouble."""
        return self._health.is_clear and self._windows.is_clear and self._home_load.is_clear

    def blocked(self, route: Route) -> Blocked | None:
        """Return why ``route`` must not be asked now; None where it may."""
        found = self._health.blocked(route) or self._windows.blocked(route)
        if found is None and route.queue is not None:
            found = self._home_load.blocked(route)
        return found

    def speed(self, route: Route) -> Speed | None:
        """Return how fast ``route`` was; None where too little is known."""
        return self._health.speed(route)
