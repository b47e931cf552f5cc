"""What a comparison of a bill with the ledger is asked with: whose bill, of which kind and time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import Literal

from billing.bill import BillLine, Quarter
from billing.booked import booked
from billing.reconcile import Reconciled, reconcile
from billing.store import Store
from gateway import bill_forms
from gateway.bill_forms import BillForm
from gateway.bill_reading import WrongBillError, read_bill
from gateway.config import Config
from gateway.config_values import zone as zone_of
from gateway.periods import midnight
from routing.policy_form import nearest

# What of a question can be wrong.
At = Literal["kind", "provider", "host", "key", "file", "days", "since", "until"]
A_DAY = timedelta(days=1)


class AskedError(Exception):
    """What was asked cannot be compared; ``at`` says what is wrong of it, the text why."""

    def __init__(self, at: At, why: str) -> None:
        super().__init__(why)
        self.at = at


@dataclass(frozen=True, slots=True)
class Question:
    """A bill that was read, and what of the ledger it is to be compared with.

    ``kind`` is the form's name. ``since`` and ``until`` are the time that is looked at, ``first``
    and ``last`` the days that the bill is of.
    """

    kind: str
    form: BillForm
    providers: tuple[str, ...]
    lines: tuple[BillLine, ...]
    since: datetime
    until: datetime
    first: date
    last: date

    @property
    def reading(self) -> Callable[[Store], list[Quarter]]:
        """What reads the ledger for it, by whoever has the ledger; raises ``StoreError``."""
        models = {line.model for line in self.lines}
        return partial(
            booked, providers=self.providers, models=models, since=self.since, until=self.until
        )

    def compared(self, quarters: Sequence[Quarter]) -> Reconciled:
        """Return the comparison with what ``reading`` gave. Raises ``AskedError``."""
        begins = self.since.astimezone(zone_of(self.form.zone))
        offset = begins.utcoffset() or timedelta()
        try:
            return reconcile(self.lines, quarters, int(offset.total_seconds()))
        except ValueError as fault:
            raise AskedError("file", str(fault)) from None


def known_form(kind: str) -> BillForm:
    """Return the form of a kind of bill. Raises ``AskedError`` for one that is not known."""
    known = bill_forms.names()
    if kind not in known:
        right = nearest(kind, known, "one of these kinds, or the path of a file")
        raise AskedError("kind", f"{kind!r} is no kind of bill that is known; {right}")
    return bill_forms.named(kind)


def providers_of(config: Config, form: BillForm, given: Sequence[str]) -> tuple[str, ...]:
    """Return whose bill it is: as given, else every provider at the bill's host.

    Raises ``AskedError``.
    """
    strange = [name for name in given if name not in config.providers]
    if strange:
        right = nearest(strange[0], config.providers, "a provider of the config")
        raise AskedError("provider", f"{strange[0]!r} is no provider of the config; {right}")
    found = list(dict.fromkeys(given)) or at_host(config, form)
    if not found:
        raise AskedError("host", "no provider of the config is at that host")
    return tuple(found)


def at_host(config: Config, form: BillForm) -> list[str]:
    """Return the providers at a bill's host; none where the bill may be anybody's."""
    return [name for name in config.providers if form.host and config.host_of(name) == form.host]


def keys_of(given: Sequence[str], providers: Collection[str]) -> dict[str, str]:
    """Return which provider uses each key that a bill names. Raises ``AskedError``."""
    found = {}
    for pair in given:
        billed, _, name = pair.rpartition("=")
        if not billed or name not in providers:
            whose = ", ".join(providers)
            raise AskedError("key", f"{pair!r} is not BILLED=PROVIDER, of {whose}")
        found[billed] = name
    return found


def question(
    kind: str,
    form: BillForm,
    providers: tuple[str, ...],
    keys: Mapping[str, str],
    files: Sequence[tuple[str, bytes]],
    since: datetime | None,
    until: datetime | None,
) -> Question:
    """Read a bill and return what to compare it with. Raises ``AskedError``.

    ``files`` are names and contents. ``since`` and ``until`` are of a bill without days; None is
    now.
    """
    try:
        bill = read_bill(form, files)
    except WrongBillError as fault:
        raise AskedError("file", str(fault)) from None
    lines = tuple(replace(line, key=keys.get(line.key, line.key) if keys else "") for line in bill)
    if not lines:
        raise AskedError("file", "a bill has lines, and this one has none")
    zone = zone_of(form.zone)
    begin, end, first, last = _time(lines, zone, since, until)
    return Question(kind, form, providers, lines, begin, end, first, last)


def _time(
    bill: Sequence[BillLine], zone: tzinfo, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime, date, date]:
    """Return the time to look at, and the days: the bill's and one more on both sides, or given."""
    days = [line.day for line in bill if line.day is not None]
    if days:
        if since or until:
            raise AskedError("days", "since and until are for a bill without days; this has some")
        first, last = min(days), max(days)
        return midnight(first - A_DAY, zone), midnight(last + 2 * A_DAY, zone), first, last
    if since is None:
        raise AskedError("since", "this bill has no days, and nothing says when it begins")
    end = until if until is not None else datetime.now(zone)
    if end <= since:
        raise AskedError("until", "it ends before it begins")
    # What ends with a midnight ends with the day before it.
    last = (end.astimezone(zone) - timedelta(microseconds=1)).date()
    return since, end, since.astimezone(zone).date(), last
