"""The first stations of a request: who, what, may, where, hold. Gives a ``Call`` or a refusal."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from gateway import auth
from gateway.call import Call, holder
from gateway.choosing import no_route, set_aside
from gateway.entrance import Entrance
from gateway.errors import Refusal
from gateway.front import Receive, body_at_hand, headers_of, read_body
from gateway.house import House
from gateway.lanes import able
from gateway.owing import owed
from gateway.question import Question, considered, understood
from gateway.record import Record
from routing import explain
from routing.plan import Plan


async def admit(
    house: House,
    entrance: Entrance,
    scope: MutableMapping[str, Any],
    receive: Receive,
    record: Record,
) -> Call:
    """Take a request through every station before a host is called. Raises ``Refusal``.

    Also raises ``ClientGoneError`` where the client left while sending.
    """
    setup, headers = house.setup, headers_of(scope["headers"])
    # who
    principal = auth.principal(headers, setup.principals, setup.local)
    record.key = principal.name
    raw = body_at_hand(scope)
    if raw is None or len(raw) > setup.body_max_bytes:
        raw = await read_body(receive, setup.body_max_bytes, headers.get(b"content-length"))
    # what
    question = await understood(house, setup, entrance, principal, headers, raw, record)
    # may, where
    planned = await _where(house, question)
    if not _all_relay(question, planned):
        planned = able(planned, question.lanes)
    # hold
    form = question.standing.candidates.form
    who = holder(principal, question.facts, question.peek)
    planned, hold = await set_aside(house, who, planned, question.size, question.peek, form)
    try:
        owing = owed(house, who, planned, question.size, form)
    except Refusal:
        hold.settle(0, 0)
        raise
    for route in planned.busy:
        if route is not planned.routes[0]:
            house.metrics.count("overflowed", (route.name,))
    return Call(
        entrance=entrance,
        wire=entrance.wire,
        setup=setup,
        record=record,
        principal=principal,
        headers=headers,
        body=question.body,
        peek=question.peek,
        facts=question.facts,
        session=question.session,
        candidates=question.standing.candidates,
        plan=planned,
        lanes=question.lanes,
        size=question.size,
        who=who,
        hold=hold,
        owing=owing,
        decision=_decision(question, planned),
        conversation=question.conversation,
        warm=question.warm,
    )


def _all_relay(question: Question, planned: Plan) -> bool:
    """Whether each route takes the client's own body, which so need not be asked one by one."""
    stands, lanes = question.standing, question.lanes
    if planned is not stands.plan or lanes.wire.name not in stands.quiet:
        return False
    return lanes.wire.relay is not None and not (lanes.peek.needs or lanes.peek.json_stream)


def _decision(question: Question, planned: Plan) -> str:
    stands = question.standing
    if planned is not stands.plan:
        return explain.compact(planned, question.facts, question.setup.policy)
    if not stands.decision:
        stands.decision = explain.compact(planned, question.facts, question.setup.policy)
    return stands.decision


async def _where(house: House, question: Question) -> Plan:
    """Plan the routes, by what servers at home say of themselves where that is to be asked.

    Raises ``Refusal`` where no route is left.
    """
    setup, planned = question.setup, considered(house, question)
    if setup.queues:
        house.home_load.look(planned.routes)
    if house.plan_reading.is_on:
        # A plan whose window is used up is asked too: that is how it comes to be known again.
        house.plan_reading.look(question.standing.candidates.routes)
    if (
        setup.servers_tell
        and house.at_home.due(setup, planned, question.standing)
        and await house.at_home.meet(setup, planned)
    ):
        planned = considered(house, question)
    if not planned.routes:
        raise no_route(planned)
    return planned
