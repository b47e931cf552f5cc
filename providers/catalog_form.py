"""The YAML form of the catalogue's files: what a person may write.

Two kinds of file: a host (``HostForm``) and a family file (``FamiliesForm``), which holds what is
true of a model wherever it runs. Every fact says where it was read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from providers.catalog_cache_form import CacheForm
from providers.catalog_dialect_form import SpeechForm, WireName
from providers.catalog_plan_form import PlanForm
from providers.catalog_price_form import PricesForm
from providers.catalog_server_form import ServerForm
from providers.catalog_values import (
    NO_PARENT,
    Address,
    Country,
    Day,
    Exact,
    Fact,
    Form,
    Header,
    Org,
    Path,
    SourceForm,
)

PLACE_FACTS = ("processed_in", "trains_on_data", "retention_days", "zdr")
MODEL_FACTS = ("maker", "weights", "licence", "context", "max_output")
# All that a family may say, and a model at a host instead of it.
FAMILY_FACTS = (*MODEL_FACTS, "can", "cannot", "wires", "tokenizer")
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
# From the roughest to the finest; what a host loads may be finer or rougher than what was trained.
Quantisation = Literal[
    "1.58-bit", "int2", "int3", "int4", "fp4", "nvfp4", "mxfp4", "int5", "int6", "fp6",
    "int8", "fp8", "bf16", "fp16", "fp32",
]  # fmt: skip


def _wire(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


def _parent(value: object) -> object:
    return {"name": "", "countries": []} if value == NO_PARENT else value


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
    headers: dict[Header, str] = Field(default_factory=dict)
    forward: list[Header] = Field(default_factory=list)
    auth: WireAuthForm | None = None
    source: list[str] = Field(default_factory=list)


# The one to prefer stands first: it is asked where the client's own wire is not spoken.
Wires = Annotated[dict[WireName, Annotated[WireForm, BeforeValidator(_wire)]], Field(min_length=1)]


class AuthForm(Form):
    """How the key is sent, and in which environment variable people keep it.

    ``aws`` signs each call, ``google`` and ``entra`` fetch tokens; a key in the config is then a
    bearer token.
    """

    kind: Literal["bearer", "header", "none", "aws", "google", "entra"]
    header: str = "Authorization"
    env: str | None = None


class FamilyForm(SpeechForm):
    """What is true of a model at every host; ``cannot``: what it refuses or ignores.

    ``wires``: the only ones it is asked on, such as completions for a base model. ``tokenizer`` is
    the vocabulary that its texts can be counted with here, where it is one of those
    (``providers.vocabularies``).

    ``one_model`` True: the family is one set of weights, so that ``any/FAMILY`` may mean each host
    that has it. A brand with several models in it is none. A maker who tuned the weights of another
    is named with the countries of both.
    """

    one_model: bool = False

    maker: Fact[Org] | None = None
    weights: Fact[Literal["open", "closed"]] | None = None
    licence: Fact[str] | None = None
    context: Fact[Annotated[int, Field(gt=0)]] | None = None
    max_output: Fact[Annotated[int, Field(gt=0)]] | None = None
    can: Fact[list[str]] | None = None
    cannot: Fact[list[Refusal]] | None = None
    wires: Fact[Annotated[list[WireName], Field(min_length=1)]] | None = None
    tokenizer: Fact[Literal["o200k_base", "cl100k_base"]] | None = None


class ModelForm(FamilyForm, PlaceForm):
    """A model at one host; what it does not say, its family does.

    What it says of its place stands above the endpoint. ``tools_wire``: with function tools it is
    asked on another wire than the first of the two. ``quantisation`` is what the weights were
    rounded to here. ``endpoints``: the only ones of the host at which it is served. ``operator``:
    who runs it, where that is not who runs the host. ``surcharge`` stands in the place of the
    endpoint's. ``until`` is the day on which the host ends it. ``cache`` is what of the host's
    cache of prompts is otherwise for it.
    """

    family: str | None = None
    remote: Fact[bool] | None = None
    tools_wire: Fact[dict[WireName, WireName]] | None = None
    prices: Fact[PricesForm] | None = None
    operator: OperatorForm | None = None
    surcharge: Fact[Exact] | None = None
    cache: CacheForm | None = None
    until: Fact[Day] | None = None
    quantisation: Fact[Quantisation] | None = None
    endpoints: Fact[Annotated[list[str], Field(min_length=1)]] | None = None


class ChoiceForm(SpeechForm, PlaceForm):
    """What holds where an account, a workspace or a request is set in one way."""

    operator: OperatorForm | None = None
    surcharge: Fact[Exact] | None = None
    headers: dict[Header, str] = Field(default_factory=dict)
    note: str = ""


class SettingForm(Form):
    """Something that the address does not show and that decides facts, such as a data region.

    The user's config says which choice holds (``settings: {scope: eu}``); while it does not, what
    the endpoint says without it holds.
    """

    what: str
    source: list[str] = Field(min_length=1)
    choices: dict[str, ChoiceForm] = Field(min_length=1)


class EndpointForm(SpeechForm, PlaceForm):
    """One address of a host. Without ``base_url`` the user gives it.

    Its ``wires`` stand in the place of the host's, so that it may speak fewer of them. A base URL
    may have blanks that the user fills: ``https://{region}.example.com``. ``models`` says what is
    different of a model here, fact by fact, or names one that is served here only.
    """

    base_url: Fact[Address] | None = None
    region: str | None = None
    operator: OperatorForm | None = None
    surcharge: Fact[Exact] | None = None
    wires: Wires | None = None
    auth: AuthForm | None = None
    genai_prices: str | None = None
    models: dict[str, ModelForm] = Field(default_factory=dict)
    settings: dict[str, SettingForm] = Field(default_factory=dict)


class ServedByForm(Form):
    """Where an aggregator's answer names the host that gave it."""

    header: Header | None = None
    field: str = ""


class FamiliesForm(Form):
    """A file under ``families/``."""

    sources: dict[str, SourceForm]
    families: dict[str, FamilyForm]


class HostForm(SpeechForm):
    """A host's file; its name is the host's ``id``.

    ``like`` names another host: everything that is not said here is as there, but for endpoints,
    models and the plan. A model of this file is laid over the one of the same name there.
    ``settings`` hold at each endpoint. ``plan`` is there where the key is one of a subscription.
    ``server`` is what a server at home tells of itself. ``limits_per`` model: each model of an
    account has rate limits of its own; account: they share them, as is assumed where it is unknown.
    """

    id: str
    like: str | None = None
    name: str
    kind: Literal["hosted", "aggregator", "home"]
    status: Fact[Literal["live", "preview", "closed", "retired"]] | None = None
    auth: AuthForm
    genai_prices: str | None = None
    operator: OperatorForm
    place: PlaceForm = PlaceForm()
    wires: Wires
    default_endpoint: str
    endpoints: dict[str, EndpointForm] = Field(min_length=1)
    models: dict[str, ModelForm] = Field(default_factory=dict)
    usual_ports: Fact[list[Annotated[int, Field(ge=1, le=65535)]]] | None = None
    health_path: Fact[str] | None = None
    launcher: str | None = None
    models_path: Fact[str] | None = None
    server: ServerForm | None = None
    cache: CacheForm | None = None
    served_by: Fact[ServedByForm] | None = None
    settings: dict[str, SettingForm] = Field(default_factory=dict)
    plan: PlanForm | None = None
    limits_per: Fact[Literal["account", "model"]] | None = None
    sources: dict[str, SourceForm]
