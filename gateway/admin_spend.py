"""The operators' API of the books: what was spent, and where data went."""

from __future__ import annotations

from datetime import tzinfo

from fastapi import APIRouter, Request
from fastapi.responses import Response

from billing import flows as flows_of
from billing.calendar_cuts import GRAINS
from billing.reports import Asked
from gateway import asked, savings, told
from gateway.admin import (
    HEADERS,
    answer,
    filters,
    form_of,
    house_for_admin,
    parameters,
    span,
    span_told,
    wrong,
)

SPEND_FORMS = ("json", "csv")
YES = ("1", "true", "yes")

router = APIRouter()


@router.get("/api/spend")
async def spend(request: Request) -> Response:
    """Sums in groups: ``?by=team,model&grain=day&where=label=personal&since=2026-11-01``.

    All of it may be left out; ``latency=1`` adds percentiles, ``format=csv`` is for spreadsheets.
    ``baseline`` is what the same tokens would have cost at the config's baseline, null without one.
    """
    house = house_for_admin(request)
    given = parameters(
        request, "by", "grain", "since", "until", "where", "latency", "format", often="where"
    )
    question = _question(request, given, "provider", house.books.zone)
    form = form_of(given, SPEND_FORMS, "json")
    wants = given.get("latency", "") in YES
    found, waited = await house.books.spend(question, with_waits=wants)
    if form == "csv":
        return csv(told.spend_csv(found, question))
    saved = await house.books.saved(house.setup, question, found.total)
    return answer(
        {
            **span_told(question.since, question.until, house.books.zone),
            **told.report(found, waited, question),
            "baseline": savings.told(saved) if saved is not None else None,
            **({"latency": told.precision(waited)} if wants else {}),
            "waiting": house.books.waiting,
        }
    )


@router.get("/api/flows")
async def flows(request: Request) -> Response:
    """What label of data went to which operator, country and place, under which policy.

    ``?by=label,operator,place,team,policy`` is what it is by; ``grain``, ``where``, ``since``,
    ``until`` and ``format`` are those of ``/api/spend``.
    """
    house = house_for_admin(request)
    given = parameters(request, "by", "grain", "since", "until", "where", "format", often="where")
    question = _question(request, given, ",".join(flows_of.USUAL), house.books.zone)
    if not {*flows_of.WAY} <= {*question.by}:
        raise wrong("by", f"has to name {', '.join(flows_of.WAY)}; more may stand beside them")
    form = form_of(given, SPEND_FORMS, "json")
    found = await house.books.flows(question)
    if form == "csv":
        return csv(told.flows_csv(found, question.by))
    return answer(
        {
            **span_told(question.since, question.until, house.books.zone),
            "by": ",".join(question.by),
            "flows": [told.flow(row) for row in found],
            "waiting": house.books.waiting,
        }
    )


def csv(text: str) -> Response:
    """Return a table for spreadsheets."""
    return Response(text, media_type="text/csv; charset=utf-8", headers=HEADERS)


def _question(request: Request, given: dict[str, str], by: str, zone: tzinfo) -> Asked:
    """Return what is asked. Raises ``Refusal`` that names the parameter at fault."""
    since, until = span(given, zone)
    where, grain = filters(request), given.get("grain")
    try:
        return asked.asked(given.get("by", by), grain, where, since, until, zone)
    except ValueError as fault:
        name = "by" if grain in (None, *GRAINS) else "grain"
        raise wrong(name, f"is wrong: {fault}") from None
