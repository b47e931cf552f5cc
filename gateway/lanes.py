"""How each route is asked: on which wire, relayed or translated, and what that leaves out.

A host that speaks the client's wire gets the client's own body (relay). Any other gets the request
by way of the neutral form (translate). A route that cannot express the request is no route for it;
one that would alter its meaning by leaving something out is none either, unless the config allows
that, and then it stands behind those that leave out nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
from msgspec import field
from msgspec.structs import replace as copied

from gateway import schema_emulation
from gateway.config import TranslateForm
from gateway.errors import Refusal
from gateway.handback import for_route
from gateway.recall import Recall, Turn
from providers import carrier, deviations, emulate, ir
from providers.dialect import Dialect
from providers.wires.registry import WIRES
from providers.wires.wire import BadRequestError, CannotExpressError, Json, Peek, Wire
from routing.plan import Dropped, Plan
from routing.route import Route

NEEDS = {
    "schema": ("json_schema", "keeps no JSON schema"),
    "forced_tool": ("forced_tools", "cannot be made to call a tool"),
    "tools": ("tools", "takes no tools"),
    "images": ("images", "takes no images"),
    "files": ("files", "takes no files"),
    "audio": ("audio", "takes no audio"),
}
FIELD_OF_NEED = {"schema": "output", "forced_tool": "tool_choice", "tools": "tools"}

_encode = msgspec.json.Encoder().encode


class Lane(msgspec.Struct, frozen=True):
    """How one route is asked: ``body`` is the client's, or the translated one.

    ``lost`` names what is left out in the client's words, ``changed`` says which fields have
    another value now, ``notes`` what else was done.
    ``names`` leads from the tool names that the host was given to the client's own. ``schema`` is
    what an emulated answer must keep to. ``one_call``: the client wants no parallel calls and the
    host cannot be told.
    """

    wire: Wire
    dialect: Dialect
    relayed: bool
    body: Json
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    names: emulate.Names | None = None
    schema: schema_emulation.Emulation | None = None
    one_call: bool = False

    def payload(self, model: str) -> bytes:
        """Return the bytes for the host."""
        if self.relayed:
            return self.wire.passing.patch(self.body, model, self.dialect)
        return _encode(self.body)


@dataclass(frozen=True, slots=True)
class Cannot:
    """Why a route cannot be asked; ``field`` is the client's name of what stands in the way."""

    field: str
    reason: str


