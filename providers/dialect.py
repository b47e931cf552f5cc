"""How one host deviates from a wire, as data that the codecs of the wire look up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

Path = tuple[str, ...]


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Dialect:
    """One host's way of speaking a wire; the defaults are the chat wire's own way.

    ``ask_stream_usage``: whether ``stream_options.include_usage`` may be sent to the host.
    ``rename``: a request's top-level field to the host's name for it. ``reasoning``: whether the
    reasoning tokens stand inside ``completion_tokens`` or beside it. The paths lead into ``usage``,
    the first one that holds a figure wins; ``cost_path`` leads to the host's own charge in USD.
    ``refuses``: top-level fields that the host answers with an error.
    """

    ask_stream_usage: bool = True
    rename: Mapping[str, str] = field(default_factory=_nothing)
    reasoning: Literal["inside", "beside"] = "inside"
    cached_read_paths: tuple[Path, ...] = (("prompt_tokens_details", "cached_tokens"),)
    cached_write_paths: tuple[Path, ...] = (("prompt_tokens_details", "cache_write_tokens"),)
    reasoning_paths: tuple[Path, ...] = (("completion_tokens_details", "reasoning_tokens"),)
    cost_path: Path | None = None
    refuses: frozenset[str] = frozenset()


def merged(
    base: Dialect,
    *,
    ask_stream_usage: bool | None = None,
    rename: Mapping[str, str] | None = None,
    reasoning: Literal["inside", "beside"] | None = None,
    cached_read_paths: tuple[Path, ...] | None = None,
    cached_write_paths: tuple[Path, ...] | None = None,
    reasoning_paths: tuple[Path, ...] | None = None,
    cost_path: Path | None = None,
    refuses: frozenset[str] | None = None,
) -> Dialect:
    """Return ``base`` with what is said laid over it; None leaves the base's value.

    Renamings and refusals add to those of the base, everything else takes their place.
    """
    said: dict[str, Any] = {
        "ask_stream_usage": ask_stream_usage,
        "rename": None if rename is None else MappingProxyType({**base.rename, **rename}),
        "reasoning": reasoning,
        "cached_read_paths": cached_read_paths,
        "cached_write_paths": cached_write_paths,
        "reasoning_paths": reasoning_paths,
        "cost_path": cost_path,
        "refuses": None if refuses is None else base.refuses | refuses,
    }
    return replace(base, **{name: value for name, value in said.items() if value is not None})
