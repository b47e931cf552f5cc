"""The form of an exchange file, ``tests/exchanges/HOST.yaml``: what a host answers, what it means.

To run the exchanges of one host (any part of its name will do):

    .venv/bin/python -m pytest tests/exchanges -k HOST

Whether a file has this form, without a gateway or a catalogue that loads:

    .venv/bin/python -m tests.exchanges.reading

A file, of which every key but those marked is needed:

    written: by hand after the facts (sources)    # or: recorded
    endpoint: international                       # optional: the host's default endpoint else
    settings: {scope: eu}                         # optional: as in a config
    exchanges:                                    # at least plain, stream, tools and error
      plain:
        model: glm-5.2                            # the host's own id
        wire: chat                                # optional: the wire on which the host is asked;
                                                  # its first for that model by default, or that of
                                                  # the recording
        recording: rig/zai/xyz.ab12cd.0.json      # what is answered: a file of the corpus, or
        answer: {status: 200, headers: {}, body: "raw text"}     # the text of it, or
        answer: {json: {...}}                     # a mapping, encoded, or
        answer: {eventstream: [{messageStart: {...}}, ...]}      # events that are framed; a name
                                                  # with Exception at its end is an exception frame
                                                  # (none of them: the host must not be asked at all)
        ask: {reasoning_effort: high}             # optional: more fields of the client's request;
                                                  # `stream: true` where the answer does not tell
        expect: {...}                             # see ``Expect``; what is not named is not compared

``status`` is 200 and ``content-type`` fits the body where nothing else is said. A stream's last
event is ended with a blank line where the YAML has lost it. The client is one of the chat wire; it
declares the tools that it expects to be called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from providers.errors import ErrorKind
from providers.usage import BUCKETS
from tests.fakes.answers import Behaviour
from tests.replay.corpus import CORPUS, EVENTS, STREAM_TYPES, Case, recorded
from tests.unit.providers import frames

FOLDER = Path(__file__).parent
# The exchanges that every host has, and what each of them expects at least.
NEEDED = {
    "plain": ("text", "finish", "usage"),
    "stream": ("text", "finish", "usage"),
    "tools": ("calls", "finish", "usage"),
    "error": ("kind",),
}
JSON = "application/json"
KINDS = frozenset(kind.value for kind in ErrorKind)
# How the first line of an event stream may begin.
STREAM_STARTS = ("data:", "event:", "id:", "retry:", ":")
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FileError(ValueError):
    """An exchange file is not as it must be; the message has a line for each fault."""


class Form(BaseModel):
    """A mapping of the file: no key that is not known, nothing coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Call(Form):
    """A call of a tool; ``arguments`` are those that its JSON holds."""

    name: str
    arguments: dict[str, Any]


class Expect(Form):
    """What comes of it, for the client and in the ledger.

    ``text``, ``reasoning``, ``calls`` and ``finish`` (the client's word) are what the client reads.
    ``usage`` has buckets of ``providers.usage``, in which no token counts twice: ``input`` without
    what was read from the cache, ``output`` without reasoning. ``usage_state`` is reported,
    estimated, missing or none. ``cost_stated`` is what the host itself says that it cost, in USD.
    ``kind`` is the class of an error and ``status`` what our client sees (200 where it comes in a
    stream that had begun, and where no kind is named). ``retry_after`` is our header, in seconds. ``sent`` leads from dotted
    paths to values of the request that the host got, ``not_sent`` names paths that it has not.
    """

    text: str | None = None
    reasoning: str | None = None
    calls: list[Call] | None = None
    finish: str | None = None
    usage: dict[str, int] | None = None
    usage_state: Literal["reported", "estimated", "missing", "none"] | None = None
    cost_stated: str | None = None
    served_model: str | None = None
    kind: str | None = None
    status: int | None = None
    retry_after: int | None = None
    sent: dict[str, Any] | None = None
    not_sent: list[str] | None = None

    @field_validator("kind")
    @classmethod
    def _is_a_kind(cls, value: str | None) -> str | None:
        if value is not None and value not in KINDS:
            raise ValueError(f"`{value}` is no kind of error: {', '.join(sorted(KINDS))}")
        return value

    @field_validator("usage")
    @classmethod
    def _has_buckets(cls, value: dict[str, int] | None) -> dict[str, int] | None:
        if strange := set(value or ()) - set(BUCKETS):
            raise ValueError(f"{sorted(strange)} are no buckets: {', '.join(BUCKETS)}")
        return value

    @field_validator("cost_stated")
    @classmethod
    def _is_exact(cls, value: str | None) -> str | None:
        if value is not None:
            Decimal(value)
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Expect:
        if not self.model_fields_set:
            raise ValueError("expects nothing")
        return self


