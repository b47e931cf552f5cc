"""The form that asks how a request would be decided: what stands in it, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from gateway import choosing, explaining
from gateway.auth import Principal
from gateway.dashboard.decision_words import Admitted, LeftOut, admitted, left_out
from gateway.dashboard.figures import short
from gateway.dashboard.words import Words
from gateway.errors import Refusal
from gateway.house import House
from gateway.setup import NO_TEAM, Setup
from routing.expected import Expected, View
from routing.facts import RequestFacts
from routing.plan import Plan
from routing.route import Size
from routing.wish import ASKABLE

FIELDS = ("model", "key", "team", "label", "tags", "prefer", "wire", "tools", "prompt", "longest")
# As many as any host reads, and more; what a form says beyond that is a slip.
TOKENS_MOST = 100_000_000
MESSAGE_MAX_CHARS = 300
# Whose fault a refusal says it is -> the field that it stands beside.
_FIELD_OF = {
    "model": "model",
    "key": "key",
    "wire": "wire",
    "x-entrepot-label": "label",
    "x-entrepot-tags": "tags",
    "x-entrepot-prefer": "prefer",
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field, in the reader's words; ``details`` as the gateway says it."""

    words: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What would become of a request.

    ``rules`` are those that apply; ``order`` says in which order routes are tried, and ``by_rule``
    that a rule wants it so. ``refusal`` is what the client would get where none may answer.
    """

    request: RequestFacts
    raised: bool
    rules: list[str]
    order: str
    by_rule: bool
    routes: list[Admitted]
    left_out: list[LeftOut]
    size: Size
    refusal: Refusal | None


@dataclass(slots=True)
class Form:
    """What an address asks: for whom (``who``), and with a model the decision; or the faults."""

    who: Principal
    decision: Decision | None = None
    faults: dict[str, Fault] = field(default_factory=dict)

    def tried(self, get: Callable[[], T], otherwise: T, t: Words) -> T:
        """Return what ``get`` gives, ``otherwise`` where it is refused, which is noted."""
        try:
            return get()
        except Refusal as refusal:
            at = _FIELD_OF.get(refusal.param or "", "model")
            words = t(f"policy.wrong_{at}")
            self.faults[at] = Fault(words, short(refusal.message, MESSAGE_MAX_CHARS))
            return otherwise


def answered(house: House, given: Mapping[str, str], t: Words) -> Form:
    """Return what the form's fields ask, and what comes of it. Nothing is called or held."""
    setup = house.setup
    team = given.get("team")
    form = Form(explaining.asker(setup, None, team))
    form.who = form.tried(lambda: explaining.asker(setup, given.get("key"), team), form.who, t)
    wire = form.tried(
        lambda: explaining.known_wire(given.get("wire", explaining.USUAL_WIRE)), "", t
    )
    prompt = _tokens(form, given, "prompt", explaining.PROMPT_TOKENS, t)
    longest = _tokens(form, given, "longest", None, t)
    tools = given.get("tools", "no")
    if tools not in ("yes", "no"):
        form.faults["tools"] = Fault(t("policy.wrong_tools"))
    model = given.get("model")
    if model is None:
        return form
    form.tried(lambda: choosing.candidates_for(setup, model), None, t)
    asked = form.tried(
        lambda: explaining.asked(
            setup, form.who, model, given.get("label"), given.get("tags", ""), given.get("prefer")
        ),
        None,
        t,
    )
    if asked is None or form.faults:
        return form
    # How long the prompt is is known here; of a real one it is reckoned.
    size = Size(prompt or 0, longest, prompt_likely=prompt or 0)
    request, wish = asked
    view = _view(house, request, size)
    planned = choosing.consider(setup, request, size, wish, house.outlook, view)
    form.decision = _decision(setup, planned, request, size, wire, given, t)
    return form


def _decision(
    setup: Setup,
    planned: Plan,
    request: RequestFacts,
    size: Size,
    wire: str,
    given: Mapping[str, str],
    t: Words,
) -> Decision:
    by = explaining.ways(planned, wire, tools=given.get("tools") == "yes")
    policy = setup.policy
    return Decision(
        request=request,
        raised=request.label != given.get("label", request.label),
        rules=[rule.name for rule in policy.applies(request)],
        order=t.known("order", planned.prefer),
        by_rule=policy.preference(request) is not None,
        routes=admitted(planned, request, policy, wire, by, t),
        left_out=[left_out(dropped, t) for dropped in planned.dropped],
        size=size,
        refusal=None if planned.routes else choosing.no_route(planned),
    )


def _view(house: House, request: RequestFacts, size: Size) -> View:
    """Return what an order looks at: as for a real request, of which nothing is in any cache."""
    output = house.answers.expect(request.key, request.model, 1, size.output_tokens)
    expected = Expected(size.prompt_tokens, output)
    return View(datetime.now(UTC), expected, house.outlook.speed, shadow=house.windows.shadow)


def _tokens(
    form: Form, given: Mapping[str, str], name: str, otherwise: int | None, t: Words
) -> int | None:
    text = given.get(name, "").strip().replace(",", "")
    if not text:
        return otherwise
    if text.isascii() and text.isdecimal() and 1 <= int(text[:20]) <= TOKENS_MOST:
        return int(text)
    form.faults[name] = Fault(t("policy.wrong_tokens", most=TOKENS_MOST))
    return otherwise


def teams(setup: Setup, chosen: str) -> list[str]:
    """Return the teams that anything names, and the one that is ``chosen``."""
    found = {one.team for one in setup.principals.values()}
    for rule in setup.policy.rules:
        found |= rule.which.teams or frozenset()
    return sorted({*found, chosen} - {"", NO_TEAM})


def orders() -> list[str]:
    """Return the orders that a client may ask for."""
    return list(ASKABLE)