class Lanes(msgspec.Struct, eq=False):
    """The lanes of one request, made when they are asked for and kept.

    ``rewritten``: what is asked is not the client's body any more, which so is not passed on.
    ``key`` is whose recall it is, ``label`` the request's, one of the policy's ``labels``: what was
    made under one above it is not known here. ``sole_issuer`` is the only route that the asked
    model has, whose state unknown state must be, "" where there are several.
    """

    wire: Wire
    body: Json
    has_state: bool
    peek: Peek
    rules: TranslateForm
    recall: Recall
    key: str
    label: str
    labels: tuple[str, ...]
    sole_issuer: str
    rewritten: bool = False
    _stateless: bool = False
    _neutral: ir.Request | None = None
    _made: dict[str, Lane | Cannot] = field(default_factory=dict)
    _conditions: dict[str, frozenset[str]] = field(default_factory=dict)
    # The turns of higher labels that the lane in the making had no use of, each with its label.
    _above: dict[Turn, str] = field(default_factory=dict)

    def of(self, route: Route) -> Lane | Cannot:
        """Return how ``route`` is asked, or why it cannot be. Raises ``Refusal``."""
        found = self._made.get(route.name)
        if found is None:
            found = self._made[route.name] = self._make(route)
        return found

    def relays(self, route: Route) -> bool:
        """Whether ``route`` takes the client's own body as it is; no lane is made to tell."""
        dialect, relay = route.dialects.get(self.wire.name), self.wire.relay
        if dialect is None or relay is None or self.peek.json_stream:
            return False
        if dialect.quiet and not self.peek.needs:
            return True
        if dialect.cases:
            dialect = self._holding(dialect)
        # What a request needs decides between wires, and whether the host can do it at all.
        if self.peek.needs and (
            host_wire(self.wire, route, self.peek) != self.wire.name
            or self._lacking(route, dialect) is not None
        ):
            return False
        if relay.refused(self.body, dialect) is not None:
            return False
        return not deviations.altered(self.body, dialect, relay.effort)

    def counting(self, route: Route) -> Lane | Cannot:
        """Return how ``route`` is asked for a number of tokens: on a wire that counts there."""
        able = [
            name
            for name in route.dialects
            if WIRES[name].counting is not None and route.endpoint.wires[name].count_path
        ]
        if not able:
            return Cannot("", "its host counts no tokens")
        return self._on(route, self.wire.name if self.wire.name in able else able[0])

    def with_request(self, request: ir.Request) -> Lanes:
        """Return the lanes of another request in the place of this one, all of them translated."""
        other = copied(self, has_state=False, _neutral=request, _made={}, _conditions={})
        other.rewritten = True
        return other

    def forget_state(self) -> None:
        """Make every lane anew without any opaque state: a host has refused one."""
        self._stateless = True
        self._made.clear()

    def neutral(self) -> ir.Request:
        """Return the request in the neutral form. Raises ``Refusal`` naming the field at fault."""
        if self._neutral is None:
            try:
                read = self.wire.front.read(self.body)
            except BadRequestError as fault:
                raise Refusal("invalid_request", fault.message, param=fault.param) from None
            # On some wires both stand in the address and not in the body.
            self._neutral = copied(read, model=self.peek.model, stream=self.peek.stream)
        return self._neutral

    def _make(self, route: Route) -> Lane | Cannot:
        name = host_wire(self.wire, route, self.peek)
        if name is None:
            spoken = ", ".join(route.dialects) or "no wire"
            return Cannot("", f"its host speaks {spoken}, which {self.wire.name} is not put into")
        return self._on(route, name)

    def _on(self, route: Route, name: str) -> Lane | Cannot:
        wire, dialect = WIRES[name], self._holding(route.dialects[name])
        self._above.clear()
        lacking = self._lacking(route, dialect)
        emulation = lacking is not None and lacking.field == self._theirs("output")
        if lacking is not None and not (emulation and self.rules.emulate_schema):
            return lacking
        if emulation:
            return self._translated(route, wire, dialect, emulating=True)
        if name == self.wire.name and not self.peek.json_stream and not self.rewritten:
            return self._relayed(route, wire, dialect)
        return self._translated(route, wire, dialect)

    def _holding(self, dialect: Dialect) -> Dialect:
        """Return what holds of ``dialect`` for this request."""
        if not dialect.cases:
            return dialect
        found = self._conditions.get(dialect.thinks)
        if found is None:
            thinks = "thinks" if self._thinks(dialect) else "not_thinks"
            asked = {thinks, "stream"} if self.peek.stream else {thinks}
            found = frozenset(asked | (self.peek.needs & {"tools"}))
            self._conditions[dialect.thinks] = found
        return dialect.under(found)

    def _thinks(self, dialect: Dialect) -> bool:
        if dialect.thinks in ("always", "never"):
            return dialect.thinks == "always"
        if self.wire.client is None or self.wire.client.thinking_fields.isdisjoint(self.body):
            return dialect.thinks == "by_default"
        try:
            said = self.neutral().thinking
        except Refusal:  # a host may know what we do not: it is asked as if nothing were said
            said = None
        # Whether thoughts are to be shown says nothing; a bare switch that is on says all.
        bare = said is not None and (said.effort, said.budget, said.adaptive) == (None, None, False)
        if said is None or (bare and said.show is not None):
            return dialect.thinks == "by_default"
        return said.effort != "none" and said.budget != 0

    def _adapted(
        self, wire: Wire, dialect: Dialect, body: Json, *, ours: bool
    ) -> deviations.Adapted | Cannot:
        """Put ``body`` into the host's words; ``ours``: it was written here, on another wire."""
        # A body that was written here has the host's words for effort already.
        effort = () if ours or wire.relay is None else wire.relay.effort
        done = deviations.adapted(body, dialect, effort)
        if done.altering and self.rules.on_unsupported == "refuse":
            first = done.altering[0]
            field = self._clients_name(wire, first.field) if ours else first.field
            return Cannot(field, f"its host {first.reason}")
        if ours and done.lost:
            lost = tuple(self._clients_name(wire, name) for name in done.lost)
            return replace(done, lost=lost)
        return done

    def _clients_name(self, wire: Wire, field: str) -> str:
        """Return the client's name of a field that the wire ``wire`` of the host calls so."""
        names = wire.client.names if wire.client else {}
        ours = next((name for name, theirs in names.items() if theirs == field), field)
        return self._theirs(ours)

    def _lacking(self, route: Route, dialect: Dialect) -> Cannot | None:
        for need in self.peek.needs:
            fact, words = NEEDS.get(need, (need, f"takes no {need}"))
            missing = fact in route.cannot
            missing = missing or (need == "schema" and dialect.structured != "schema")
            missing = missing or (need == "forced_tool" and not dialect.forced_tools)
            if missing:
                return Cannot(self._theirs(FIELD_OF_NEED.get(need, need)), f"its host {words}")
        return None

    def _theirs(self, name: str) -> str:
        return self.wire.client.names.get(name, name) if self.wire.client else name

    def _relayed(self, route: Route, wire: Wire, dialect: Dialect) -> Lane | Cannot:
        body, notes, lost = self.body, [], []
        while (refused := wire.passing.refused(body, dialect)) is not None:
            droppable = self.rules.on_unsupported == "drop" or self._is_advice(self._our(refused))
            shorter = without_field(body, refused.split(".")) if droppable else None
            if shorter is None:
                return Cannot(refused, f"its host takes no `{refused}`")
            body = shorter
            lost.append(refused)
        if self.has_state:
            body, left_out = wire.passing.without_state(body, lambda state: self._may(state, route))
            if left_out:
                notes.append(f"left out {left_out} states of other hosts")
        if dialect.replay_reasoning and wire.passing.with_reasoning is not None:
            body, restored = wire.passing.with_reasoning(
                body, dialect.replay_reasoning, self._thought
            )
            if restored:
                notes.append(f"put back the reasoning of {restored} turns")
            notes += self._withheld()
        if not deviations.concerned(body, dialect, wire.passing.effort):
            return Lane(wire, dialect, True, body, lost=tuple(lost), notes=tuple(notes))
        done = self._adapted(wire, dialect, body, ours=False)
        if isinstance(done, Cannot):
            return done
        return Lane(
            wire,
            dialect,
            relayed=True,
            body=done.body,
            lost=(*lost, *done.lost),
            changed=done.changed,
            notes=tuple(notes),
        )

    def _translated(
        self, route: Route, wire: Wire, dialect: Dialect, *, emulating: bool = False
    ) -> Lane | Cannot:
        owner = "" if self._stateless else route.name
        request, done = for_route(self.neutral(), owner, self._issuer, self._turn)
        schema = schema_emulation.plan(request, dialect) if emulating else None
        if schema is not None:
            request = schema.request
        names = None
        if not wire.custom_tools:
            request, names = emulate.without_custom_tools(request)
        try:
            written = wire.host.write(request, route.model, dialect)
        except CannotExpressError as fault:
            return Cannot("", f"its host's wire cannot say {fault.what}")
        altering = [name for name in written.lost if not self._is_advice(name)]
        if altering and self.rules.on_unsupported == "refuse":
            theirs = self._theirs(altering[0])
            return Cannot(theirs, f"its host's wire ({wire.name}) cannot say `{theirs}`")
        adapted = self._adapted(wire, dialect, written.body, ours=True)
        if isinstance(adapted, Cannot):
            return adapted
        lost = (*(self._theirs(name) for name in written.lost), *adapted.lost)
        return Lane(
            wire,
            dialect,
            relayed=False,
            body=adapted.body,
            lost=tuple(dict.fromkeys(lost)),
            changed=adapted.changed,
            notes=(*done.words(), *self._withheld(), *(schema.notes if schema is not None else ())),
            names=names,
            schema=schema,
            one_call=request.parallel_tools is False and "parallel_tools" in written.lost,
        )

    def _is_advice(self, name: str) -> bool:
        # One call at a time is kept to here, where the host cannot be told.
        if name in ir.ADVICE or name == "parallel_tools":
            return True
        return self.wire.client is not None and name in self.wire.client.advice

    def alters(self, lane: Lane) -> bool:
        """Whether what ``lane`` leaves out alters the answer."""
        return any(not self._is_advice(self._our(name)) for name in lane.lost)

    def _our(self, name: str) -> str:
        """Return the neutral form's name of a client's field."""
        names = self.wire.client.names if self.wire.client else {}
        return next((ours for ours, theirs in names.items() if theirs == name), name)

    def _issuer(self, state: str) -> str | None:
        """Return who gave ``state`` out, "" if unknown; None: under a label above this one."""
        found = self.recall.issuer(self.key, state)
        if found is None:
            return self.sole_issuer
        return found.route if found.labels.issubset(self._usable) else None

    def _may(self, state: str, route: Route) -> bool:
        if self._stateless or state.startswith(carrier.BEGINNING):
            return False
        return self._issuer(state) == route.name

    def _turn(self, call_id: str) -> Turn | None:
        usable = self._usable
        turn, _ = self.recall.turn(self.key, call_id, reversed(usable))
        if turn is None:
            # The request would carry what is above its label to a route chosen for its label.
            above, label = self.recall.turn(self.key, call_id, self.labels[len(usable) :])
            if above is not None:
                self._above[above] = label
        return turn

    @property
    def _usable(self) -> tuple[str, ...]:
        """The labels up to the request's own, rising; a label that is none reaches nothing."""
        if self.label not in self.labels:
            return ()
        return self.labels[: self.labels.index(self.label) + 1]

    def _withheld(self) -> list[str]:
        """Say what of the memory was left out because of its label."""
        if not self._above:
            return []
        labels = ", ".join(dict.fromkeys(self._above.values()))
        return [f"left out the reasoning of {len(self._above)} turns: made under label {labels}"]

    def _thought(self, call_id: str) -> str | None:
        turn = self._turn(call_id)
        return turn.text if turn is not None else None


