"""The operators' API: who is configured, what the policy does; what all of its rooms share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway import asked, auth, condition, told
from gateway.auth import Principal
from gateway.call import decode, goes_on, holder
from gateway.choosing import no_route, set_aside
from gateway.entrance import Entrance
from gateway.entrances import FIXED
from gateway.errors import Refusal
from gateway.front import ClientGoneError, headers_of, read_body
from gateway.house import House
from gateway.lanes import able
from gateway.models import house_of
from gateway.periods import moment
from gateway.proving import prove
from gateway.question import considered, understood
from gateway.record import Record
from gateway.setup import NO_TEAM, Setup
from providers.wires.registry import WIRES
from routing.explain import explanation
from routing.plan import Dropped, DropReason

CLIENT_CLOSED = 499
# What only the bodies of one wire have; a body with none of these is read as chat.
WIRE_OF_FIELD = {"contents": "gemini", "input": "responses"}
DOORS = {door.wire.name: door for door in FIXED.values() if door.answer is None}
HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

router = APIRouter()


def house_for_admin(request: Request) -> House:
    """Return the gateway's parts to whoever may see them. Raises ``Refusal``."""
    house, headers = house_of(request), dict(request.scope["headers"])
    if not auth.admin_allowed(headers, house.setup.admin_key):
        if house.setup.admin_key is None:
            auth.refuse_foreign_origin(headers)
        raise Refusal("invalid_key", "this needs the admin key (server.admin_key in the config)")
    return house


def parameters(request: Request, *known: str, often: str = "") -> dict[str, str]:
    """Return the query's parameters, but for the one that may be there ``often``.

    Raises ``Refusal`` for one that is unknown or there twice.
    """
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            words = f"the ones here are {', '.join(known)}" if known else "there is none here"
            raise wrong(name[:40], f"is no parameter of this; {words}")
        if name == often:
            continue
        if name in given:
            raise wrong(name, "is given twice")
        given[name] = value
    return given


@router.get("/api/providers")
async def providers(request: Request) -> Response:
    """The configured providers: where they are, how they are now, what is known of them."""
    house = house_for_admin(request)
    parameters(request)
    conditions = condition.conditions(house)
    found = []
    for name, owner in house.setup.providers.items():
        server = house.launched.get(name)
        state = server.state if server is not None else None
        running = server is not None and server.state.phase == "ready"
        address = await server.ready(0) if server is not None and running else ""
        now = condition.told(conditions[name])
        found.append({**told.provider(owner, house.setup, state, address), "now": now})
    return answer({"providers": found, "config": house.setup.hash})


@router.get("/api/policy/proof")
async def policy_proof(request: Request) -> Response:
    """Whether the policy keeps each ``expect``, over every request that could come."""
    setup = house_for_admin(request).setup
    parameters(request)
    return answer(told.proof(await asyncio.to_thread(prove, setup), setup))


@router.post("/api/explain")
async def explain(request: Request) -> Response:
    """What would become of a client's body: every route with its reason. Nothing is called or held.

    ``?wire=`` says whose body it is, else its fields do; ``?model=`` is for the wire that has the
    model in its address. A client's key gets its own view; the admin key the view of a caller
    without a key.
    """
    house, headers = house_of(request), headers_of(request.scope["headers"])
    given = parameters(request, "wire", "model")
    principal = _asker(request, house.setup, headers)
    declared = headers.get(b"content-length")
    try:
        raw = await read_body(request.receive, house.setup.body_max_bytes, declared)
    except ClientGoneError:
        return Response(status_code=CLIENT_CLOSED)
    door = _door(given, decode(raw))
    return answer(await _explained(house, door, principal, headers, raw))


def _door(given: Mapping[str, str], body: dict[str, Any]) -> Entrance:
    """Return the entrance that a body is meant for. Raises ``Refusal`` for a wire that is none."""
    spoken = [name for name, wire in WIRES.items() if wire.client is not None]
    name = given.get("wire") or next(
        (wire for field, wire in WIRE_OF_FIELD.items() if field in body), "chat"
    )
    if name not in spoken:
        raise wrong("wire", f"must be one of {', '.join(spoken)}")
    model = given.get("model", "")
    door = DOORS.get(name) or Entrance(WIRES[name])
    return replace(door, path=f"models/{model}:generateContent") if model else door


