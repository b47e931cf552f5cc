"""The single values of the config file: their kinds, units and bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from gateway.problems import WrongError
from routing.groups import KNOWN as COUNTRIES
from routing.policy_form import nearest

STATES = ("redis", "rediss", "valkey", "valkeys")
PRICE_MOST_USD = 1000  # per million tokens: above it, the unit is wrong
PLACES_MOST = 30

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
# Headers that are made anew for each call to a host.
_MADE = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "transfer-encoding"}
    | {"connection", "keep-alive", "upgrade", "te", "trailer", "expect", "accept-encoding"}
)
# Client headers that hold a credential or say who calls from where: never passed on.
_KEPT = frozenset(
    {"authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-goog-api-key"}
    | {"forwarded", "via", "x-real-ip"}
)
_KEPT_BEGINNINGS = ("x-entrepot-", "x-forwarded-", "proxy-", "sec-", "x-amz-")


class Form(BaseModel):
    """A mapping of the config file: no key that is not known, no change once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _not_true(value: object) -> object:
    """Refuse true and false where a number stands: a lax reader takes them for 1 and 0."""
    if isinstance(value, bool):
        raise WrongError("is true or false", "a number")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise WrongError(
            "is not a name", "letters, digits, - _ and . (no spaces, no /), at most 64"
        )
    return value


def _text(value: str) -> str:
    if not value.strip() or any(ord(sign) < 32 for sign in value):
        raise WrongError("is empty or holds control characters", "some text on one line")
    return value


def _country(value: str) -> str:
    if value not in COUNTRIES:
        right = nearest(value, COUNTRIES, "ISO 3166 codes such as FR, or EEA, EU, home")
        raise WrongError("names no country, group of countries or home", right)
    return value


def _places(value: Decimal) -> Decimal:
    """Refuse 1e-999999: as a fraction it has a million digits, to multiply with at each call."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -PLACES_MOST:
        raise WrongError(f"has more than {PLACES_MOST} places behind the point", "fewer of them")
    return value


def _price(value: Decimal) -> Decimal:
    if value > PRICE_MOST_USD:
        raise WrongError(
            f"is over {PRICE_MOST_USD} USD per million tokens",
            "USD per million tokens, not per token or in cents",
        )
    return value


def _ledger(value: str) -> str:
    right = "sqlite:///var/entrepot.db or postgresql://user:password@host/database"
    if value.startswith("postgresql://") and len(value) > len("postgresql://"):
        return value
    if not value.startswith("sqlite:///"):
        raise WrongError("is not a database that the ledger can be in", right)
    path = value.removeprefix("sqlite:///")
    if not path or path.startswith(":") or "?" in path:
        raise WrongError("names no file", right)
    return value


def _hash(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise WrongError(
            "is not the hash of a key (a key itself never stands in this file)",
            "sha256: and 64 hex digits, as `entrepot keys hash` prints it",
        )
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise WrongError("is not the name of a header", "a name such as x-my-header")
    return value


def _forwarded(value: str) -> str:
    name = _header(value).lower()
    if name in _KEPT or name in _MADE or name.startswith(_KEPT_BEGINNINGS):
        raise WrongError(
            f"names {name}, which is never passed on",
            "leave it out: it is a credential, the gateway's own or the connection's",
        )
    return name


def _state(value: str) -> str:
    # It may hold a password: no message repeats it.
    right = "memory, or redis://host:6379/0 (rediss, valkey and valkeys likewise)"
    if value == "memory":
        return value
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise WrongError("is no address", right) from None
    if parts.scheme not in STATES or not parts.hostname or port == 0:
        raise WrongError("is neither memory nor a Redis or Valkey server", right)
    if not re.fullmatch(r"(/[0-9]*)?", parts.path) or parts.query or parts.fragment:
        raise WrongError("has more than the number of a database after the host", right)
    return value


Number = BeforeValidator(_not_true)
Whole = Annotated[int, Number, Field(ge=1)]
Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, AfterValidator(_text)]
Country = Annotated[str, AfterValidator(_country)]
Seconds = Annotated[float, Number, Field(gt=0, le=7200, allow_inf_nan=False)]
Places = AfterValidator(_places)
Usd = Annotated[Decimal, Number, Field(ge=0, le=10**9, allow_inf_nan=False), Places]
PerMillion = Annotated[
    Decimal, Number, Field(ge=0, allow_inf_nan=False), Places, AfterValidator(_price)
]
Ledger = Annotated[str, AfterValidator(_ledger)]
KeyHash = Annotated[str, AfterValidator(_hash)]
Forwarded = Annotated[str, AfterValidator(_forwarded)]
State = Annotated[str, AfterValidator(_state)]


def nothing() -> Mapping[str, Any]:
    """Return an empty mapping that stays empty."""
    return MappingProxyType({})


def zone(name: str) -> tzinfo:
    """Return the time zone of that name; raises ``WrongError``."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongError("names no time zone", "a name such as UTC or Europe/Paris") from None


def credential(value: SecretStr) -> SecretStr | None:
    """Return a key without what stands around it, None for nothing; raises ``WrongError``."""
    # A key read from a file often brings the file's last line break with it.
    secret = value.get_secret_value().strip()
    if not all(33 <= ord(sign) < 127 for sign in secret):
        raise WrongError("holds spaces or signs that no key has", "the key alone")
    return SecretStr(secret) if secret else None


def check_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Raise ``WrongError`` for a fixed header that cannot be sent to a host."""
    for name, content in headers:
        _header(name)
        if name.lower() in _MADE:
            raise WrongError(f"sets {name}, which is made for each call", "another header")
        if not all(32 <= ord(sign) < 127 for sign in content):
            raise WrongError(f"holds signs under {name} that no header has", "plain ASCII")
