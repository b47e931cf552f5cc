"""A third reading of the policy, from its contract alone and as naive as can be.

It works on the plain data of a policy file and of a config's constraints, walks every rule for
every request, remembers nothing, and shares no code with the engine: groups, vocabularies and
the meaning of words are written out again, on purpose. Where the two disagree, one is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

EU = ["AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"]  # fmt: skip
GROUPS: Mapping[str, Sequence[str]] = {
    "EU": EU,
    "EEA": [*EU, "NO", "IS", "LI"],
    "EFTA": ["CH", "NO", "IS", "LI"],
    "five_eyes": ["US", "GB", "CA", "AU", "NZ"],
    "Five Eyes": ["US", "GB", "CA", "AU", "NZ"],
    "BRICS": ["BR", "RU", "IN", "CN", "ZA", "EG", "ET", "IR", "AE", "ID"],
}
SETS = ("maker", "operator", "processed_in")
NAMES = ("licence", "provider", "model")
FINE = {"fp4": 4, "int4": 4, "int8": 8, "fp8": 8, "bf16": 16}


def glob(pattern: str, text: str) -> bool:
    """Tell whether ``text`` fits ``pattern``, in which ``*`` is any text."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(glob(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] == text[0] and glob(pattern[1:], text[1:])


def fits(patterns: Sequence[str], text: str) -> bool:
    """Tell whether ``text`` fits one of the patterns, whatever the case of its letters."""
    return any(glob(pattern.lower(), text.lower()) for pattern in patterns)