class Answer(Form):
    """What the host sends; one of ``body``, ``json`` and ``eventstream``."""

    status: int = 200
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | None = None
    as_json: Any = Field(default=None, alias="json")
    eventstream: list[dict[str, Any]] | None = None

    @model_validator(mode="after")
    def _has_one_body(self) -> Answer:
        if len({"body", "as_json", "eventstream"} & self.model_fields_set) != 1:
            raise ValueError("needs one of body, json and eventstream")
        return self

    @property
    def content_type(self) -> str:
        """The media type, as the headers say or as fits the body."""
        said = {name.lower(): value for name, value in self.headers.items()}.get("content-type")
        if said is not None:
            return said
        if self.eventstream is not None:
            return STREAM_TYPES["converse"]
        is_stream = self.body is not None and self.body.lstrip().startswith(STREAM_STARTS)
        return EVENTS if is_stream else JSON

    @property
    def is_stream(self) -> bool:
        """Whether it comes in events."""
        return self.content_type.startswith((EVENTS, STREAM_TYPES["converse"]))

    def behaviour(self) -> Behaviour:
        """Return what makes the fake upstream answer so, a stream one event a chunk."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers["content-type"] = self.content_type
        return Behaviour(
            self.status,
            tuple(headers.items()),
            tuple(self._pieces()),
            framing="chunked" if self.is_stream else "length",
        )

    def _pieces(self) -> Iterator[bytes]:
        if self.eventstream is not None:
            for event in self.eventstream:
                for name, payload in event.items():
                    made = frames.exception if name.endswith("Exception") else frames.event
                    yield made(name, payload)
        elif self.body is None:
            yield json.dumps(self.as_json, ensure_ascii=False).encode()
        elif not self.is_stream:
            yield self.body.encode()
        else:
            end = "\r\n\r\n" if "\r\n" in self.body else "\n\n"
            for block in self.body.rstrip("\r\n").split(end):
                yield (block + end).encode()


class Exchange(Form):
    """One question and its answer, as the module's docstring says."""

    model: str
    wire: str | None = None
    recording: str | None = None
    answer: Answer | None = None
    eventstream: list[dict[str, Any]] | None = None
    ask: dict[str, Any] = Field(default_factory=dict)
    expect: Expect

    @model_validator(mode="after")
    def _has_one_answer(self) -> Exchange:
        given = (self.recording, self.answer, self.eventstream)
        if sum(one is not None for one in given) > 1:
            raise ValueError("has more than one of recording, answer and eventstream")
        if self.eventstream is not None:
            self.answer = Answer(eventstream=self.eventstream)
        if self.recording is None and self.answer is None and self.expect.status is None:
            raise ValueError("has no answer and no `status` that the client gets without one")
        return self

    @property
    def is_recorded(self) -> bool:
        """Whether the corpus is needed."""
        return self.recording is not None

    def case(self) -> Case | None:
        """Return the recording, None where there is none. Raises ``FileError``."""
        if self.recording is None:
            return None
        if not (CORPUS / self.recording).is_file():
            raise FileError(f"the corpus has no {self.recording}")
        return recorded(self.recording)


class File(Form):
    """A whole file."""

    written: str
    endpoint: str | None = None
    settings: dict[str, str] = Field(default_factory=dict)
    exchanges: dict[str, Exchange]


@dataclass(frozen=True, slots=True)
class Found:
    """One exchange of one file; ``fault`` says what is wrong with the file, "" where nothing is."""

    host: str
    name: str
    file: File | None = None
    fault: str = ""

    @property
    def exchange(self) -> Exchange:
        """What is asked and answered. Raises ``FileError`` where the file cannot be read."""
        if self.file is None:
            raise FileError(self.fault)
        return self.file.exchanges[self.name]

    def __str__(self) -> str:
        """Return the name of the test."""
        return f"{self.host}-{self.name}"


def read(path: Path) -> File:
    """Read one file. Raises ``FileError``."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except yaml.YAMLError as fault:
        raise FileError(f"{path.name}: not YAML: {fault}") from None
    try:
        return File.model_validate(raw)
    except ValidationError as fault:
        lines = [
            f"{path.name}: {'.'.join(map(str, one['loc']))}: {one['msg']}"
            for one in fault.errors(include_url=False, include_input=False)
        ]
        raise FileError("\n".join(lines)) from None


def found() -> Iterator[Found]:
    """Yield every exchange of the folder; a file that cannot be read as one that has the fault."""
    for path in sorted(FOLDER.glob("*.yaml")):
        try:
            file = read(path)
        except FileError as fault:
            yield Found(path.stem, "file", fault=str(fault))
        else:
            yield from (Found(path.stem, name, file) for name in file.exchanges)


if __name__ == "__main__":
    print("\n".join(one.fault for one in found() if one.fault) or "all have the form")
