"""A plan told to people and to programs: every route considered, and why.

The same goes into the ledger, in ``compact`` form, and is read from there with ``told``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any

import msgspec

from routing.facts import RequestFacts, RouteFacts
from routing.plan import Dropped, Plan
from routing.policy import Policy
from routing.rules import Rule

COMPACT_MAX = 4000  # characters of one decision in the ledger
_SOURCE_MAX, _NAME_MAX = 160, 100  # of a source, and of each name where a decision is too long
_FACTS_REMEMBERED = 256

_Value = frozenset[str] | str | int | None
# route, why, rule, fact, value, source, reason without the source, seconds until it is free again
_Left = tuple[str, str, str, str, str, str, str, float | None]
_encode = msgspec.json.Encoder().encode


class _Kept(msgspec.Struct, omit_defaults=True):
    """A decision as the ledger has it; its wish comes first, so that it can be read alone.

    ``facts`` are those that the rules which apply look at, each with the number of its rule;
    ``routes`` the admitted ones in order, with reason and values of ``facts``; ``dropped`` the
    others as ``_Left``. ``more`` counts the routes that had no room.
    """

    prefer: str
    model: str
    label: str
    policy: str
    team: str = ""
    key: str = ""
    tags: Sequence[str] = ()
    rules: Sequence[str] = ()
    facts: Sequence[tuple[int, str]] = ()
    routes: Sequence[tuple[str, str, Sequence[Any]]] = ()
    dropped: Sequence[_Left] = ()
    more: int = 0


_decoder = msgspec.json.Decoder(_Kept)


def explanation(plan: Plan, request: RequestFacts, policy: Policy) -> dict[str, Any]:
    """Return ``plan`` as plain data for JSON: admitted routes in order, then the ones left out.

    ``keeps`` says of an admitted route by which facts it keeps the rules that apply.
    """
    rules = policy.applies(request)
    return {
        "model": request.model,
        "label": request.label,
        "team": request.team,
        "key": request.key,
        "tags": sorted(request.tags),
        "policy": policy.hash,
        "rules": [rule.name for rule in rules],
        "prefer": plan.prefer,
        "routes": [
            *(
                {
                    "route": route.name,
                    "admitted": True,
                    "place": place,
                    "reason": reason,
                    "keeps": _keeps(rules, route.facts),
                }
                for place, (route, reason) in enumerate(
                    zip(plan.routes, plan.reasons, strict=True), start=1
                )
            ),
            *(_left_out(dropped) for dropped in plan.dropped),
        ],
    }


def compact(plan: Plan, request: RequestFacts, policy: Policy) -> str:
    """Return the same in at most ``COMPACT_MAX`` characters of JSON, for the ledger.

    Of sources only those of refusals are in it, cut short: ``explanation`` has them whole, and the
    hashes beside the decision name the config and the policy that it was made by.
    """
    rules = policy.applies(request)
    names, facts, values = _looked_at(rules)
    kept = _Kept(
        plan.prefer,
        request.model,
        request.label,
        policy.hash,
        request.team,
        request.key,
        sorted(request.tags) if request.tags else (),
        names,
        facts,
        [
            (route.name, reason, values(route.facts))
            for route, reason in zip(plan.routes, plan.reasons, strict=True)
        ],
        [_dropped(one) for one in plan.dropped] if plan.dropped else (),
    )
    text = _encode(kept).decode()
    return text if len(text) <= COMPACT_MAX else _shortened(kept)


def wish(beginning: str) -> str:
    """Return the order that was wished for, from the ``beginning`` of a compact decision.

    "" where it does not tell.
    """
    before, _, rest = beginning.partition('{"prefer":"')
    found, end, _ = rest.partition('"')
    return found if end and not before else ""


def told(text: str) -> dict[str, Any]:
    """Return what ``compact`` wrote in the shape of ``explanation``; ``more`` routes are not in it.

    Raises ``ValueError`` for any other text.
    """
    try:
        kept = _decoder.decode(text)
    except msgspec.DecodeError as fault:
        raise ValueError(f"this is no decision: {fault}") from None
    return {
        "model": kept.model,
        "label": kept.label,
        "team": kept.team,
        "key": kept.key,
        "tags": list(kept.tags),
        "policy": kept.policy,
        "rules": list(kept.rules),
        "prefer": kept.prefer,
        "routes": [
            *(
                {
                    "route": name,
                    "admitted": True,
                    "place": place,
                    "reason": reason,
                    "keeps": [
                        {"rule": kept.rules[rule], "fact": fact, "value": _text(value)}
                        for (rule, fact), value in zip(kept.facts, values, strict=False)
                        if rule < len(kept.rules)
                    ],
                }
                for place, (name, reason, values) in enumerate(kept.routes, start=1)
            ),
            *(
                {
                    "route": name,
                    "admitted": False,
                    "why": why,
                    "rule": rule,
                    "fact": fact,
                    "value": value,
                    "source": source,
                    "reason": f"{reason} ({source})" if source else reason,
                    "frees_in_s": frees_in_s,
                }
                for name, why, rule, fact, value, source, reason, frees_in_s in kept.dropped
            ),
        ],
        "more": kept.more,
    }


def lines(told: dict[str, Any]) -> list[str]:
    """Return what ``explanation`` or ``told`` gave as lines of text."""
    who = [f"label {told['label']}"]
    who += [f"{part} {told[part]}" for part in ("team", "key") if told[part]]
    who += [f"tags {', '.join(told['tags'])}"] if told["tags"] else []
    rules = ", ".join(repr(name) for name in told["rules"]) or "none"
    text = [
        f"{told['model']} for {', '.join(who)}",
        f"policy {told['policy']}, rules that apply: {rules}",
    ]
    for route in told["routes"]:
        if route["admitted"]:
            text.append(f"  {route['place']}. {route['route']}: {route['reason']}")
            text += map(_kept_line, route["keeps"])
        else:
            rule = f"rule {route['rule']!r} " if route["rule"] else ""
            text.append(f"  -  {route['route']}: {route['why']}: {rule}{route['reason']}")
    if told.get("more"):
        text.append(f"  and {told['more']} more routes, which had no room in the ledger")
    elif not any(route["admitted"] for route in told["routes"]):
        text.append("  no route may answer")
    return text


def _kept_line(kept: dict[str, Any]) -> str:
    source = f" ({kept['source']})" if kept.get("source") else ""
    return f"       keeps {kept['rule']!r}: {kept['fact']} is {kept['value']}{source}"


def _keeps(rules: Sequence[Rule], facts: RouteFacts) -> list[dict[str, str]]:
    """Return every fact of an admitted route that a rule looked at; of money, the limit."""
    kept = [
        {
            "rule": rule.name,
            "fact": clause.fact,
            "value": _text(getattr(facts, clause.fact)),
            "source": facts.evidence.get(clause.fact, ""),
        }
        for rule in rules
        for clause in rule.clauses
    ]
    for rule in rules:
        for limit in rule.limits:
            within = f"within {limit.at_most:f} USD"
            kept.append({"rule": rule.name, "fact": limit.of, "value": within, "source": ""})
    return kept


@lru_cache(maxsize=_FACTS_REMEMBERED)
def _looked_at(
    rules: tuple[Rule, ...],
) -> tuple[tuple[str, ...], tuple[tuple[int, str], ...], Callable[[RouteFacts], Sequence[_Value]]]:
    """Return the rules' names, the facts they look at with their numbers, and what reads those."""
    facts = tuple(
        (number, clause.fact) for number, rule in enumerate(rules) for clause in rule.clauses
    )
    names = [fact for _, fact in facts]
    values: Callable[[RouteFacts], Sequence[_Value]] = _nothing
    if len(names) == 1:
        values = partial(_only, attrgetter(names[0]))
    elif names:
        values = attrgetter(*names)
    return tuple(rule.name for rule in rules), facts, values


