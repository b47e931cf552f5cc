"""``GET /dashboard/bills``: do the providers' bills agree with the ledger, and if not, why."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from billing.reconcile import Reconciled
from gateway import bill_forms, kept_bills, reconciling
from gateway.bill_forms import BillForm
from gateway.config import Config
from gateway.config_values import zone as zone_of
from gateway.dashboard.bill_lines import Result, by_month, result
from gateway.dashboard.page import View, shown
from gateway.dashboard.words import Words
from gateway.errors import Refusal
from gateway.front import ClientGoneError, read_body
from gateway.kept_bills import Kept
from gateway.periods import moment
from gateway.reconciling import AskedError, At, Question

# Files together, some 30,000 lines. They are read in a process that serves calls, and while JSON is
# taken apart no call goes on: for an eighth of a second of so much. The command takes larger ones.
FILES_MOST_BYTES = 8 * 1024 * 1024
ASIDE_MOST_BYTES = 64 * 1024
# What only our own page sends: a website cannot send it elsewhere without being let (CORS).
PAGE_HEADER, PAGE = "x-entrepot-page", "bills"
CLIENT_CLOSED = 499

router = APIRouter()


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a bill; its content comes in base64."""

    name: str
    content: bytes


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends."""

    kind: str
    files: tuple[File, ...]
    providers: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class KindLine:
    """One kind of bill, and the providers of the config that are at its host."""

    name: str
    form: BillForm
    providers: tuple[str, ...]

    @property
    def has_days(self) -> bool:
        """Whether the bill itself says of which days it is."""
        return self.form.day is not None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with what was sent, in the reader's words; ``details`` are the gateway's."""

    words: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page has above its list: a comparison, or why there is none."""

    result: Result | None = None
    name: str = ""
    fault: Fault | None = None
    not_kept: str = ""


@router.get("/dashboard/bills")
@shown("bills", "show")
async def bills(view: View) -> Response:
    """Show what was compared, month by month; ``?show=`` is the name of one that is kept."""
    name = view.given.get("show", "")
    if not name:
        return await _page(view, Shown())
    found = await asyncio.to_thread(kept_bills.read, _folder(view), name)
    if found is None:
        return await _page(view, Shown(fault=Fault(view.t("bills.gone"))), 404)
    return await _page(view, Shown(_result(view, *found), name))


@router.post("/dashboard/bills/compare")
@shown("bills")
async def compare(view: View) -> Response:
    """Compare a bill that the page sends, keep what comes of it, and show that."""
    request, t = view.request, view.t
    try:
        _refuse_others(request)
        asked = await _asked(view.house.setup.config, request)
        quarters = await view.house.books.read(asked.reading)
        found = await asyncio.to_thread(asked.compared, quarters)
    except ClientGoneError:
        return Response(status_code=CLIENT_CLOSED)
    except AskedError as fault:
        words = Fault(t(f"bills.wrong_{fault.at}"), str(fault))
        return await _page(view, Shown(fault=words), 400)
    except Refusal as refusal:
        return await _page(view, Shown(fault=_refused(refusal, t)), refusal.status)
    name, not_kept = "", ""
    try:
        name = await asyncio.to_thread(kept_bills.keep, _folder(view), asked, found)
    except OSError as fault:
        not_kept = fault.strerror or str(fault)
    head = kept_bills.head_of(asked, found, datetime.now(UTC))
    ranked = replace(found, cells=kept_bills.ranked(found.cells))
    made = Shown(_result(view, head, ranked), name, None, not_kept)
    return await _page(view, made)


async def _page(view: View, above: Shown, status: int = 200) -> Response:
    config = view.house.setup.config
    kinds = await asyncio.to_thread(_kinds, config)
    kept = await asyncio.to_thread(kept_bills.listed, _folder(view))
    return view.render(
        status,
        above=above,
        result=above.result,
        kinds=kinds,
        all_providers=list(config.providers),
        months=by_month(kept, view.house.books.zone, view.t),
        count=len(kept),
        kept_most=kept_bills.KEPT_MOST,
        most_mb=FILES_MOST_BYTES // (1024 * 1024),
        most_bytes=FILES_MOST_BYTES,
        page_header=PAGE_HEADER,
        page_name=PAGE,
    )


def _result(view: View, kept: Kept, found: Reconciled) -> Result:
    return result(kept, found, view.house.books.zone, view.t)


def _folder(view: View) -> Path:
    return kept_bills.folder(view.house.setup.config)


def _kinds(config: Config) -> list[KindLine]:
    """Return the kinds of bills, those of hosts in the config first. In a thread."""
    found = []
    for name in bill_forms.names():
        form = bill_forms.named(name)
        found.append(KindLine(name, form, tuple(reconciling.at_host(config, form))))
    return sorted(found, key=lambda kind: not kind.providers)


def _refuse_others(request: Request) -> None:
    """Raise ``Refusal`` for what does not come from the page itself.

    A browser sends the admin key along wherever it is sent from.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    if request.headers.get(PAGE_HEADER) != PAGE or site != "same-origin":
        raise Refusal(
            "forbidden_origin", f"only the page of bills may send this ({PAGE_HEADER}: {PAGE})"
        )


async def _asked(config: Config, request: Request) -> Question:
    """Return what is asked. Raises ``AskedError``, ``Refusal`` or ``ClientGoneError``."""
    most = FILES_MOST_BYTES * 4 // 3 + ASIDE_MOST_BYTES
    declared = request.headers.get("content-length", "")
    raw = await read_body(request.receive, most, declared.encode("latin-1") or None)
    return await asyncio.to_thread(_question, config, raw)


def _question(config: Config, raw: bytes) -> Question:
    try:
        sent = msgspec.json.decode(raw, type=Sent)
    except msgspec.DecodeError as fault:
        raise Refusal("invalid_request", f"this is not what the page sends: {fault}") from None
    form = reconciling.known_form(sent.kind)
    providers = reconciling.providers_of(config, form, sent.providers)
    keys = reconciling.keys_of(sent.keys, providers)
    since, until = _moment("since", sent.since, form), _moment("until", sent.until, form)
    files = [(file.name, file.content) for file in sent.files]
    return reconciling.question(sent.kind, form, providers, keys, files, since, until)


def _moment(at: At, text: str, form: BillForm) -> datetime | None:
    if not text:
        return None
    try:
        return moment(text, zone_of(form.zone))
    except ValueError as fault:
        raise AskedError(at, str(fault)) from None


def _refused(refusal: Refusal, t: Words) -> Fault:
    if refusal.code == "request_too_large":
        return Fault(t("bills.too_large", n=FILES_MOST_BYTES // (1024 * 1024)))
    if refusal.code == "ledger_unavailable":
        return Fault(t("bills.no_ledger"), refusal.message)
    return Fault(t("bills.not_taken"), refusal.message)
