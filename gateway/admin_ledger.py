"""The operators' API of the ledger's entries: page by page, and as files."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from billing import exports, pages
from billing.pages import Cursor
from gateway import told
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

LEDGER_MOST, LEDGER_USUAL = 500, 50
CURSOR_MAX_CHARS = 300
CURSOR_MOST_US = 250_000_000_000_000_000  # in the year 9892; no clock goes on for ever
# Where the next page begins, for forms that have no room for it.
NEXT = "x-entrepot-next"
FORMS: Mapping[str, str] = MappingProxyType(
    {
        "json": "application/json",
        "jsonl": "application/x-ndjson",
        "csv": "text/csv; charset=utf-8",
        "parquet": "application/vnd.apache.parquet",
        "focus": "text/csv; charset=utf-8",
    }
)
PAGE_FORMS = ("json", "jsonl", "csv")
EXPORT_FORMS = ("csv", "jsonl", "parquet", "focus")

router = APIRouter()


@router.get("/api/ledger")
async def ledger(request: Request) -> Response:
    """The newest entries, ``?limit=`` at most 500; ``?before=`` what ``next`` said goes on.

    ``since``, ``until`` and ``where`` (``where=team=research``, more than once) bound them;
    ``format`` is json, jsonl or csv: there the next page is in the header ``x-entrepot-next``.
    """
    house = house_for_admin(request)
    given = parameters(
        request, "limit", "before", "since", "until", "where", "format", often="where"
    )
    text = given.get("limit", str(LEDGER_USUAL))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= LEDGER_MOST):
        raise wrong("limit", f"must be a whole number from 1 to {LEDGER_MOST}")
    form = form_of(given, PAGE_FORMS, "json")
    since, until = span(given, house.books.zone)
    before = cursor_of(given["before"]) if "before" in given else None
    limit = int(text)
    found = await house.books.page(limit + 1, before, since, until, filters(request))
    shown = found[:limit]
    following = cursor_text(pages.cursor(shown[-1])) if len(found) > limit else None
    if form == "json":
        return answer(
            {
                **span_told(since, until, house.books.zone),
                "entries": [told.entry(entry, house.books.zone) for entry in shown],
                "next": following,
                "waiting": house.books.waiting,
            }
        )
    body = b"".join(exports.FORMS[form](shown))
    headers = HEADERS if following is None else {**HEADERS, NEXT: following}
    return Response(body, media_type=FORMS[form], headers=headers)


@router.get("/api/ledger/export")
async def export(request: Request) -> Response:
    """All entries of a time as one file: ``?format=`` csv, jsonl, parquet or focus.

    ``since``, ``until`` and ``where`` bound it. It comes piece by piece, oldest first.
    """
    house = house_for_admin(request)
    given = parameters(request, "since", "until", "where", "format", often="where")
    form = form_of(given, EXPORT_FORMS, "csv")
    since, until = span(given, house.books.zone)
    pieces = await house.books.export(form, since, until, filters(request))
    ending = "csv" if form == "focus" else form
    headers = {**HEADERS, "content-disposition": f'attachment; filename="ledger.{ending}"'}
    return StreamingResponse(pieces, media_type=FORMS[form], headers=headers)


def cursor_text(cursor: Cursor) -> str:
    """Return a place in the order of the ledger as an address has it."""
    return f"{cursor[0]}.{cursor[1]}"


def cursor_of(text: str) -> Cursor:
    """Return the place that an address names. Raises ``Refusal``."""
    at_us, _, attempt_id = text.partition(".")
    is_time = at_us.isascii() and at_us.isdigit() and int(at_us[:19]) <= CURSOR_MOST_US
    if len(text) <= CURSOR_MAX_CHARS and is_time and attempt_id and attempt_id.isprintable():
        return int(at_us[:19]), attempt_id
    raise wrong("before", "must be the `next` of an earlier answer")
