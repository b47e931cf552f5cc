"""What all pages are made with: who may see them, language, time, address and headers."""

from __future__ import annotations

import gzip
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from billing.store import Store
from billing.sums import DIMENSIONS
from gateway.admin import filters, house_for_admin, parameters, wrong
from gateway.asked import WHERE_MAX
from gateway.dashboard import files, library, words
from gateway.dashboard.alarms import alarms
from gateway.dashboard.figures import short
from gateway.dashboard.spans import Span, span_of
from gateway.dashboard.words import LANGUAGES, Words
from gateway.errors import Refusal
from gateway.house import House
from gateway.periods import PERIODS

TITLE_MAX_CHARS = 300
VALUE_MAX_CHARS = 500  # of a filter that was typed in
SMALL_BYTES = 1_000  # not worth being packed
HERE = Path(__file__).parent
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "vary": "accept-encoding, accept-language",
}
ASK_FOR_KEY = {"www-authenticate": 'Basic realm="Entrepot admin key", charset="UTF-8"'}
# The pages in the order of the menu, by the last part of their address.
MENU = (
    "", "explore", "flows", "requests", "providers", "policy", "budgets", "whatif", "bills",
    "playground",
)  # fmt: skip


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["short"] = short
    made.filters["whole"] = lambda text: short(text, TITLE_MAX_CHARS)
    made.filters["count"] = lambda number: f"{number:,}"
    made.filters["figure"] = lambda number: f"{number.normalize():,f}"
    made.filters["path"] = lambda text: quote(text, safe="")
    made.globals["asset"] = files.address
    made.globals["has_charts"] = library.is_built
    return made


TEMPLATES = _environment()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """One page as it was asked for: by whom needs no saying, but of which time and in what words.

    ``given`` are its parameters, time and language apart; ``where`` its filters. ``t`` gives texts.
    ``tongue`` is the language that the address names, "" for the browser's own.
    """

    house: House
    request: Request
    here: str
    given: Mapping[str, str]
    where: Mapping[str, list[str]]
    span: Span
    now: datetime
    t: Words
    tongue: str

    @property
    def address(self) -> str:
        """The page's own path."""
        return path_of(self.here)

    async def read(self, report: Callable[[Store], T]) -> tuple[T | None, str]:
        """Return what a report says, or None and why the ledger cannot be read now.

        Raises ``Refusal`` for a question that cannot be answered at any time.
        """
        try:
            return await self.house.books.read(report), ""
        except Refusal as refusal:
            if refusal.code == "invalid_request":
                raise
            return None, refusal.message

    def choice(self, name: str, known: Sequence[str]) -> str:
        """Return what a parameter chooses of ``known``, else the first. Raises ``Refusal``."""
        asked = self.given.get(name, known[0])
        if asked not in known:
            raise wrong(name, f"must be one of {', '.join(filter(None, dict.fromkeys(known)))}")
        return asked

    def api(self, path: str, **asked: str) -> str:
        """Return where the API tells the same time and filters, with what else is asked."""
        pairs = [("since", self.span.first.isoformat()), ("until", self.span.end.isoformat())]
        return f"{path}?{urlencode([*asked.items(), *pairs, *self._filters()])}"

    def command(self, *words: str, more: Sequence[str] = ()) -> str:
        """Return the command that tells the same time and filters on a terminal."""
        parts = ["entrepot", *words]
        parts += ["--since", self.span.first.isoformat(), "--until", self.span.end.isoformat()]
        parts += more
        for name, value in self._filters():
            parts += [f"--{name}", value]
        return shlex.join(parts)

    def _filters(self) -> list[tuple[str, str]]:
        return [("where", f"{name}={one}") for name, of in self.where.items() for one in of]

    def link(self, to: str | None = None, **changes: Any) -> str:
        """Return this page's address with other parameters; of page ``to`` with its time alone.

        A value of None, or an empty one, takes a parameter away; ``where`` are filters.
        """
        kept: dict[str, Any] = {**self.span.parameters()}
        if to is None:
            # A place among pages is one of the very list that it was read from.
            kept |= {name: value for name, value in self.given.items() if name != "before"}
            kept["where"] = self.where
        if self.tongue:
            kept["lang"] = self.tongue
        if {"period", "from"} & changes.keys():
            kept = {name: value for name, value in kept.items() if name not in _TIME}
        kept |= {name.rstrip("_"): value for name, value in changes.items()}
        path = self.address if to is None else path_of(to)
        query = "&".join(_pairs(kept))
        return f"{path}?{query}" if query else path

    def narrowed(self, name: str, value: str) -> dict[str, list[str]]:
        """Return the filters with one dimension at one value."""
        return {**self.where, name: [value]}

    def without(self, name: str, value: str) -> dict[str, list[str]]:
        """Return the filters without one value of one dimension."""
        left = [one for one in self.where.get(name, []) if one != value]
        return {**self.widened(name), **({name: left} if left else {})}

    def widened(self, name: str) -> dict[str, list[str]]:
        """Return the filters without those of one dimension."""
        return {known: values for known, values in self.where.items() if known != name}

    def render(self, status: int = 200, **parts: Any) -> Response:
        """Return the page of its own template, packed where the browser takes that."""
        name = self.here or "overview"
        text = TEMPLATES.get_template(f"{name}.html").render(
            view=self,
            t=self.t,
            menu=MENU,
            path_of=path_of,
            periods=PERIODS,
            languages=LANGUAGES,
            zone=str(self.house.books.zone),
            alarms=alarms(self.house, self.t),
            setup=self.house.setup,
            **parts,
        )
        return packed(self.request, text, status)


