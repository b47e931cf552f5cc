"""The neutral form: what two unlike wires have in common, and nothing that only one of them says.

A wire's request reader makes a ``Request`` of a client's body, another wire's request writer makes
a host's body of it. What has no place here stays in ``Request.extras`` under the client's own name,
so that it can be named when a target cannot express it. Values never change once they are made.

An answer is an ``Answer``, or the same thing as a stream of events. The stream that a wire's reader
gives is *clean*, whatever its host sent:

- within one choice one part is open at a time, and parts stand in the order of the answer;
- a tool call is ``ToolStart``, any number of ``ToolDelta``, one ``ToolEnd``; its id is not empty
  and no other call of the answer has it, its name is not empty, ``index`` counts calls from 0;
- reasoning is any number of ``ReasoningDelta``, then one ``ReasoningEnd`` (alone, where a host
  keeps its thoughts to itself and gives only the state to hand back);
- ``Started`` comes first, ``Finished`` once a choice, ``Counted`` after it where usage came.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from providers.usage import Usage

Json = dict[str, Any]
Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["end", "stop_sequence", "tool", "length", "filter", "pause"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Opaque(Struct, frozen=True):
    """State that only its issuer can read, kept byte for byte.

    ``kind`` says what it is on its own wire: ``messages.signature``, ``messages.redacted``,
    ``gemini.signature``, ``responses.encrypted``, ``converse.signature``, ``converse.redacted``,
    ``chat.details`` (one ``reasoning_details`` item as JSON) or ``chat.content`` (one content chunk
    as JSON). ``issuer`` is the name of the route that made it, "" where nobody knows. ``id`` is the
    id of the item that carried it, where the wire has one.
    """

    kind: str
    data: str
    issuer: str = ""
    id: str = ""


class Citation(Struct, frozen=True):
    """A source that a text names; places count characters of that text, -1 is unknown."""

    url: str = ""
    title: str = ""
    quote: str = ""
    start: int = -1
    end: int = -1


class Text(Struct, frozen=True):
    """Words. ``cache`` marks the end of a prefix to cache: "" none, else the lifetime ("5m")."""

    text: str
    cache: str = ""
    citations: tuple[Citation, ...] = ()
    opaque: tuple[Opaque, ...] = ()


class Image(Struct, frozen=True):
    """A picture: ``data`` in base64 with its ``media_type``, ``url``, or a host's ``file_id``."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    detail: str = ""
    cache: str = ""


class File(Struct, frozen=True):
    """A document: ``data`` in base64 (``text`` where it is plain text), ``url`` or ``file_id``."""

    media_type: str = ""
    data: str = ""
    text: str = ""
    url: str = ""
    file_id: str = ""
    name: str = ""
    cache: str = ""


class Audio(Struct, frozen=True):
    """Sound: ``data`` in base64, ``format`` such as wav or mp3."""

    format: str
    data: str


class Reasoning(Struct, frozen=True):
    """One block of thinking: what may be read of it, and the state to hand back with it.

    ``summary`` says that the text is a summary of thoughts that the host kept.
    """

    text: str = ""
    summary: bool = False
    opaque: tuple[Opaque, ...] = ()


class ToolCall(Struct, frozen=True):
    """A call that the model wants made; ``arguments`` is the very string that it wrote.

    For ``kind`` "function" that is JSON (or cut JSON where the answer ended by length), for
    "custom" free text. ``namespace`` is the group that the tool was declared in.
    """

    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"] = "function"
    namespace: str = ""
    opaque: tuple[Opaque, ...] = ()
    cache: str = ""


class ToolResult(Struct, frozen=True):
    """What a call gave; ``name`` is the tool's, looked up by the call's id where the wire has none.

    ``kind`` and ``namespace`` are those of the call.
    """

    call_id: str
    parts: tuple[Text | Image | File, ...]
    name: str = ""
    is_error: bool = False
    kind: Literal["function", "custom"] = "function"
    cache: str = ""


class Refused(Struct, frozen=True):
    """The model's own words for why it does not answer."""

    text: str


class Trace(Struct, frozen=True):
    """What a host did itself (a search, a run of code), as its wire said it: for that wire only."""

    wire: str
    raw: Any


Part = Text | Image | File | Audio | Reasoning | ToolCall | ToolResult | Refused | Trace


class Message(Struct, frozen=True):
    """One turn's ordered parts.

    All results of one assistant turn stand in one message of role "tool", which holds nothing else;
    what the user said with them follows in a message of its own. ``name`` is a participant's name.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str = ""


class Tool(Struct, frozen=True):
    """A tool that the model may call.

    ``function``: ``parameters`` is a JSON schema. ``custom``: free text in, ``format`` is the
    client's own word for its grammar, None for any text. ``hosted``: run by the host, ``raw`` is
    the declaration on the wire ``wire``. ``strict`` None: the client did not say.
    """

    name: str
    description: str = ""
    parameters: Json | None = None
    strict: bool | None = None
    kind: Literal["function", "custom", "hosted"] = "function"
    namespace: str = ""
    format: Json | None = None
    wire: str = ""
    raw: Any = None
    cache: str = ""


class ToolChoice(Struct, frozen=True):
    """Whether a tool must be called; ``allowed`` narrows the tools, empty is all of them."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""
    allowed: tuple[str, ...] = ()