def without_field(body: Json, path: list[str]) -> Json | None:
    """Return ``body`` less the field at ``path``, itself untouched; None where it has none."""
    name, *rest = path
    if name not in body:
        return None
    if not rest:
        return {key: value for key, value in body.items() if key != name}
    inner = body[name]
    shorter = without_field(inner, rest) if isinstance(inner, dict) else None
    return None if shorter is None else {**body, name: shorter}


def host_wire(wire: Wire, route: Route, peek: Peek) -> str | None:
    """Return the wire on which ``route`` is asked by a client of ``wire``; None where on none."""
    own = wire.name if wire.name in route.dialects else None
    if own is not None and "tools" in peek.needs:
        own = route.tools_wire.get(own, own)
    if own is not None or not wire.neutral:
        return own
    return next((name for name in route.dialects if WIRES[name].neutral), None)


def able(planned: Plan, lanes: Lanes) -> Plan:
    """Leave out the routes that cannot be asked this; those that lose something go last.

    Of translated routes only as many are written as are needed to find a first good one: the rest
    is written when its turn comes. Raises ``Refusal`` where none is left.
    """
    # Most calls: nothing is left out on the way, and a lane is made when its turn comes.
    for route in planned.routes:
        if not lanes.relays(route):
            break
    else:
        return planned
    dropped: list[Dropped] = []
    faults: list[Cannot] = []
    whole: list[Route] = []
    lossy: list[Route] = []
    for route in planned.routes:
        if lanes.relays(route):
            whole.append(route)
            continue
        # One that speaks no wire for it is known to be none at once.
        if whole and host_wire(lanes.wire, route, lanes.peek) not in (None, lanes.wire.name):
            whole.append(route)
            continue
        lane = lanes.of(route)
        if isinstance(lane, Cannot):
            faults.append(lane)
            dropped.append(Dropped(route, "capability", "", lane.reason))
        else:
            (lossy if lanes.alters(lane) else whole).append(route)
    if not dropped and not lossy:
        return planned
    kept = [*whole, *lossy]
    if not kept:
        raise nothing_can(dropped, faults)
    why = dict(zip((r.name for r in planned.routes), planned.reasons, strict=True))
    return replace(
        planned,
        routes=tuple(kept),
        reasons=tuple(why[route.name] for route in kept),
        dropped=(*planned.dropped, *dropped),
    )


def nothing_can(dropped: list[Dropped], faults: list[Cannot]) -> Refusal:
    """Return the refusal of a request that no route of its plan can express."""
    said = "; ".join(f"{drop.route.name}: {drop.reason}" for drop in dropped)
    fields = [fault.field for fault in faults if fault.field]
    if not fields:
        return Refusal("unsupported_parameter", f"no route can be asked this ({said})")
    return Refusal(
        "unsupported_parameter",
        f"`{fields[0]}` is taken by no route that may answer this ({said}); leave it out, or allow "
        "it to be left out with `translate: {on_unsupported: drop}` in the gateway's config",
        param=fields[0],
    )