_TIME = ("period", "from", "to")
Page = Callable[[View], Awaitable[Response]]


def path_of(page: str) -> str:
    """Return a page's path."""
    return f"/dashboard/{page}" if page else "/dashboard"


def shown(
    here: str, *known: str, filtered: bool = False
) -> Callable[[Page], Callable[[Request], Awaitable[Response]]]:
    """Return what makes a route of a page: it sees only whom it may see, and what it knows.

    ``known`` are the page's own parameters; ``filtered``: it takes filters. What is wrong with the
    address is a page that says so.
    """

    def made(page: Page) -> Callable[[Request], Awaitable[Response]]:
        @wraps(page)
        async def route(request: Request) -> Response:
            try:
                house = house_for_admin(request)
            except Refusal as refusal:
                return closed(request, refusal)
            try:
                view = seen(request, house, here, *known, filtered=filtered)
                return await page(view)
            except Refusal as refusal:
                return failed(request, house, refusal)

        # FastAPI asks for the parameters of what it calls, and here that is the request alone.
        route.__annotations__ = {"request": Request, "return": Response}
        del route.__wrapped__
        return route

    return made


def seen(request: Request, house: House, here: str, *known: str, filtered: bool) -> View:
    """Return a page as its address has it. Raises ``Refusal``."""
    often = "where" if filtered else ""
    given = parameters(request, *known, *_TIME, "lang", *([often] if often else []), often=often)
    where = filters(request) if filtered else {}
    now = datetime.now(house.books.zone)
    tongue = given.get("lang", "")
    own = {name: given[name] for name in known if given.get(name)}
    return View(
        house=house,
        request=request,
        here=here,
        given=own,
        where=where,
        span=span_of(given, now, house.books.zone),
        now=now,
        t=words.words(_language(request, tongue)),
        tongue=tongue if tongue in LANGUAGES else "",
    )


def filtered(view: View) -> Response:
    """Send the browser to the same view with one filter more: ``field`` is at ``value``.

    Raises ``Refusal`` for what is no filter.
    """
    name, value = view.given.get("field", ""), view.given.get("value", "")
    if name not in DIMENSIONS:
        raise wrong("field", f"must be one of {', '.join(DIMENSIONS)}")
    if "\0" in value or len(value) > VALUE_MAX_CHARS:
        raise wrong("value", f"is no {name}")
    if sum(map(len, view.where.values())) >= WHERE_MAX:
        raise wrong("where", f"has more than {WHERE_MAX} filters")
    known = view.where.get(name, [])
    where = {**view.where, name: [*known, *([value] if value not in known else [])]}
    return sent_to(view.link(where=where, field=None, value=None))


def sent_to(address: str) -> Response:
    """Send the browser to another address."""
    return RedirectResponse(address, 303, headers=HEADERS)


def packed(request: Request, text: str, status: int = 200) -> Response:
    """Return a page, with gzip where the browser says that it takes it."""
    body = text.encode()
    headers = dict(HEADERS)
    if len(body) >= SMALL_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=5, mtime=0)
        headers["content-encoding"] = "gzip"
    return HTMLResponse(body, status_code=status, headers=headers)


def closed(request: Request, refusal: Refusal) -> Response:
    """Return the page of somebody without the admin key; a browser then asks for it."""
    t = words.words(_language(request, ""))
    page = TEMPLATES.get_template("closed.html").render(t=t, words=refusal.message)
    asks = ASK_FOR_KEY if refusal.code == "invalid_key" else {}
    return HTMLResponse(page, status_code=refusal.status, headers={**HEADERS, **asks})


def failed(request: Request, house: House, refusal: Refusal) -> Response:
    """Return the page that says why what was asked for cannot be shown."""
    t = words.words(_language(request, request.query_params.get("lang", "")))
    page = TEMPLATES.get_template("failed.html").render(
        t=t, words=refusal.message, alarms=alarms(house, t)
    )
    return HTMLResponse(page, status_code=refusal.status, headers=HEADERS)


def _language(request: Request, asked: str) -> str:
    return words.language_of(asked, request.headers.get("accept-language", ""))


def _pairs(kept: Mapping[str, Any]) -> list[str]:
    """Return parameters as an address has them, lists and filters one by one."""
    found: list[str] = []
    for name, value in kept.items():
        if isinstance(value, Mapping):
            every = [f"{of}={one}" for of, wanted in value.items() for one in wanted]
        else:
            every = list(value) if isinstance(value, list | tuple) else [value]
        found += [f"{name}={quote(str(one), safe='')}" for one in every if one not in (None, "")]
    return found
