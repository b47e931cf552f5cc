"""The config file's form: every key that it may hold, its unit and its bounds.

Nothing here reads a file or the environment, and nothing looks beyond its own value: what must
agree with something else (a route with a provider, a label with the policy) is in
``config_checks``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import tzinfo
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from gateway import urls
from gateway.config_models import ModelForm, ModelOrAlias
from gateway.config_values import (
    Country,
    Form,
    Forwarded,
    KeyHash,
    Ledger,
    Name,
    Number,
    Period,
    PerMillion,
    Seconds,
    State,
    Text,
    Usd,
    Whole,
    check_headers,
    credential,
    nothing,
    zone,
)
from gateway.problems import WrongError
from providers.catalog_form import Quantisation
from routing.policy_form import FactsForm, RequireForm, Words


class TimeoutsForm(Form):
    """The time limit of each phase of a call, in seconds; ``total_s`` bounds all attempts.

    ``first_byte_s`` is until a stream's first content. An answer that is not streamed begins only
    when it is whole, and has ``answer_s``. A stream that is silent for ``ping_s`` gets a sign of
    life, so that no proxy on the way cuts it while the model thinks; from the first one on the
    answer's status stands.
    """

    connect_s: Seconds = 5
    first_byte_s: Seconds = 600
    answer_s: Seconds = 600
    between_s: Seconds = 600
    total_s: Seconds = 1800
    ping_s: Seconds = 10


class OwnTimeoutsForm(Form):
    """What a provider sets otherwise than the server; None is the server's own, in seconds."""

    first_byte_s: Seconds | None = None
    answer_s: Seconds | None = None
    between_s: Seconds | None = None
    total_s: Seconds | None = None


