"""The YAML form of the catalogue's files: what a person may write.

Two kinds of file: a host (``HostForm``) and a family file (``FamiliesForm``), which holds what is
true of a model wherever it runs. Every fact says where it was read.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Generic, Literal, TypeVar

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
PLACE_FACTS = ("processed_in", "trains_on_data", "retention_days", "zdr")
MODEL_FACTS = ("maker", "weights", "licence", "context", "max_output")
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


def _decimal(value: object) -> Decimal:
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


def _parent(value: object) -> object:
    return {"name": "", "countries": []} if value == NO_PARENT else value


Country = Annotated[str, AfterValidator(_country)]
Exact = Annotated[Decimal, BeforeValidator(_decimal)]
Countries = Annotated[list[Country] | None, BeforeValidator(_known)]


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
    source: list[str] = []
    note: str = ""
    conflict: list[Claim] = []

    @model_validator(mode="after")
    def _sourced(self) -> Fact[T]:
        if self.value is not None and not self.source:
            raise ValueError("has no source; name one under `source:`, or write `is: unknown`")
        return self


class Org(Form):
    """A company or a project, with the countries under whose law it stands."""

    name: str
    countries: Countries


class OperatorForm(Form):
    """Who runs a host; ``upstream``: to whose machines an aggregator hands the request on."""

    company: Fact[Org]
    parent: Fact[Annotated[Org, BeforeValidator(_parent)]]
    upstream: Fact[Org] | None = None


class PlaceForm(Form):
    """What happens to data at an endpoint; an endpoint's own fact stands above the host's."""

    processed_in: Fact[list[Country]] | None = None
    trains_on_data: Fact[Literal["never", "opt_out", "by_default"]] | None = None
    retention_days: Fact[Annotated[int, Field(ge=0)]] | None = None
    zdr: Fact[Literal["default", "on_approval", "no"]] | None = None


class EndpointForm(PlaceForm):
    """One address of a host. Without ``base_url`` the user gives it."""

    base_url: Fact[Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$")]] | None = None
    operator: OperatorForm | None = None
    surcharge: Fact[Exact] | None = None
    wires: dict[Literal["chat"], Annotated[str, Field(pattern="^/")]] | None = None


class AuthForm(Form):
    """How the key is sent, and in which environment variable people keep it."""

    kind: Literal["bearer", "header", "none"]
    header: str = "Authorization"
    env: str | None = None


class DialectForm(Form):
    """How the host deviates from its wire; a path is written with dots."""

    source: list[str] = Field(min_length=1)
    note: str = ""
    ask_stream_usage: bool | None = None
    rename: dict[str, str] | None = None
    reasoning: Literal["inside", "beside"] | None = None
    cached_read_paths: list[str] | None = None
    cached_write_paths: list[str] | None = None
    reasoning_paths: list[str] | None = None
    cost_path: str | None = None
    refuses: list[str] | None = None


class PricesForm(Form):
    """USD per million tokens, by bucket; only where the price package lacks them."""

    input: Exact
    output: Exact
    cache_read: Exact | None = None
    cache_write: Exact | None = None
    cache_write_long: Exact | None = None
    audio_input: Exact | None = None
    audio_output: Exact | None = None
    reasoning: Exact | None = None


class FamilyForm(Form):
    """What is true of a model at every host."""

    maker: Fact[Org] | None = None
    weights: Fact[Literal["open", "closed"]] | None = None
    licence: Fact[str] | None = None
    context: Fact[Annotated[int, Field(gt=0)]] | None = None
    max_output: Fact[Annotated[int, Field(gt=0)]] | None = None
    can: Fact[list[str]] | None = None


class ModelForm(FamilyForm):
    """A model at one host; what it does not say, its family does."""

    family: str | None = None
    remote: Fact[bool] | None = None
    prices: Fact[PricesForm] | None = None


class FamiliesForm(Form):
    """A file under ``families/``."""

    sources: dict[str, SourceForm]
    families: dict[str, FamilyForm]


class HostForm(Form):
    """A host's file; its name is the host's ``id``."""

    id: str
    name: str
    kind: Literal["hosted", "aggregator", "home"]
    auth: AuthForm
    genai_prices: str | None = None
    operator: OperatorForm
    place: PlaceForm = PlaceForm()
    wires: dict[Literal["chat"], Annotated[str, Field(pattern="^/")]]
    default_endpoint: str
    endpoints: dict[str, EndpointForm] = Field(min_length=1)
    dialect: DialectForm | None = None
    models: dict[str, ModelForm] = {}
    usual_ports: Fact[list[Annotated[int, Field(ge=1, le=65535)]]] | None = None
    health_path: Fact[str] | None = None
    launcher: str | None = None
    models_path: Fact[str] | None = None
    sources: dict[str, SourceForm]
