"""A page as a program reads it: its tags, its texts by id, its tables by what cells are of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import httpx

from billing.ledger import Entry
from gateway.periods import first_and_last_day, midnight
from tests.fakes.house import FakeHouse

VOID = {"meta", "link", "br", "rect", "img", "input"}
# What fits into HTML, and means nothing there.
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eevil\u2066\u0001",
    "</bdi></td></table><style>*{display:none}",
    "</script><script>alert(2)</script>",
    "x" * 100_000,
)


class Page(HTMLParser):
    """A page's tags and texts; fails on a tag that nobody closes.

    ``ids`` are texts by id, ``values`` the exact values in them. ``rows`` are the rows of all
    tables: the text of each cell by its ``data-of``, of the heading as "", and exact values with
    "=" before.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.rows: list[dict[str, str]] = []
        self.text = ""
        self._cell: str | None = None
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        named = dict(attrs)
        value = named.get("value")
        if tag == "tr":
            self.rows.append({"id": named.get("id") or ""})
        if tag in ("td", "th") and self.rows:
            self._cell = named.get("data-of") or ("" if tag == "th" else None)
        if tag == "data" and value is not None:
            for name in [*self._inside(), named.get("id") or ""]:
                self.values.setdefault(name, value)
            if self._cell is not None:
                self.rows[-1].setdefault(f"={self._cell}", value)
        if tag not in VOID:
            self.open.append((tag, named.get("id") or ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag
        if tag in ("td", "th"):
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] in ("script", "style"):
            return
        self.text += data
        for name in self._inside():
            self.ids[name] = self.ids.get(name, "") + data
        if self._cell is not None and self.rows:
            row = self.rows[-1]
            row[self._cell] = (row.get(self._cell, "") + data).strip()

    def _inside(self) -> list[str]:
        return [name for _, name in self.open if name]

    def said(self, name: str) -> str:
        """Return the text within an id, its spaces folded."""
        return " ".join(self.ids[name].split())


@asynccontextmanager
async def browser(made: FakeHouse, key: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that comes by the gateway's own address, with ``key`` as its password."""
    transport = httpx.ASGITransport(made.app())
    auth = ("anybody", key) if key else None
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8080", auth=auth
    ) as asking:
        yield asking


async def get(made: FakeHouse, path: str = "", key: str = "", **headers: str) -> httpx.Response:
    """Load a page of the dashboard by what follows its address."""
    async with browser(made, key) as asking:
        return await asking.get(f"/dashboard{path}", headers=headers)


async def page(made: FakeHouse, path: str = "", key: str = "", **headers: str) -> Page:
    """Load a page and read it."""
    answer = await get(made, path, key, **headers)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


def of_period(entries: list[Entry], period: str) -> list[Entry]:
    """Return the entries of a period, by their own times."""
    first, last = first_and_last_day(period, datetime.now(UTC))
    since, until = midnight(first, UTC), midnight(last + timedelta(days=1), UTC)
    return [one for one in entries if since.timestamp() <= one.at_us / 1e6 < until.timestamp()]
