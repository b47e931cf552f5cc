"""What a host's own list says of its models, held against what the catalogue says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from billing.price import Price
from providers.host import Host, Model

# Where lists have been seen to keep their rows, and what a row says, the most exact first.
_ROWS = ("data", "models", "result")
_IDS = ("id", "name", "model")
_PREFIX = "models/"
_MORE = ("has_more", "nextPageToken", "next_page_token")
_CONTEXT = (
    ("context_length",),
    ("max_model_len",),
    ("context_window",),
    ("max_context_length",),
    ("max_input_tokens",),
    ("inputTokenLimit",),
    ("metadata", "context_length"),
    ("limits", "max_input_tokens"),
)
_MAX_OUTPUT = (
    ("max_completion_tokens",),
    ("max_output_tokens",),
    ("outputTokenLimit",),
    ("max_output_length",),
    ("top_provider", "max_completion_tokens"),
    ("limits", "max_output_tokens"),
)
_PRICES = {
    "input": (("pricing", "prompt"), ("pricing", "input"), ("metadata", "pricing", "input_tokens")),
    "output": (
        ("pricing", "completion"),
        ("pricing", "output"),
        ("metadata", "pricing", "output_tokens"),
    ),
}
# No token costs a tenth of a cent, and no million of them so little: the figure tells its unit.
PER_TOKEN_BELOW = Decimal("0.001")
PER_MILLION = 1_000_000
ALIKE = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a host's list; None is not said. Prices are in USD per million tokens."""

    id: str
    context: int | None = None
    max_output: int | None = None
    prices: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelList:
    """A host's list; ``whole`` False where the host keeps further pages."""

    models: tuple[Listed, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which the host and the catalogue do not agree."""

    what: str
    catalogue: str
    host: str


def read_list(said: Any) -> ModelList | None:
    """Return the list that an answer holds, None where it is none."""
    rows: Any = said
    whole = True
    if isinstance(said, dict):
        rows = next((said[key] for key in _ROWS if isinstance(said.get(key), list)), None)
        whole = not any(said.get(key) for key in _MORE)
    if not isinstance(rows, list):
        return None
    return ModelList(tuple(_row(row) for row in rows if isinstance(row, dict) and _id(row)), whole)


def compare(
    host: Host, listed: ModelList, price_of: Callable[[str], Price | None]
) -> Iterator[Difference]:
    """Give what differs; ``price_of`` is what a call to a model costs now, as far as we know."""
    by_id = {row.id: row for row in listed.models}
    folded = {name.lower() for name in by_id}
    named = [name for name in host.models if "*" not in name]
    gone = [name for name in named if name.lower() not in folded]
    if listed.whole and gone:
        yield Difference("models not in the host's list", ", ".join(gone), "")
    new = [name for name in by_id if host.kind != "home" and not _is_known(host, name)]
    if new:
        yield Difference("models not in the catalogue", "", ", ".join(new))
    for name in named:
        if (row := by_id.get(name)) is not None:
            yield from _of_model(host.models[name], row, price_of)


def _of_model(
    model: Model, row: Listed, price_of: Callable[[str], Price | None]
) -> Iterator[Difference]:
    figures = (
        ("context", model.context, row.context),
        ("max output", model.max_output, row.max_output),
    )
    for what, ours, theirs in figures:
        if theirs is not None and ours != theirs:
            yield Difference(f"{what} of {model.id}", str(ours or "unknown"), str(theirs))
    price = price_of(model.id) if row.prices else None
    for bucket, theirs_usd in row.prices:
        own: Decimal | None = getattr(price, bucket, None)
        ours_usd = price.usd(own) if price is not None else None
        if ours_usd is None or abs(ours_usd - theirs_usd) > ALIKE * max(ours_usd, theirs_usd):
            shown = "unknown" if ours_usd is None else f"{ours_usd.normalize():f}"
            what = f"{bucket} price of {model.id}, USD/M"
            yield Difference(what, shown, f"{theirs_usd.normalize():f}")


def _is_known(host: Host, name: str) -> bool:
    patterns = (known for known in host.models if "*" in known and known.strip("*"))
    return name in host.models or any(
        fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns
    )


def _row(row: Mapping[str, Any]) -> Listed:
    prices: list[tuple[str, Decimal]] = []
    for bucket, paths in _PRICES.items():
        found = (_decimal(value) for value in _values(row, paths))
        usd = next((value for value in found if value is not None), None)
        if usd is not None:
            prices.append((bucket, usd * PER_MILLION if usd < PER_TOKEN_BELOW else usd))
    return Listed(_id(row), _whole(row, _CONTEXT), _whole(row, _MAX_OUTPUT), tuple(prices))


def _id(row: Mapping[str, Any]) -> str:
    found = next((row[key] for key in _IDS if isinstance(row.get(key), str) and row[key]), "")
    return found.removeprefix(_PREFIX)


def _values(row: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> Iterator[Any]:
    for path in paths:
        value: Any = row
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            yield value


def _whole(row: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> int | None:
    numbers = (v for v in _values(row, paths) if isinstance(v, int) and not isinstance(v, bool))
    return next((number for number in numbers if number > 0), None)


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
