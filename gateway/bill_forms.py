"""How bills are read: one YAML file for each kind, in ``gateway/bills``, or one of the user's own.

A form says where in a file the day, the model, the key, the tokens and the money stand. Nothing of
it is code, so that another provider's export is another file.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config_values import Form, Places, Text, zone
from gateway.form_file import read_form
from gateway.problems import ConfigError, Problem, WrongError

Times = Annotated[Decimal, Field(ge=-(10**6), le=10**6, allow_inf_nan=False), Places]
FOLDER = Path(__file__).parent / "bills"


class DayForm(Form):
    """Where the day stands and how it is written; ``format`` (strptime's) for as: text."""

    at: Text
    written: Literal["iso", "unix", "text"] = "iso"
    format: Text | None = None

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        if (self.written == "text") != (self.format is not None):
            raise WrongError("has a format that does not go with `written`", "written: text")
        return self


class MoneyForm(Form):
    """Where the money stands; ``times`` turns it into whole units ("0.01" for cents).

    The currency is read at ``currency_at``, or is ``currency``.
    """

    at: Text
    times: Times = Decimal(1)
    currency_at: Text | None = None
    currency: Text | None = None


class LongForm(Form):
    """A file with a line for each kind of figure: its name stands at ``kind``, itself at ``at``."""

    kind: Text
    at: Text
    requests: tuple[Text, ...] = ()
    tokens_in: tuple[Text, ...] = ()
    tokens_out: tuple[Text, ...] = ()


class BillForm(Form):
    """One kind of bill. ``host`` is the catalogue's id of whose it is, "" for any.

    ``rows`` (JSON) is the path to the lines, each list on the way gone through; what a line does
    not have is looked for in what is around it. ``zone`` is where the days begin. A ``balance`` is
    what is left (with ``rises``: what was spent so far): two files make a bill, the earlier first.
    ``fetch`` is the request that gives such a file, in words for people.
    """

    title: Text
    host: str = ""
    file: Literal["json", "csv"]
    rows: tuple[Text, ...] = ()
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal_comma: bool = False
    zone: Text = "UTC"
    balance: bool = False
    rises: bool = False
    day: DayForm | None = None
    model: Text | None = None
    key: Text | None = None
    requests: Text | None = None
    tokens_in: tuple[Text, ...] = ()
    tokens_out: tuple[Text, ...] = ()
    long: LongForm | None = None
    cost: MoneyForm | None = None
    fetch: Text | None = None
    source: Mapping[str, Text] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        zone(self.zone)
        if self.balance and (self.cost is None or self.day is not None):
            raise WrongError("is a balance", "cost alone: a balance has no days")
        if not (self.cost or self.tokens_in or self.tokens_out or self.long or self.requests):
            raise WrongError("reads no figure", "cost, tokens_in, tokens_out, requests or long")
        return self


def names() -> list[str]:
    """Return the names of the kinds of bills that are known."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(path: Path) -> BillForm:
    """Return the form in a file. Raises ``ConfigError`` with every mistake and its line."""
    try:
        return read_form(path, BillForm)
    except OSError as fault:
        what = f"cannot be read: {fault.strerror}"
        raise ConfigError([Problem(str(path), 1, what, "the form of a bill")]) from fault


def named(name: str) -> BillForm:
    """Return one of ``names``."""
    return load(FOLDER / f"{name}.yaml")