async def _explained(
    house: House, door: Entrance, principal: Principal, headers: Mapping[bytes, bytes], raw: bytes
) -> dict[str, Any]:
    setup, record = house.setup, Record("", 0.0)
    question = await understood(house, setup, door, principal, headers, raw, record)
    planned, refusal = considered(house, question), None
    try:
        if not planned.routes:
            raise no_route(planned)
        planned = able(planned, question.lanes)
        # Whether it can be held is known by holding it, for this moment.
        form, size, peek = question.standing.candidates.form, question.size, question.peek
        who = holder(principal, question.facts, peek)
        planned, hold = await set_aside(house, who, planned, size, peek, form, rated=False)
        hold.settle(0, 0)
    except Refusal as fault:
        refusal = {"status": fault.status, "code": fault.code, "message": fault.message}
        why: DropReason = "budget" if fault.code == "budget_exceeded" else "capability"
        unable = [Dropped(route, why, "", fault.message) for route in planned.routes]
        planned = replace(planned, routes=(), reasons=(), dropped=(*planned.dropped, *unable))
    ways = {route.name: told.lane(question.lanes.of(route)) for route in planned.routes}
    if goes_on(question.standing.candidates, question.peek, door.wire):
        # What might have to be gone on with is written here from its first word.
        ways = {name: {**way, "lane": "translate"} for name, way in ways.items()}
    return {
        **explanation(planned, question.facts, setup.policy),
        "detected": record.detected,
        "lanes": ways,
        "refusal": refusal,
    }


def _asker(request: Request, setup: Setup, headers: Mapping[bytes, bytes]) -> Principal:
    """Return for whom to explain. Raises ``Refusal``."""
    key = auth.presented_key(headers)
    found = setup.principals.get(auth.key_hash(key)) if key is not None else None
    if found is not None:
        return found
    house_for_admin(request)
    if key is not None and setup.local is None and setup.admin_key is None:
        raise Refusal("invalid_key", "this API key is not known here")
    return setup.local or Principal("local", NO_TEAM, setup.policy.labels[0])


def span(given: Mapping[str, str], zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    """Return what ``since`` and ``until`` say. Raises ``Refusal``."""
    found: dict[str, datetime | None] = {"since": None, "until": None}
    for name in found:
        if name in given:
            try:
                found[name] = moment(given[name], zone)
            except ValueError as fault:
                raise wrong(name, str(fault)) from None
    since, until = found["since"], found["until"]
    if since is not None and until is not None and until <= since:
        raise wrong("until", "must be later than `since`")
    return since, until


def filters(request: Request) -> dict[str, list[str]]:
    """Return what each ``where=team=research`` of the query says. Raises ``Refusal``."""
    try:
        return asked.filters(request.query_params.getlist("where"))
    except ValueError as fault:
        raise wrong("where", f"is wrong: {fault}") from None


def span_told(since: datetime | None, until: datetime | None, zone: tzinfo) -> dict[str, Any]:
    """Return a time as an answer has it."""
    return {
        "since": since.isoformat() if since is not None else None,
        "until": until.isoformat() if until is not None else None,
        "time_zone": str(zone),
    }


def form_of(given: Mapping[str, str], known: tuple[str, ...], usual: str) -> str:
    """Return the ``format`` that is asked for. Raises ``Refusal`` for one that is not known."""
    asked = given.get("format", usual)
    if asked not in known:
        raise wrong("format", f"must be one of {', '.join(known)}")
    return asked


def wrong(name: str, words: str) -> Refusal:
    """Return the refusal of a parameter."""
    return Refusal("invalid_request", f"`{name}` {words}", param=name)


def answer(content: dict[str, Any]) -> Response:
    """Return JSON that nobody keeps."""
    return JSONResponse(content, headers=HEADERS)
