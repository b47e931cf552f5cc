"""What a server at home can be asked of itself, and what it said: data, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Find:
    """Where one thing stands in an answer, as ``FindForm`` says."""

    path: Path
    has: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """One question and what its answer tells, as ``ProbeForm`` says."""

    path: str
    post: Mapping[str, Any] | None
    rows: Path | None
    names: tuple[str, ...]
    spelled: tuple[str, ...]
    finds: Mapping[str, Find]


@dataclass(frozen=True, slots=True)
class LoadAt:
    """Where the load is told; ``running`` and ``waiting`` are names of metrics, or paths."""

    path: str
    metrics: bool
    running: str
    waiting: str | None


@dataclass(frozen=True, slots=True)
class Tokenise:
    """Where the tokens of a prompt are counted, as ``TokeniseForm`` says."""

    path: str
    sends: Literal["chat", "text"]
    field: str
    count: Path


@dataclass(frozen=True, slots=True)
class Server:
    """All that can be asked of one kind of server; ``overflow`` None is unknown."""

    overflow: Literal["refused", "cut", "cut_if_set"] | None = None
    usual_windows: tuple[int, ...] = ()
    probes: tuple[Probe, ...] = ()
    loads: tuple[LoadAt, ...] = ()
    tokenise: Tokenise | None = None


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a server said of one model; None where it said nothing.

    ``silent``: it did not answer in time when asked whether the model runs elsewhere.
    """

    context: int | None = None
    tools: bool | None = None
    remote: bool | None = None
    loaded: bool | None = None
    silent: bool = False

    @property
    def news(self) -> Learnt:
        """Only what makes a model otherwise than the catalogue has it."""
        return Learnt(
            context=self.context,
            tools=False if self.tools is False else None,
            remote=self.remote or None,
            silent=self.silent and self.remote is None,
        )


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that a server answers now, and those that wait; None where it does not say."""

    running: int | None
    waiting: int | None


NOTHING_LEARNT = Learnt()
