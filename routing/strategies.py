"""In which order the routes that may answer are tried, each with the number that ranked it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from billing.money import usd_text
from routing.affinity import stay
from routing.expected import View, seconds
from routing.route import Route
from routing.wish import Wish

# Of so many requests one goes first to a route whose speed nobody knows, so that it becomes known.
EXPLORES_ONE_IN = 20
UNKNOWN_COUNTS = 2.0  # in a blend: twice as bad as the worst that is known
_LISTED = tuple(f"listed at place {place}" for place in range(1, 33))

Ranked = tuple[tuple[Route, ...], tuple[str, ...]]


def order(routes: Sequence[Route], wish: Wish, view: View) -> Ranked:
    """Return ``routes`` in the order to try them, with one reason each.

    A conversation that is warm somewhere stays there while that is cheaper, whatever the wish.
    """
    if wish.order == "listed" or len(routes) < 2:
        ranked = tuple(routes), _listed(len(routes))
    else:
        ranked = _ORDERS[wish.order](routes, wish, view)
    if view.warm and len(routes) > 1:
        return stay(*ranked, view, indifferent=wish.order == "weighted")
    return ranked


def _listed(many: int) -> tuple[str, ...]:
    if many <= len(_LISTED):
        return _LISTED[:many]
    return tuple(f"listed at place {place}" for place in range(1, many + 1))


def _cheapest(routes: Sequence[Route], _wish: Wish, view: View) -> Ranked:
    """Order by what this request will probably cost; unknown ranks last, equals stay as listed."""
    priced = [(view.cost(route), route) for route in routes]
    priced.sort(key=lambda pair: (pair[0] is None, pair[0] or 0))
    return tuple(route for _, route in priced), tuple(
        _cost_words(cost, route, view) for cost, route in priced
    )


def _cost_words(cost: int | None, route: Route, view: View) -> str:
    if cost is None:
        return "price unknown, so last"
    if route.plan is not None and (shadow := view.shadow(route)) is not None:
        return f"{usd_text(cost)} USD expected; {shadow.words}"
    if route.usd_per_hour is not None:
        hourly = f"{route.usd_per_hour.normalize():f} USD per hour"
        timed = view.speed(route) is not None
        return (
            f"{usd_text(cost)} USD expected, at {hourly}" if timed else f"{hourly}, not timed yet"
        )
    asked = view.expected
    warm = view.warm.get(route.name)
    cached = f", {min(warm.tokens, asked.prompt_tokens)} of them cached" if warm else ""
    return (
        f"{usd_text(cost)} USD expected for {asked.prompt_tokens} tokens in{cached}, "
        f"{asked.output_tokens} out"
    )


def _fastest(routes: Sequence[Route], _wish: Wish, view: View) -> Ranked:
    """Order by the time that the whole answer will take; unmeasured ones stand behind, as listed.

    Now and then one of those goes first. Where none is measured the listed order holds.
    """
    timed = [(_seconds(route, view), route) for route in routes]
    if all(time is None for time, _ in timed):
        return tuple(routes), tuple(f"{why}, no speed known" for why in _listed(len(routes)))
    timed.sort(key=lambda pair: (pair[0] is None, pair[0] or 0.0))
    return _exploring(
        [route for _, route in timed],
        [_time_words(time, view) for time, _ in timed],
        view,
    )


def _seconds(route: Route, view: View) -> float | None:
    speed = view.speed(route)
    return None if speed is None else seconds(speed, view.expected)


def _time_words(time: float | None, view: View) -> str:
    if time is None:
        return "its speed is not known yet"
    return f"{time:.2f} s expected for {view.expected.output_tokens} tokens"


def _exploring(routes: list[Route], reasons: list[str], view: View) -> Ranked:
    """Let an unmeasured route go first where the draw says so: one request in twenty."""
    if view.draw < 1 / EXPLORES_ONE_IN:
        unknown = [place for place, route in enumerate(routes) if view.speed(route) is None]
        if unknown and len(unknown) < len(routes):
            # What is left of the draw is even again, and chooses among them.
            place = unknown[int(view.draw * EXPLORES_ONE_IN * len(unknown))]
            routes.insert(0, routes.pop(place))
            del reasons[place]
            reasons.insert(0, "tried first once, so that its speed becomes known")
    return tuple(routes), tuple(reasons)


def _weighted(routes: Sequence[Route], wish: Wish, view: View) -> Ranked:
    """Draw one route after the other by weight; those of weight 0 stand last, as listed."""
    left = [(wish.weights.get(route.name, 1), route) for route in routes]
    whole = sum(weight for weight, _ in left)
    draw = view.draw
    drawn: list[tuple[int, Route]] = []
    while (total := sum(weight for weight, _ in left)) > 0:
        point, place = draw * total, 0
        # The last one with a weight is taken where rounding leads beyond it.
        last = max(index for index, (weight, _) in enumerate(left) if weight)
        while place < last and point >= left[place][0]:
            point -= left[place][0]
            place += 1
        weight, _ = left[place]
        drawn.append(left.pop(place))
        draw = min(point / weight, 1 - 2**-53)  # even again, within the part that was hit
    return tuple(route for _, route in (*drawn, *left)), (
        *(f"drawn by weight {weight} of {whole}" for weight, _ in drawn),
        *("weight 0, so last" for _ in left),
    )


def _blend(routes: Sequence[Route], wish: Wish, view: View) -> Ranked:
    """Order by the sum of what each wish says, as a share of the worst of them, times its part."""
    scores = [0.0] * len(routes)
    for name, share in wish.blend.items():
        for place, part in enumerate(_parts(name, routes, view)):
            scores[place] += float(share) * part
    places = sorted(range(len(routes)), key=scores.__getitem__)
    ranked = [routes[place] for place in places]
    reasons = [f"{scores[place]:.3f} by {wish.text}, less is better" for place in places]
    if "fastest" in wish.blend:
        return _exploring(ranked, reasons, view)
    return tuple(ranked), tuple(reasons)


def _parts(name: str, routes: Sequence[Route], view: View) -> list[float]:
    """Return how each route does by one wish: 0 the best there can be, 1 the worst of these."""
    if name == "listed":
        return [place / max(1, len(routes) - 1) for place in range(len(routes))]
    known: list[int | float | None]
    if name == "cheapest":
        known = [view.cost(route) for route in routes]
    else:
        known = [_seconds(route, view) for route in routes]
    worst = max((figure for figure in known if figure is not None), default=0)
    return [
        UNKNOWN_COUNTS if figure is None else figure / worst if worst else 0.0 for figure in known
    ]


_ORDERS: Mapping[str, Callable[[Sequence[Route], Wish, View], Ranked]] = {
    "cheapest": _cheapest,
    "fastest": _fastest,
    "weighted": _weighted,
    "blend": _blend,
}
