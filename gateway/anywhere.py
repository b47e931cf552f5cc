"""``any/glm-5.2``: one model's weights at whichever configured provider has them.

``any/glm-5.2@fp8+`` is narrower: only where the weights are known to be rounded to eight bits or
more; ``@fp8`` to exactly that. Policy, price and health then choose among what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from gateway.routes import Provider
from providers import precision

ANY = "any"
PREFIX = f"{ANY}/"


class NarrowingError(ValueError):
    """What stands behind ``@`` is no way of rounding weights."""


def parts(asked: str) -> tuple[str, frozenset[str] | None]:
    """Return the family that ``any/…`` names and what its weights may be rounded to; None: any.

    Raises ``NarrowingError``.
    """
    family, at, words = asked.removeprefix(PREFIX).partition("@")
    if not at:
        return family, None
    try:
        return family, precision.meant(words)
    except KeyError:
        known = ", ".join(precision.BITS)
        text = f"{words!r} is no quantisation; known here: {known}, with + or not"
        raise NarrowingError(text) from None


def routes_to(asked: str, providers: Mapping[str, Provider]) -> Iterator[str]:
    """Give the routes (``provider/model``) that ``any/…`` means, in the order of the config.

    A model that its host has ended is none of them.
    """
    family, rounded = parts(asked)
    today = datetime.now(UTC).date()
    for name, owner in providers.items():
        for model in owner.host.models.values():
            if "*" in model.id or model.family != family or not model.one_model:
                continue
            if model.ended(today):
                continue
            if rounded is None or model.quantisation in rounded:
                yield f"{name}/{model.id}"


def expanded(
    routes: Iterable[str], providers: Mapping[str, Provider], pin: str | None
) -> list[str]:
    """Return the routes of a model, each ``any/…`` as what it means, none twice.

    ``pin`` is the only provider that may be asked.
    """
    found: dict[str, None] = {}
    for route in routes:
        found |= dict.fromkeys(
            routes_to(route, providers) if route.startswith(PREFIX) else (route,)
        )
    return [name for name in found if pin is None or name.partition("/")[0] == pin]
