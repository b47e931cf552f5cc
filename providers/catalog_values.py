"""The values that the catalogue's files are made of: countries, exact figures, sourced facts."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

UNKNOWN = "unknown"
NO_PARENT = "none"
T = TypeVar("T")


def _known(value: object) -> object:
    if value is None:
        raise ValueError("has no value; write `unknown` where nobody established it")
    return None if value == UNKNOWN else value


def _country(text: str) -> str:
    better = {"EU": "EEA", "UK": "GB", "Home": "home", "HOME": "home"}.get(text)
    if better:
        raise ValueError(f"`{text}` is not a country code here; write {better}")
    if text not in ("home", "EEA") and not re.fullmatch(r"[A-Z]{2}", text):
        raise ValueError(
            f"`{text}` is not a country; write its two capitals (ISO 3166), EEA or home"
        )
    return text


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"`{text}` is not a day; write it as '2026-11-16'") from None
    return text


def decimal(value: object) -> Decimal:
    """Return the exact number that a text in quotes holds. Raises ``ValueError``."""
    # Money is exact: a YAML float has already lost its spelling.
    if not isinstance(value, str):
        raise ValueError(f"must be a number in quotes, such as '{value}', so that it stays exact")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"`{value}` is not a decimal number") from None
    if not number.is_finite() or number < 0:
        raise ValueError(f"`{value}` must be 0 or more")
    return number


def _address(text: str) -> str:
    if re.search(r"[{}]", re.sub(r"\{[a-z_]+\}", "", text)):
        raise ValueError(f"`{text}` has a blank that is none; write it as {{region}}")
    return text


def _path(text: str) -> str:
    if re.search(r"[{}]", text.replace("{model}", "")):
        raise ValueError(f"`{text}` has another blank than {{model}}; others stand in base_url")
    return text


def _header(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"`{name}` is not the name of a header in lower case, such as x-region")
    return name


Country = Annotated[str, AfterValidator(_country)]
Exact = Annotated[Decimal, BeforeValidator(decimal)]
Countries = Annotated[list[Country] | None, BeforeValidator(_known)]
Address = Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$"), AfterValidator(_address)]
Path = Annotated[str, Field(pattern=r"^/[^\s]+$"), AfterValidator(_path)]
Day = Annotated[str, AfterValidator(_day)]
Dotted = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
Header = Annotated[str, AfterValidator(_header)]


class Form(BaseModel):
    """A mapping of the file: its keys are all that may stand there, and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SourceForm(Form):
    """Where facts were read, and when; the date is that of the source, in words where need be."""

    url: str = Field(min_length=1)
    date: str = Field(min_length=4)


class Claim(Form):
    """What another source says instead of the value that was kept."""

    value: Any = Field(alias="is")
    source: list[str] = Field(min_length=1)
    note: str = ""


class Fact(Form, Generic[T]):
    """One value with the keys of its sources; ``unknown`` is stored as None.

    Where sources conflict the stricter value stands here and the other under ``conflict``.
    """

    value: Annotated[T | None, BeforeValidator(_known)] = Field(alias="is")
    source: list[str] = Field(default_factory=list)
    note: str = ""
    conflict: list[Claim] = Field(default_factory=list)

    @model_validator(mode="after")
    def _sourced(self) -> Fact[T]:
        if self.value is not None and not self.source:
            raise ValueError("has no source; name one under `source:`, or write `is: unknown`")
        return self


class Org(Form):
    """A company or a project, with the countries under whose law it stands."""

    name: str
    countries: Countries
