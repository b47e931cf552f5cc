"""One provider, as the config file says it: its address, its credential, its terms, its price."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from gateway import urls
from gateway.config_home import HomeForm, PerKwh, Watts
from gateway.config_plan import FeeForm
from gateway.config_prices import CHANGES_MOST, ChangeForm, PriceForm
from gateway.config_values import (
    Country,
    Form,
    Forwarded,
    Name,
    Number,
    Seconds,
    Text,
    Usd,
    check_headers,
    credential,
    nothing,
)
from gateway.problems import WrongError
from providers.catalog_form import Quantisation
from routing.policy_form import Words


class OwnTimeoutsForm(Form):
    """What a provider sets otherwise than the server; None is the server's own, in seconds."""

    first_byte_s: Seconds | None = None
    answer_s: Seconds | None = None
    between_s: Seconds | None = None
    total_s: Seconds | None = None


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
    ``prices`` by model, ``free`` (a statement why), ``usd_per_hour``, and ``home`` (or only its
    ``watts`` and ``usd_per_kwh``) are four ways to say what it costs, of which one may stand.
    ``discounts`` are off, ``surcharges`` on top of what it lists by the token; the latter, such as
    the fee of buying credit, are on what it states itself as its charge too.
    ``api_keys`` are several in the place of ``api_key``, each with limits of its own. ``quota`` is
    one name for all providers that share one rate limit. ``only_for`` are the only requests that it
    serves. ``tier`` is which size of its plan was bought, ``fee`` what is paid for it in the place
    of the list's, and ``overflow`` what becomes of a call when a window is used up: the ``next``
    route takes it, or the same key is billed by the token (``payg``). ``max_wait_s`` is how long a
    call may wait in the queue of a server at home before it goes to the next route, ``slots`` how
    many answers that server makes at a time.
    """

    catalog: Name | None = None
    endpoint: Name | None = None
    base_url: str | None = None
    api_key: SecretStr | None = None
    api_keys: tuple[SecretStr, ...] = ()
    quota: Name | None = None
    only_for: OnlyForForm | None = None
    tier: Text | None = None
    fee: FeeForm | None = None
    overflow: Literal["next", "payg"] = "next"
    max_wait_s: Seconds | None = None
    slots: Annotated[int, Number, Field(ge=1, le=4096)] | None = None
    credentials: Text | None = None
    headers: Mapping[str, str] = Field(default_factory=nothing, repr=False)
    forward: tuple[Forwarded, ...] = ()
    timeouts: OwnTimeoutsForm = OwnTimeoutsForm()
    launch: LaunchForm | None = None
    prices: Mapping[str, PriceForm] = Field(default_factory=nothing)
    discounts: Annotated[tuple[ChangeForm, ...], Field(max_length=CHANGES_MOST)] = ()
    surcharges: Annotated[tuple[ChangeForm, ...], Field(max_length=CHANGES_MOST)] = ()
    free: Text | None = None
    usd_per_hour: Usd | None = None
    home: HomeForm | None = None
    watts: Watts | None = None
    usd_per_kwh: PerKwh | None = None
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
            "home": self.home is not None,
            "watts": self.watts is not None,
        }
        said = [way for way, given in ways.items() if given]
        if len(said) > 1:
            raise WrongError(f"says its price by {' and by '.join(said)}", "one of them")
        return self
