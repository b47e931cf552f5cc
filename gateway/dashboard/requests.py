"""``GET /dashboard/requests``: the single entries of a time, page by page."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response

from billing import pages
from billing.ledger import Entry
from billing.store import Store
from gateway.admin_ledger import cursor_of, cursor_text
from gateway.dashboard.entry_lines import entry_lines
from gateway.dashboard.page import View, shown

SHOWN = 50

router = APIRouter()


@router.get("/dashboard/requests")
@shown("requests", "failed", "before", filtered=True)
async def requests(view: View) -> Response:
    """Show the newest entries of a time; ``?failed=1`` those that failed, ``before`` goes on."""
    before = cursor_of(view.given["before"]) if "before" in view.given else None
    failed = view.given.get("failed") == "1"

    def read(store: Store) -> list[Entry]:
        span = view.span
        asked = partial(pages.search, store, SHOWN + 1, before, span.since, span.until)
        return asked(view.where, failed=failed)

    entries, fault = await view.read(read)
    found = entries or []
    following = cursor_text(pages.cursor(found[SHOWN - 1])) if len(found) > SHOWN else ""
    return view.render(
        503 if fault else 200,
        fault=fault,
        lines=entry_lines(found[:SHOWN], view.span.zone, view.t),
        failed=failed,
        following=following,
        is_first=before is None,
        export=view.api("/api/ledger/export", format="csv"),
    )