class ServerForm(Form):
    """Where the gateway listens. ``admin_key`` opens the dashboard and /api.

    ``retries`` is how many more rounds over its routes a call gets where a wait may help.
    """

    host: Text = "127.0.0.1"
    port: Annotated[int, Number, Field(ge=0, le=65535)] = 8080
    admin_key: SecretStr | None = None
    body_max_mb: Annotated[int, Number, Field(ge=1, le=1024)] = 32
    timeouts: TimeoutsForm = TimeoutsForm()
    retries: Annotated[int, Number, Field(ge=0, le=10)] = 2
    time_zone: Text = "UTC"

    @field_validator("admin_key")
    @classmethod
    def _nothing_opens_nothing(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is not None and value.get_secret_value().strip() else None

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        zone(value)
        return value

    @property
    def zone(self) -> tzinfo:
        """The time zone in which the days and months of budgets and reports begin."""
        return zone(self.time_zone)


class LaunchForm(Form):
    """A server that the gateway starts itself.

    ``model`` is an installed model's name or the path of a GGUF file; ``context`` in tokens for
    each of ``slots`` answers at a time; ``threads`` None leaves it to the server.
    """

    model: Text
    context: Annotated[int, Number, Field(ge=256, le=10_000_000)] = 4096
    slots: Annotated[int, Number, Field(ge=1, le=256)] = 2
    threads: Annotated[int, Number, Field(ge=1, le=1024)] | None = None
    start: Literal["at_start", "lazily"] = "lazily"


class PriceForm(Form):
    """What one model costs, in USD per million tokens. None: this kind of token has no price.

    ``reasoning`` None is billed as output.
    """

    input: PerMillion
    output: PerMillion
    cached_read: PerMillion | None = None
    cached_write: PerMillion | None = None
    reasoning: PerMillion | None = None
    audio_input: PerMillion | None = None
    audio_output: PerMillion | None = None
    source: Text = "config"
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None


class PlaceForm(Form):
    """What the operator of this gateway states about a provider, over what the catalogue says."""

    processed_in: tuple[Country, ...] | None = None
    operator: tuple[Country, ...] | None = None
    trains_on_data: Literal["never", "opt_out", "by_default"] | None = None
    retention_days: Annotated[int, Number, Field(ge=0)] | None = None
    zdr: Literal["default", "on_approval", "no"] | None = None

    @field_validator("processed_in", "operator")
    @classmethod
    def _names_some(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise WrongError("is an empty list", "at least one country, or no such line")
        return value


class OwnModelForm(Form):
    """What a provider serves under a name of its own, such as a file at home.

    ``family`` is the catalogue's name of the weights, ``quantisation`` what they are rounded to,
    ``context`` and ``max_output`` are in tokens; None leaves what the catalogue knows.
    """

    family: Text | None = None
    quantisation: Quantisation | None = None
    context: Annotated[int, Number, Field(gt=0)] | None = None
    max_output: Annotated[int, Number, Field(gt=0)] | None = None


class OnlyForForm(Form):
    """The requests that a provider is for: all lines must hold, several words mean any of them."""

    label: Words | None = None
    team: Words | None = None
    key: Words | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise WrongError("names nobody", "for example: {team: research, label: [public]}")
        return self


class ProviderForm(Form):
    """One provider: a host of the catalogue with an address, a credential and terms of its own.

    ``catalog`` and ``endpoint`` None: the provider's own name, and the host's usual endpoint.
    ``credentials`` is for hosts whose credential is made anew for each call, and used without an
    ``api_key``: a service account's file, or a profile's name; None: what this machine has.
    ``settings`` says how the account is set, in the words of the catalogue's entry. ``models`` says
    what names of the provider's own mean. ``terms`` states why a plan may be used through a
    gateway where the catalogue does not know it to be allowed; it is shown as evidence.
    ``prices`` by model, ``free`` (a statement why), ``usd_per_hour``, and ``watts`` with
    ``usd_per_kwh`` are four ways to say what it costs, of which one may stand.
    ``api_keys`` are several in the place of ``api_key``, each with limits of its own. ``quota`` is
    one name for all providers that share one rate limit. ``only_for`` are the only requests that it
    serves. ``tier`` is which size of its plan was bought. ``max_wait_s`` is how long a call may
    wait in the queue of a server at home before it goes to the next route, ``slots`` how many
    answers that server makes at a time.
    """

    catalog: Name | None = None
    endpoint: Name | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    api_keys: tuple[SecretStr, ...] = ()
    quota: Name | None = None
    only_for: OnlyForForm | None = None
    tier: Text | None = None
    max_wait_s: Seconds | None = None
    slots: Annotated[int, Number, Field(ge=1, le=4096)] | None = None
    credentials: Text | None = None
    headers: Mapping[str, str] = Field(default_factory=nothing, repr=False)
    forward: tuple[Forwarded, ...] = ()
    timeouts: OwnTimeoutsForm = OwnTimeoutsForm()
    launch: LaunchForm | None = None
    prices: Mapping[str, PriceForm] = Field(default_factory=nothing)
    free: Text | None = None
    usd_per_hour: Usd | None = None
    watts: Annotated[Decimal, Number, Field(gt=0, le=1_000_000)] | None = None
    usd_per_kwh: Annotated[Decimal, Number, Field(ge=0, le=100)] | None = None
    facts: PlaceForm = PlaceForm()
    settings: Mapping[Name, Text] = Field(default_factory=nothing)
    models: Mapping[Text, OwnModelForm] = Field(default_factory=nothing)
    terms: Text | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of its keys, none where it has none."""
        keys = self.api_keys or ((self.api_key,) if self.api_key is not None else ())
        return tuple(key.get_secret_value() for key in keys)

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            urls.base_url(value)
        return value

    @field_validator("api_key")
    @classmethod
    def _is_a_credential(cls, value: SecretStr | None) -> SecretStr | None:
        return credential(value) if value is not None else None

    @field_validator("api_keys")
    @classmethod
    def _are_credentials(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        clean = [key for key in map(credential, value) if key is not None]
        # Each once: a key that stands there twice has no second limit.
        return tuple({key.get_secret_value(): key for key in clean}.values())

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        check_headers(value.items())
        return MappingProxyType(dict(value))

    @field_validator("prices", "settings", "models")
    @classmethod
    def _stay(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return MappingProxyType(dict(value))

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.launch is not None and self.base_url is not None:
            raise WrongError(
                "has both launch and base_url",
                "launch alone (the gateway picks the port), or the base_url of a server that runs",
            )
        if self.api_key is not None and self.api_keys:
            raise WrongError("has both api_key and api_keys", "api_keys alone, with all of them")
        if self.slots is not None and self.max_wait_s is None:
            raise WrongError("has slots that nothing looks at", "max_wait_s beside them")
        if (self.watts is None) != (self.usd_per_kwh is None):
            raise WrongError("has only one of watts and usd_per_kwh", "both, or usd_per_hour")
        ways = {
            "prices": bool(self.prices),
            "free": self.free is not None,
            "usd_per_hour": self.usd_per_hour is not None,
            "watts": self.watts is not None,
        }
        said = [way for way, given in ways.items() if given]
        if len(said) > 1:
            raise WrongError(f"says its price by {' and by '.join(said)}", "one of them")
        return self


class TranslateForm(Form):
    """What may be done where a host speaks another wire than the client.

    ``on_unsupported``: a field that alters the answer and that the host's wire cannot say is
    refused, or dropped and named in a header. ``emulate_schema``: where a host keeps no JSON
    schema, its answer is asked for in another way and validated here.
    """

    on_unsupported: Literal["refuse", "drop"] = "refuse"
    emulate_schema: bool = False


class KeepForm(Form):
    """How long something is kept in memory, in minutes, and how much of it at most, in MB."""

    minutes: Annotated[float, Number, Field(gt=0, le=10_080)] = 60
    max_mb: Annotated[int, Number, Field(ge=1, le=65_536)] = 64


class BudgetOfKeyForm(Form):
    """The most that one key may spend in a calendar period."""

    usd: Usd
    per: Period


class KeyForm(Form):
    """One client key, known by its hash. ``models`` None is all of them; ``label`` the least.

    ``require`` and ``forbid`` are as in a rule of the policy, for all calls of this key.
    """

    name: Name
    hash: KeyHash = Field(repr=False)
    team: Name | None = None
    label: Text | None = None
    models: tuple[Text, ...] | None = None
    rpm: Whole | None = None
    tpm: Whole | None = None
    budget: BudgetOfKeyForm | None = None
    require: RequireForm | None = None
    forbid: FactsForm | None = None


class BudgetForm(Form):
    """The most that may be spent in a calendar period: by one key, one team, or everybody."""

    name: Text
    usd: Usd
    per: Period
    key: Name | None = None
    team: Name | None = None


def _none_as_empty(value: object) -> object:
    """Read a name with nothing after it, ``openrouter:``, as one with everything by default."""
    return {} if value is None else value


def _off_as_none(value: object) -> object:
    """Read ``off`` (and YAML's false, which is what it makes of the bare word) as nothing."""
    return None if value in (False, "off") else {} if value in (True, "on") else value


def _path_or_mapping(value: object) -> object:
    if value is not None and not isinstance(value, str | Path | Mapping):
        raise WrongError("is neither a file nor a mapping", "policy: policy.yaml")
    return value


Provider = Annotated[ProviderForm, BeforeValidator(_none_as_empty)]
Keep = Annotated[KeepForm | None, BeforeValidator(_off_as_none)]
PolicyPlace = Annotated[Path | Mapping[str, Any] | None, BeforeValidator(_path_or_mapping)]


class Config(Form):
    """The whole file. ``policy`` is a path, or the policy itself; None: none was stated.

    ``catalog`` are folders of files laid over the catalogue's own; facts that were confirmed more
    than ``facts_stale_days`` ago are marked wherever they are shown.
    ``egress`` bounds where the process may connect to: what the config lists, or home alone.
    ``detect`` leads from a kind of thing that is looked for in prompts to the label it raises to.
    ``recall`` keeps the reasoning of tool turns in memory, to put it back where a host demands it
    and the client dropped it. ``store`` keeps answers of the Responses wire for a while, so that a
    request can name one. Each is ``off`` or says for how long; only ``recall`` is on by itself.
    """

    server: ServerForm = ServerForm()
    ledger: Ledger = Field(default="sqlite:///var/entrepot.db", repr=False)
    journal: Path = Path("var/journal")
    state: State = "memory"
    policy: PolicyPlace = Field(default=None, repr=False)
    catalog: tuple[Path, ...] = ()
    facts_stale_days: Annotated[int, Number, Field(ge=1)] = 180
    egress: Literal["listed", "home_only"] = "listed"
    detect: Mapping[Name, Text] = Field(default_factory=nothing)
    translate: TranslateForm = TranslateForm()
    recall: Keep = KeepForm()
    store: Keep = None
    providers: Mapping[Name, Provider] = Field(default_factory=nothing)
    models: Mapping[Text, ModelOrAlias] = Field(default_factory=nothing)
    keys: tuple[KeyForm, ...] = ()
    budgets: tuple[BudgetForm, ...] = ()

    @field_validator("providers", "models", "detect")
    @classmethod
    def _stay(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        return MappingProxyType(dict(value))

    def host_of(self, provider: str) -> str:
        """Return the catalogue's id of a provider's host."""
        return self.providers[provider].catalog or provider

    def entry(self, asked: str) -> tuple[str, ModelForm] | None:
        """Return the model that answers to the name ``asked``, aliases followed; None: none."""
        name = matching(self.models, asked)
        for _ in self.models:
            found = self.models[name] if name is not None else None
            if name is None or found is None:
                return None
            if isinstance(found, ModelForm):
                return name, found
            name = matching(self.models, found)
        return None


def matching(names: Collection[str], asked: str) -> str | None:
    """Return the one of ``names`` that ``asked`` means: itself, else the longest fitting pattern.

    Only ``*`` is special in a pattern. Of patterns of one length the first listed counts.
    """
    if asked in names:
        return asked
    fitting = [
        name
        for name in names
        if "*" in name and fnmatchcase(asked, name.replace("[", "[[]").replace("?", "[?]"))
    ]
    return max(fitting, key=lambda name: len(name.replace("*", "")), default=None)