class OutputFormat(Struct, frozen=True):
    """The form that the answer must have; ``schema`` is a JSON schema where ``kind`` is schema."""

    kind: Literal["text", "json", "schema"]
    schema: Json | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Thinking(Struct, frozen=True):
    """How much to think, as far as the client said: an ``effort``, or a ``budget`` of tokens.

    ``show`` False: the client wants no thoughts back; None: it did not say. ``adaptive``: the model
    decides how much.
    """

    effort: Effort | None = None
    budget: int | None = None
    adaptive: bool = False
    show: bool | None = None


class Request(Struct, frozen=True):
    """One call as any wire could make it; None or empty: the client did not say.

    ``extras`` holds the top-level fields that have no place here, under the client's names.
    ``stop`` strings end the answer. ``cache_key`` groups calls with a common prefix.
    """

    wire: str
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    output: OutputFormat | None = None
    thinking: Thinking | None = None
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    logit_bias: Json | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    verbosity: str = ""
    user: str = ""
    metadata: Json | None = None
    cache_key: str = ""
    service_tier: str = ""
    stream: bool = False
    extras: Json = {}


class Choice(Struct, frozen=True):
    """One of an answer's alternatives; ``logprobs`` in the chat wire's form (a list of tokens)."""

    parts: tuple[Part, ...]
    finish: FinishReason
    stop_sequence: str = ""
    logprobs: list[Any] | None = None


class Answer(Struct, frozen=True):
    """A whole answer. ``id`` and ``model`` are the host's own, ``native_finish`` its own word."""

    choices: tuple[Choice, ...]
    usage: Usage
    id: str = ""
    model: str = ""
    native_finish: str = ""
    service_tier: str = ""


class Started(Struct, frozen=True):
    """The answer begins; ``usage`` has the prompt's side where the host says it so early."""

    id: str = ""
    model: str = ""
    usage: Usage | None = None


class TextDelta(Struct, frozen=True):
    """More of a text. ``logprobs`` in the chat wire's form."""

    text: str
    choice: int = 0
    logprobs: list[Any] | None = None


class TextEnd(Struct, frozen=True):
    """A text part is over, where its host draws a line or adds to it; else it ends by itself."""

    citations: tuple[Citation, ...] = ()
    opaque: tuple[Opaque, ...] = ()
    choice: int = 0


class RefusalDelta(Struct, frozen=True):
    """More of the model's own words for why it does not answer."""

    text: str
    choice: int = 0


class ReasoningDelta(Struct, frozen=True):
    """More of a block of thinking."""

    text: str
    summary: bool = False
    choice: int = 0


class ReasoningEnd(Struct, frozen=True):
    """A block of thinking is over."""

    opaque: tuple[Opaque, ...] = ()
    choice: int = 0


class ToolStart(Struct, frozen=True):
    """A tool call begins."""

    index: int
    id: str
    name: str
    kind: Literal["function", "custom"] = "function"
    namespace: str = ""
    opaque: tuple[Opaque, ...] = ()
    choice: int = 0


class ToolDelta(Struct, frozen=True):
    """More of a call's arguments."""

    index: int
    arguments: str
    choice: int = 0


class ToolEnd(Struct, frozen=True):
    """A call is whole: ``arguments`` again, all of them; not valid JSON only when cut by length."""

    index: int
    arguments: str
    choice: int = 0


class Traced(Struct, frozen=True):
    """Something that the host did itself."""

    trace: Trace
    choice: int = 0


class Finished(Struct, frozen=True):
    """A choice is whole; ``native`` is the host's own word for why."""

    finish: FinishReason
    stop_sequence: str = ""
    native: str = ""
    choice: int = 0


class Counted(Struct, frozen=True):
    """What the host says was used, of the whole answer; the last one counts."""

    usage: Usage


Event = (
    Started
    | TextDelta
    | TextEnd
    | RefusalDelta
    | ReasoningDelta
    | ReasoningEnd
    | ToolStart
    | ToolDelta
    | ToolEnd
    | Traced
    | Finished
    | Counted
)

# What changes price, speed or housekeeping but not the meaning of an answer: a target that cannot
# express one is not refused for it, and the answer says that it was left out. ``cache`` (marks),
# ``detail`` (of images) and ``name`` (of a participant) stand on parts of messages.
ADVICE = frozenset(
    {"verbosity", "user", "metadata", "cache_key", "service_tier", "cache", "detail", "name"}
)


def is_begun(messages: tuple[Message, ...]) -> bool:
    """Whether the conversation ends in words of the assistant, to be gone on with."""
    if not messages or messages[-1].role != "assistant":
        return False
    return not any(isinstance(part, ToolCall) for part in messages[-1].parts)


def text_of(parts: tuple[Part, ...]) -> str:
    """Return the words of a message's text parts, in order, with nothing between."""
    return "".join([part.text for part in parts if isinstance(part, Text)])
