"""An answer by a JSON schema from a host that keeps none, where the config allows that.

The schema is put into words and the host is asked for JSON, or made to call one tool whose
arguments are the answer. What comes is held back until it is whole and checked here: an answer that
breaks the schema is a fault of the host, never passed on as if it kept it. The entry says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.ir import Json

TOOL = "answer"
FENCE = "```"
UNTRIED = ("pattern", "patternProperties", "format")
Step = Callable[[list[ir.Event]], list[ir.Event]]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Emulation:
    """A request that asks for ``schema`` in another way; ``by_tool``: as a call's arguments."""

    request: ir.Request
    schema: Json
    by_tool: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """Say it for the ledger."""
        return ("the JSON schema was emulated and checked here",)

    def checking(self) -> Step:
        """Return what turns the host's events into the answer, once it has kept to the schema."""
        return _Checking(self.schema, self.by_tool)


def plan(request: ir.Request, dialect: Dialect) -> Emulation | None:
    """Return how ``request`` asks for its schema at a host that keeps none; None for no schema."""
    output = request.output
    if output is None or output.schema is None:
        return None
    schema = _encode(output.schema).decode()
    words = f"Answer with one JSON value that is valid under this JSON schema:\n{schema}"
    by_tool = dialect.structured == "none" and not request.tools and dialect.forced_tools
    if by_tool:
        tool = ir.Tool(TOOL, output.description or "Give your answer.", output.schema)
        asked = replace(
            request, output=None, tools=(tool,), tool_choice=ir.ToolChoice("named", TOOL)
        )
        return Emulation(asked, output.schema, by_tool=True)
    said = ir.Message("system", (ir.Text(words),))
    form = ir.OutputFormat("json") if dialect.structured == "json" else None
    asked = replace(request, output=form, messages=(said, *request.messages))
    return Emulation(asked, output.schema, by_tool=False)


class _Checking:
    """Holds an answer back until it is whole, and lets it out as text that keeps the schema."""

    def __init__(self, schema: Json, by_tool: bool) -> None:
        self._schema = schema
        self._by_tool = by_tool
        self._text: list[str] = []
        self._calls = False

    def __call__(self, events: list[ir.Event]) -> list[ir.Event]:
        out: list[ir.Event] = []
        for event in events:
            if isinstance(event, ir.TextDelta):
                if not self._by_tool:
                    self._text.append(event.text)
            elif self._by_tool and isinstance(event, ir.ToolStart | ir.ToolDelta):
                continue
            elif self._by_tool and isinstance(event, ir.ToolEnd):
                self._text.append(event.arguments)
            elif isinstance(event, ir.TextEnd):
                continue
            elif isinstance(event, ir.Finished):
                out += self._finished(event)
            else:
                self._calls = self._calls or isinstance(event, ir.ToolStart)
                out.append(event)
        return out

    def _finished(self, event: ir.Finished) -> list[ir.Event]:
        text = unfenced("".join(self._text))
        if self._by_tool and event.finish == "tool":
            event = replace(event, finish="end")
        # A turn that calls tools has no answer yet, and one that was cut cannot keep a schema.
        if event.finish in ("end", "stop_sequence") and not self._calls:
            fault = breach(text, self._schema)
            if fault:
                raise UpstreamError(
                    ErrorKind.MALFORMED,
                    f"the answer does not keep the JSON schema: {fault}",
                    of_model=True,
                )
        return [ir.TextDelta(text), event] if text else [event]


def unfenced(text: str) -> str:
    """Return ``text`` without the code fence that models like to put around JSON."""
    bare = text.strip()
    if bare.startswith(FENCE) and bare.endswith(FENCE) and "\n" in bare:
        return bare[bare.index("\n") + 1 : -len(FENCE)].strip()
    return bare


def breach(text: str, schema: Json) -> str:
    """Return how ``text`` breaks ``schema``, "" where it keeps it.

    A schema is a client's word: no address in it is fetched, and its patterns are not tried, since
    one can be written that takes for ever.
    """
    # Only a gateway that emulates needs it: an extra (`pip install entrepot[schema]`).
    from jsonschema import exceptions
    from jsonschema import validators as library
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        value = _decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return "it is not JSON"
    validators: Any = library
    own = dict.fromkeys(UNTRIED, _nothing_wrong)
    checks = validators.extend(validators.validator_for(schema), own)
    try:
        found = next(checks(schema, registry=Registry()).iter_errors(value), None)
    except (exceptions.SchemaError, exceptions.UnknownType, Unresolvable, RecursionError) as fault:
        return f"the schema cannot be read ({type(fault).__name__})"
    except (TypeError, ValueError, AttributeError):
        # What its keywords hold is not looked at before it is used.
        return "the schema cannot be read"
    return "" if found is None else f"at {found.json_path}: {found.message[:200]}"


def _nothing_wrong(*_: object) -> tuple[()]:
    return ()
