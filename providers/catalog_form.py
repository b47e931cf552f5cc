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

from providers.errors import ErrorKind
from providers.schema_profiles import PROFILES

UNKNOWN = "unknown"
NO_PARENT = "none"
PLACE_FACTS = ("processed_in", "trains_on_data", "retention_days", "zdr")
MODEL_FACTS = ("maker", "weights", "licence", "context", "max_output")
WireName = Literal[
    "chat",
    "responses",
    "messages",
    "gemini",
    "converse",
    "cohere",
    "completions",
    "embeddings",
    "rerank",
]
Refusal = Literal[
    "tools",
    "forced_tools",
    "parallel_tools",
    "json_schema",
    "json_object",
    "reasoning",
    "images",
    "files",
    "audio",
]
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


def _wire(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


def _amount(text: str) -> str:
    _decimal(text)
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as fault:
        raise ValueError(f"`{text}` is not a regular expression: {fault}") from None
    return text


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


def _profile(text: str) -> str:
    if text not in PROFILES:
        raise ValueError(
            f"`{text}` is no schema profile; known here: {', '.join(sorted(PROFILES))}"
        )
    return text


def _error_kind(text: str) -> str:
    if text not in set(ErrorKind):
        raise ValueError(f"`{text}` is no kind of error; known here: {', '.join(ErrorKind)}")
    return text


Country = Annotated[str, AfterValidator(_country)]
Exact = Annotated[Decimal, BeforeValidator(_decimal)]
Countries = Annotated[list[Country] | None, BeforeValidator(_known)]
Address = Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$"), AfterValidator(_address)]
Path = Annotated[str, Field(pattern=r"^/[^\s]+$"), AfterValidator(_path)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Dotted = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
Header = Annotated[str, AfterValidator(_header)]
Kind = Annotated[str, AfterValidator(_error_kind)]


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


class WireAuthForm(Form):
    """How the key is sent on one wire that wants it another way than the host's others."""

    kind: Literal["bearer", "header"]
    header: str = "Authorization"


class WireForm(Form):
    """Where a wire is spoken; in the file a path alone may stand for it.

    ``{model}`` in a path is the model's id; ``count_path`` is where the tokens of such a request
    are counted. ``forward`` names the client's headers that may pass. ``source`` is where it was
    read, if not where the base URL was.
    """

    path: Path
    stream_path: Path | None = None
    count_path: Path | None = None
    base_url: Address | None = None
    headers: dict[Header, str] = {}
    forward: list[Header] = []
    auth: WireAuthForm | None = None
    source: list[str] = []


# The one to prefer stands first: it is asked where the client's own wire is not spoken.
Wires = Annotated[dict[WireName, Annotated[WireForm, BeforeValidator(_wire)]], Field(min_length=1)]


class EndpointForm(PlaceForm):
    """One address of a host. Without ``base_url`` the user gives it.

    Its ``wires`` stand in the place of the host's, so that it may speak fewer of them. A base URL
    may have blanks that the user fills: ``https://{region}.example.com``.
    """

    base_url: Fact[Address] | None = None
    region: str | None = None
    operator: OperatorForm | None = None
    surcharge: Fact[Exact] | None = None
    wires: Wires | None = None


class AuthForm(Form):
    """How the key is sent, and in which environment variable people keep it.

    ``aws`` signs each call, ``google`` fetches tokens; a key in the config is then a bearer token.
    """

    kind: Literal["bearer", "header", "none", "aws", "google"]
    header: str = "Authorization"
    env: str | None = None


class DialectForm(Form):
    """How one deviates from a wire, as ``providers.dialect`` says; a path is written with dots."""

    source: list[str] = Field(min_length=1)
    note: str = ""
    refuses: list[str] | None = None
    rename: dict[str, str] | None = None
    structured: Literal["schema", "json", "none"] | None = None
    forced_tools: bool | None = None
    named_tools: bool | None = None
    schema_profile: Annotated[str, AfterValidator(_profile)] | None = None
    tool_ids: Pattern | None = None
    image_urls: bool | None = None
    efforts: dict[str, str] | None = None
    thinking_off: bool | None = None
    max_output: Annotated[int, Field(gt=0)] | None = None
    max_stops: Annotated[int, Field(ge=0)] | None = None
    error_kinds: dict[str, Kind] | None = None
    ask_stream_usage: bool | None = None
    developer_role: bool | None = None
    tool_choice_words: dict[str, str] | None = None
    replay_reasoning: str | None = None
    think_tags: bool | None = None
    repair_tool_calls: bool | None = None
    parallel_switch: bool | None = None
    cache_marks: bool | None = None
    takes: list[str] | None = None
    strips: list[str] | None = None
    thinking_switch: Literal["type", "enable"] | None = None
    prefill_flag: str | None = None
    thinking: Literal["adaptive", "budget", "level", "none"] | None = None
    mid_system: bool | None = None
    version: str | None = None
    prefill: bool | None = None
    call_ids: bool | None = None
    tool_result_images: bool | None = None
    effort_path: Dotted | None = None
    top_k_path: Dotted | None = None
    reasoning: Literal["inside", "beside"] | None = None
    cached_read_paths: list[Dotted] | None = None
    cached_write_paths: list[Dotted] | None = None
    reasoning_paths: list[Dotted] | None = None
    cost_path: Dotted | None = None
    usage_path: Dotted | None = None
    zone_hours: float | None = None
    cost_unit: Annotated[str, AfterValidator(_amount)] | None = None


class SpeechForm(Form):
    """Deviations on every wire, and those of one wire, which stand above them."""

    dialect: DialectForm | None = None
    dialects: dict[WireName, DialectForm] = {}


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


class FamilyForm(SpeechForm):
    """What is true of a model at every host; ``cannot``: what it refuses or ignores."""

    maker: Fact[Org] | None = None
    weights: Fact[Literal["open", "closed"]] | None = None
    licence: Fact[str] | None = None
    context: Fact[Annotated[int, Field(gt=0)]] | None = None
    max_output: Fact[Annotated[int, Field(gt=0)]] | None = None
    can: Fact[list[str]] | None = None
    cannot: Fact[list[Refusal]] | None = None


class ModelForm(FamilyForm, PlaceForm):
    """A model at one host; what it does not say, its family does.

    What it says of its place stands above the endpoint. ``wires``: the only ones it is asked on;
    ``tools_wire``: with function tools it is asked on another wire than the first of the two.
    """

    family: str | None = None
    remote: Fact[bool] | None = None
    wires: Fact[Annotated[list[WireName], Field(min_length=1)]] | None = None
    tools_wire: Fact[dict[WireName, WireName]] | None = None
    prices: Fact[PricesForm] | None = None


class FamiliesForm(Form):
    """A file under ``families/``."""

    sources: dict[str, SourceForm]
    families: dict[str, FamilyForm]


class HostForm(SpeechForm):
    """A host's file; its name is the host's ``id``."""

    id: str
    name: str
    kind: Literal["hosted", "aggregator", "home"]
    auth: AuthForm
    genai_prices: str | None = None
    operator: OperatorForm
    place: PlaceForm = PlaceForm()
    wires: Wires
    default_endpoint: str
    endpoints: dict[str, EndpointForm] = Field(min_length=1)
    models: dict[str, ModelForm] = {}
    usual_ports: Fact[list[Annotated[int, Field(ge=1, le=65535)]]] | None = None
    health_path: Fact[str] | None = None
    launcher: str | None = None
    models_path: Fact[str] | None = None
    sources: dict[str, SourceForm]