def countries(word: str, own: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Give what a word of the file or of a fact may stand for."""
    if word in own:
        return [country for inner in own[word] for country in countries(inner, own)]
    return GROUPS.get(word, [word])


def age(confirmed: Mapping[str, date | None], today: date) -> int | None:
    """Give how old the oldest of some facts is."""
    if any(day is None for day in confirmed.values()):
        return None
    return max(((today - day).days for day in confirmed.values() if day is not None), default=0)


def kept(part: str, fact: str, said: Any, route: Any, own: Any, today: date) -> bool:
    """Tell whether ``route`` keeps what a rule says of one fact."""
    aged = fact == "facts_age_days"
    value = age(route.confirmed, today) if aged else getattr(route, fact)
    if value is None or value == frozenset():
        return False  # what nobody knows keeps nothing
    if fact in ("retention_days", "facts_age_days"):
        return bool(value <= said["at_most" if part == "require" else "over"])
    if fact in SETS:
        wanted = [country for word in said for country in countries(word, own)]
        inside = [place in wanted for one in value for place in countries(one, {})]
        return all(inside) if part == "require" else not any(inside)
    if fact in NAMES:
        found = fits(said, value)
    elif fact == "quantisation":
        found = any(
            FINE[value] >= FINE[word[:-1]] if word.endswith("+") else value == word for word in said
        )
    else:
        found = value in said
    return found if part == "require" else not found


def affordable(fact: str, said: Mapping[str, Any], money: Mapping[str, Decimal | None]) -> bool:
    """Tell whether every limit of money that ``said`` gives is kept."""
    of = {"at_most": fact, "input_at_most": "input", "output_at_most": "output"}
    for word, most in said.items():
        figure = money[of[word]]
        if figure is None or figure > Decimal(str(most)):
            return False
    return True


def concerns(when: Mapping[str, Any], request: Any, labels: Sequence[str]) -> bool:
    """Tell whether what stands under ``when`` or ``given`` describes ``request``."""
    for part, said in when.items():
        if part == "label_at_least":
            if labels.index(request.label) < labels.index(said):
                return False
        elif part == "tag":
            if not any(tag in said for tag in request.tags):
                return False
        elif part == "model":
            if not fits(said, request.model):
                return False
        elif getattr(request, part) not in said:  # label, team, key, entry
            return False
    return True


def rules_of(policy: Mapping[str, Any], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the rules of the file, and those that the config hangs on keys and models."""
    of_keys = [
        {**key, "name": f"key {key['name']}", "when": {"key": [key["name"]]}}
        for key in config.get("keys", ())
    ]
    of_models = [
        {**entry, "name": f"model {name}", "when": {"entry": [name]}}
        for name, entry in config.get("models", {}).items()
        if isinstance(entry, dict)
    ]
    return [*policy["rules"], *of_keys, *of_models]


def refusing(
    policy: Mapping[str, Any],
    config: Mapping[str, Any],
    request: Any,
    route: Any,
    money: Mapping[str, Decimal | None],
    today: date,
) -> set[str]:
    """Give the names of all rules that keep ``request`` from ``route``; none: it may go there.

    ``money`` has the figures ``request_usd``, ``price``, ``input`` and ``output``.
    """
    own = policy.get("groups", {})
    found = set()
    for rule in rules_of(policy, config):
        if not concerns(rule.get("when", {}), request, policy["labels"]):
            continue
        for part in ("require", "forbid"):
            for fact, said in (rule.get(part) or {}).items():
                if fact in ("price", "request_usd"):
                    good = affordable(fact, said, money)
                else:
                    good = kept(part, fact, said, route, own, today)
                if not good:
                    found.add(rule["name"])
    return found


# --- what a gateway would do with one request ---


def price_at(route: Any, at: datetime) -> tuple[Decimal | None, Decimal | None]:
    """Give what a million tokens in, and out, cost at ``at``; the last price that holds counts."""
    found = None
    for applies, price in route.prices.bands if route.prices is not None else ():
        clock = at.time()
        if applies.start is None:
            holds = True
        elif applies.start < applies.end:
            holds = applies.start <= clock < applies.end
        else:
            holds = clock >= applies.start or clock < applies.end
        found = price if holds else found
    if found is None:
        return None, None
    into, out = found.input, found.output
    factor = route.surcharge
    return (into * factor if into is not None else None, out * factor if out is not None else None)


def money_at(route: Any, at: datetime) -> dict[str, Decimal | None]:
    """Give the figures of money of a request with one token in and one out, begun at ``at``."""
    into, out = price_at(route, at)
    begun_late = price_at(route, at + timedelta(minutes=15))
    figures = (into, out, *begun_late)
    most = None
    if None not in figures:
        most = max(into + out, sum(begun_late)) / 1_000_000
    both = None if into is None or out is None else (3 * into + out) / 4
    return {"request_usd": most, "price": both, "input": into, "output": out}


def moments(now: datetime, routes: Iterable[Any]) -> list[datetime]:
    """Give ``now`` and the hours at which a price changes."""
    hours = {
        hour
        for route in routes
        for applies, _ in (route.prices.bands if route.prices is not None else ())
        for hour in (applies.start, applies.end)
        if hour is not None
    }
    return [now, *(datetime.combine(now.date(), hour, UTC) for hour in sorted(hours))]


def possible_firsts(order: str, routes: list[Any], at: datetime) -> list[str]:
    """Give who can be asked first: of the cheapest, for short and for long answers."""
    if order == "listed" or not routes:
        return [route.name for route in routes[:1]]
    if order != "cheapest":
        return [route.name for route in routes]
    firsts = []
    for share_in, share_out in ((10_000, 1), (3, 1), (1, 1), (1, 3), (1, 10_000)):
        costs = []
        for place, route in enumerate(routes):
            into, out = price_at(route, at)
            unknown = into is None or out is None
            cost = 0 if unknown else into * share_in + out * share_out
            costs.append((unknown, cost, place))
        firsts.append(routes[min(costs)[2]].name)
    return firsts


@dataclass(frozen=True)
class Gateway:
    """A gateway that asks the naive reading before each send, and tells of every possible send."""

    policy: Mapping[str, Any]
    config: Mapping[str, Any]
    routes: Mapping[str, Any]
    today: date

    def may(self, request: Any, route: Any, at: datetime) -> bool:
        """Tell whether ``request`` may go to ``route``."""
        money = money_at(route, at)
        return not refusing(self.policy, self.config, request, route.facts, money, self.today)

    def order(self, request: Any, asked: Mapping[str, Any]) -> str:
        """Give the order that the first rule with a wish wants, else the model's own."""
        for rule in self.policy["rules"]:
            described = concerns(rule.get("when", {}), request, self.policy["labels"])
            if described and "prefer" in rule:
                return str(rule["prefer"])
        return str(asked.get("prefer", "listed"))

    def allowed(self, request: Any, at: datetime) -> list[Any]:
        """Give the routes that may answer, as listed."""
        asked = self.config["models"].get(request.entry) or {"routes": [request.model]}
        routes = [self.routes[name] for name in asked["routes"]]
        return [route for route in routes if self.may(request, route, at)]

    def copied(self, request: Any, at: datetime, judge: Any) -> list[Any]:
        """Give the routes that get a copy, or compare answers; ``judge`` is the judge's request."""
        asked = self.config["models"].get(request.entry, {})
        shadow = self.routes.get(asked.get("shadow", ""))
        if shadow is None or not self.may(request, shadow, at):
            return []
        judges = self.allowed(judge, at) if judge is not None else []
        # It reads the request too, so what may not have that may not judge it.
        return [shadow, *(route for route in judges if self.may(request, route, at))]

    def breaks(self, expect: Mapping[str, Any], request: Any, at: datetime, judge: Any) -> bool:
        """Tell whether what would be done with ``request`` breaks an expectation."""
        allowed = self.allowed(request, at)
        if "denied" in expect:
            return bool(allowed)
        if "first" in expect:
            asked = self.config["models"].get(request.entry) or {}
            firsts = possible_firsts(self.order(request, asked), allowed, at)
            return not firsts or any(name != expect["first"] for name in firsts)
        reached = [*allowed, *(self.copied(request, at, judge) if allowed else ())]
        own = self.policy["groups"]
        return any(
            not kept("forbid", fact, said, route.facts, own, self.today)
            for route in reached
            for fact, said in expect["never"].items()
        )
