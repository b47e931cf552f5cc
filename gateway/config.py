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
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from gateway.config_budgets import BudgetForm, Webhook
from gateway.config_exchange import ExchangeForm, no_rates
from gateway.config_keep import KeepEntriesForm
from gateway.config_keys import KeyForm
from gateway.config_models import ModelForm, ModelOrAlias
from gateway.config_providers import ProviderForm
from gateway.config_values import (
    Form,
    Ledger,
    Name,
    Number,
    Seconds,
    State,
    Text,
    Usd,
    nothing,
    zone,
)
from gateway.problems import WrongError


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


class ServerForm(Form):
    """Where the gateway listens. ``admin_key`` opens the dashboard and /api.

    ``retries`` is how many more rounds over its routes a call gets where a wait may help.
    ``http_client`` is who talks to the hosts: our own client, or a library's (decision 0013).
    """

    host: Text = "127.0.0.1"
    port: Annotated[int, Number, Field(ge=0, le=65535)] = 8080
    admin_key: SecretStr | None = None
    body_max_mb: Annotated[int, Number, Field(ge=1, le=1024)] = 32
    timeouts: TimeoutsForm = TimeoutsForm()
    retries: Annotated[int, Number, Field(ge=0, le=10)] = 2
    time_zone: Text = "UTC"
    http_client: Literal["own", "aiohttp"] = "own"

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

    ``state`` is where rates and budgets are counted: in memory, or at a server that several
    processes share. ``webhook`` is told of what budgets alert to.
    ``debt_usd`` is what may be spent while it can be neither written nor counted; 0: such calls are
    refused.
    ``exchange`` has what currencies are worth in US dollars; ``unpriced``: whether a route without
    a known price may be used under a budget. ``baseline`` is the route, ``provider/model``, that
    reports compare spend with.
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
    debt_usd: Usd = Decimal(0)
    exchange: ExchangeForm = Field(default_factory=no_rates)
    unpriced: Literal["refuse", "allow"] = "refuse"
    state: State = Field(default="memory", repr=False)
    policy: PolicyPlace = Field(default=None, repr=False)
    catalog: tuple[Path, ...] = ()
    facts_stale_days: Annotated[int, Number, Field(ge=1)] = 180
    egress: Literal["listed", "home_only"] = "listed"
    detect: Mapping[Name, Text] = Field(default_factory=nothing)
    translate: TranslateForm = TranslateForm()
    recall: Keep = KeepForm()
    store: Keep = None
    keep: KeepEntriesForm = KeepEntriesForm()
    baseline: Text | None = None
    providers: Mapping[Name, Provider] = Field(default_factory=nothing)
    models: Mapping[Text, ModelOrAlias] = Field(default_factory=nothing)
    keys: tuple[KeyForm, ...] = ()
    budgets: tuple[BudgetForm, ...] = ()
    webhook: Webhook | None = Field(default=None, repr=False)

    @field_validator("providers", "models", "detect", "exchange")
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