def _only(read: Callable[[RouteFacts], _Value], facts: RouteFacts) -> Sequence[_Value]:
    return (read(facts),)


def _nothing(_: RouteFacts) -> Sequence[_Value]:
    return ()


def _dropped(one: Dropped) -> _Left:
    reason, source = one.reason, one.evidence
    if source:
        # A reason ends with its source, which can be long: once is enough, and not all of it.
        reason = reason.removesuffix(f" ({source})")
        source = source[:_SOURCE_MAX]
    frees = _frees(one)
    return one.route.name, one.why, one.rule, one.fact, one.value, source, reason, frees


def _frees(one: Dropped) -> float | None:
    return None if one.frees_in_s is None else round(one.frees_in_s, 1)


def _left_out(dropped: Dropped) -> dict[str, Any]:
    return {
        "route": dropped.route.name,
        "admitted": False,
        "why": dropped.why,
        "rule": dropped.rule,
        "fact": dropped.fact,
        "value": dropped.value,
        "source": dropped.evidence,
        "reason": dropped.reason,
        "frees_in_s": _frees(dropped),
    }


def _shortened(kept: _Kept) -> str:
    """Return a decision that is too long with as many of its routes as there is room for."""
    # Names come from clients too, and each of their signs may take six.
    short = _Kept(
        kept.prefer[:_NAME_MAX],
        kept.model[:_NAME_MAX],
        kept.label[:_NAME_MAX],
        kept.policy,
        kept.team[:_NAME_MAX],
        kept.key[:_NAME_MAX],
        more=len(kept.routes) + len(kept.dropped),
    )
    left = COMPACT_MAX - len(_encode(short).decode()) - len('"routes":[],"dropped":[],')
    for name in ("tags", "rules", "facts"):
        # All or none: a list with holes would say what is not so.
        size = len(_encode({name: getattr(kept, name)}).decode())
        if size <= left // 2:
            setattr(short, name, getattr(kept, name))
            left -= size
    routes, dropped = [], []
    for name, reason, values in kept.routes:
        part = (name, reason, values if short.facts else ())
        left -= len(_encode(part).decode()) + 1
        if left < 0:
            break
        routes.append(part)
    for one in kept.dropped if left > 0 else ():
        left -= len(_encode(one).decode()) + 1
        if left < 0:
            break
        dropped.append(one)
    short.routes, short.dropped = routes, dropped
    short.more -= len(routes) + len(dropped)
    return _encode(short).decode()


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, frozenset | list):
        return ", ".join(sorted(map(str, value)))
    return str(value)
