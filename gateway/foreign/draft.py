"""A config of another gateway as its reader understood it: nothing is matched with our hosts yet.

Texts of theirs may hold keys in clear text. What goes into a ``Note`` are names of fields and of
models, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.foreign.names import FormatForm
from gateway.problems import Place
from gateway.yaml_lines import Lines

CLEAR_TEXT = "clear text"
_WHOLE_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Note:
    """Something of theirs, the line it stands on, and what became of it or why it did not."""

    line: int
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """One account of theirs: what they call the provider, its address and its credential.

    ``name`` is what it should be called here. ``key`` and the values of ``headers`` may be clear
    text; a variable is written ``${NAME}``. ``blanks`` fill an address: a region, a project.
    """

    word: str
    name: str
    base_url: str = ""
    key: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    blanks: tuple[tuple[str, str], ...] = ()
    credentials: str = ""


@dataclass(slots=True)
class Uses:
    """What is said of a source in all places. ``prices`` are in USD per million tokens.

    ``named``: clients ask by the source's name, so it has to keep it.
    """

    line: int
    named: bool = False
    timeouts: dict[str, set[Decimal]] = field(default_factory=dict)
    prices: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    models: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """What was read. ``models`` leads from a name that clients ask for to (source, model) pairs.

    ``fallbacks`` are (name, further names, line). ``admin_key`` is a variable as ``${NAME}``, or
    CLEAR_TEXT. ``client_key`` is where a key that clients send stands.
    """

    format: FormatForm
    lines: Lines
    sources: dict[Source, Uses] = field(default_factory=dict)
    models: dict[str, list[tuple[Source, str]]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    fallbacks: list[tuple[str, list[str], int]] = field(default_factory=list)
    prefer: str = "listed"
    drop_unsupported: bool = False
    port: Decimal | None = None
    host: tuple[str, Place] = ("", ())
    timeouts: dict[str, Decimal] = field(default_factory=dict)
    admin_key: str = ""
    client_key: Place | None = None
    carried: list[Note] = field(default_factory=list)
    left: list[Note] = field(default_factory=list)

    def source(self, source: Source, line: int, *, named: bool) -> Uses:
        """Return what is said of ``source``, which is new or known."""
        uses = self.sources.setdefault(source, Uses(line))
        uses.named = uses.named or named
        return uses

    def carry(self, place: Place, what: str, text: str) -> None:
        """Note what became of something."""
        self.carried.append(Note(self.lines.find(place), what, text))

    def leave(self, place: Place, what: str, text: str = "") -> None:
        """Note why something is not carried over; "" is what the format's data says of it."""
        why = text or self.format.why(str(place[-1]))
        self.left.append(Note(self.lines.find(place), what, why))

    def leave_rest(self, data: Mapping[str, Any], place: Place, known: Collection[str]) -> None:
        """Note every field of ``data`` that is not ``known`` and says something."""
        where = ".".join(str(part) for part in place if isinstance(part, str))
        for name, value in data.items():
            if name not in known and value not in (None, {}, [], ""):
                self.leave((*place, name), f"{where}.{name}" if where else name)


def key_of(text: str) -> str:
    """Return a key that is a variable as it is, any other as CLEAR_TEXT, "" where there is none."""
    return text if not text or variable_of(text) is not None else CLEAR_TEXT


def variable_of(text: str) -> str | None:
    """Return the name of the variable that ``text`` is as a whole, None for anything else."""
    found = _WHOLE_VARIABLE.fullmatch(text)
    return found[1] if found else None


def mapping(value: object) -> dict[str, Any]:
    """Return a mapping, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Return a list, an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text or a number as text; "" for anything else."""
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int | Decimal) else ""


def number(value: object) -> Decimal | None:
    """Return a number, also one written as text; None for anything else."""
    shown = text(value)
    return Decimal(shown) if re.fullmatch(r"\d{1,18}(\.\d{1,18})?([eE]-?\d{1,2})?", shown) else None
