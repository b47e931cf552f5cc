"""How one host deviates from a wire, as data that the codecs of the wire look up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Path = tuple[str, ...]


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Range:
    """Where a figure may stand, as JSON numbers; ``alters``: another one gives another answer."""

    at_least: int | float | None = None
    at_most: int | float | None = None
    alters: bool = True

    def __str__(self) -> str:
        """Say the range in words."""
        low = "" if self.at_least is None else f"from {self.at_least}"
        high = "" if self.at_most is None else f"up to {self.at_most}"
        return " ".join(filter(None, (low, high)))


@dataclass(frozen=True, slots=True)
class Case:
    """What a dialect says besides while all of ``when`` is so of a request."""

    when: frozenset[str]
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One host's way of speaking a wire, for one model; the defaults are the wire's own way.

    Every wire: ``refuses`` are fields (the host's names, top level) that the host answers with an
    error; ``rename`` leads from a request's top-level field to the host's name for it, with dots
    where it has moved into another. ``drops`` are fields that are left out, and said to be.
    ``allows`` leads from a field to the only values that the host takes, ``clamps`` to its range;
    ``defaults`` are put in where the client says nothing, ``sets`` whatever it says.
    ``thinks``: whether the model thinks ``always``, ``by_default``, ``when_asked`` or ``never``.
    ``cases`` hold while a request ``thinks`` or not (``not_thinks``), has ``tools``, or asks for a
    ``stream``; ``under`` gives the dialect that then holds, of the ``variants`` that were made
    ready by these ``conditions``. ``watched`` are a body's fields without any of which nothing in
    it can have a value that the host does not take, ``touched`` those without any of which nothing
    in it has to be put otherwise, unless something ``fills`` in what is not there; ``quiet``: no
    body at all has anything that the host refuses or does not take.
    ``structured`` is what of ``response_format`` and its like the host keeps: a JSON schema, any
    JSON, or nothing.
    ``forced_tools`` False: a call cannot be required, nor a tool named; ``named_tools`` False: only
    that. ``schema_profile`` is how tool and answer schemas must be lowered (``providers/schemas``).
    ``tool_ids`` is a regular expression of the call ids that the host takes, "" any. ``image_urls``
    False: pictures must come inside the body. ``efforts`` leads from our words for effort to the
    host's ("" leaves it out); a word that is missing goes as it is. ``thinking_off`` False: this
    model cannot be told not to think. ``max_output`` is sent where a wire needs a limit and the
    client set none. ``max_stops`` bounds the stop sequences. ``error_kinds`` leads from the host's
    own error codes to values of ``ErrorKind``, before the codes that all hosts share; a key with a
    blank in it is looked for in the message, in lower case, and before the codes. ``zone_hours`` is
    how far east of UTC the clock stands by which the host tells times without a zone.

    Chat: ``ask_stream_usage``: whether ``stream_options.include_usage`` may be sent.
    ``developer_role`` False: "system" instead. ``tool_choice_words`` replaces words of
    ``tool_choice``. ``replay_reasoning`` is the field in which the host wants its reasoning back in
    turns that called tools, "" where it wants none. ``think_tags``: reasoning stands in the text
    between ``<think>`` and ``</think>``. ``repair_tool_calls``: the host's streams of tool calls
    are malformed, and are repaired in the relay lane too. ``parallel_switch`` False: no
    ``parallel_tool_calls``. ``cache_marks``: the host takes ``cache_control`` on parts.
    ``takes`` are fields beyond the wire's own that the host knows (``top_k``). ``strips`` are
    fields of messages that it refuses: what clients send back of other hosts' answers.
    ``thinking_switch`` is how it is told to think or not beside an effort: ``type`` (an object
    ``thinking``) or ``enable`` (``enable_thinking`` and ``thinking_budget``). ``prefill_flag`` is
    the field of a last assistant message that has the host go on with it, "" where it starts anew.

    Messages: ``thinking`` is how this model is told to think: ``adaptive`` (with an effort),
    ``budget`` (of tokens) or ``none``. ``mid_system``: system messages between the others.
    ``version`` is the ``anthropic-version`` to send for translated calls. ``prefill`` False: the
    last message cannot be the assistant's, to be gone on with. ``names_model`` False: the model
    stands in the path alone, and a body that names it is refused.
    Responses: ``thinking`` ``none``: the model does not think, so that neither an effort nor its
    state may be asked for. ``cache_marks``: the host takes ``prompt_cache_breakpoint`` on parts.
    Gemini: ``thinking`` is ``level``, ``budget`` or ``none``. ``call_ids`` False: ids of calls are
    refused. ``refuses`` may name inner fields with dots (``generationConfig.seed``).
    Converse: ``thinking`` as in Messages; ``tool_result_images`` False: pictures stand beside.
    ``effort_path`` leads to where the word for effort goes in the model's own fields, where
    ``thinking`` is neither manner; ``top_k_path`` to where ``top_k`` goes there.

    Usage: ``reasoning``: whether the reasoning tokens stand inside the output count or beside it.
    The paths lead into ``usage``, the first one that holds a figure wins; ``cost_path`` leads to
    the host's own charge, in units of ``cost_unit`` USD. ``usage_path`` leads to where else in a
    chunk the host states its usage, if it states none at the wire's own place.
    ``extra_input_paths``, ``extra_cached_paths`` (a part of them) and ``extra_output_paths`` lead
    to tokens that are charged beside the wire's own counts: what a host's own helpers read and
    wrote for one answer. ``audio``: whether the tokens of sound stand inside the prompt's count or
    beside it. ``search_paths`` lead to the numbers of what the host searched for, which add up;
    where there are none, the wire's own place says it. ``searches``: whether each of them is
    charged, or an answer that searched at all.
    """

    refuses: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=_nothing)
    drops: frozenset[Path] = frozenset()
    allows: Mapping[Path, tuple[Any, ...]] = field(default_factory=_nothing)
    clamps: Mapping[Path, Range] = field(default_factory=_nothing)
    defaults: Mapping[Path, Any] = field(default_factory=_nothing)
    sets: Mapping[Path, Any] = field(default_factory=_nothing)
    thinks: Literal["always", "by_default", "when_asked", "never"] = "when_asked"
    cases: tuple[Case, ...] = ()
    variants: Mapping[frozenset[str], Dialect] = field(default_factory=_nothing, repr=False)
    conditions: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    fills: bool = False
    quiet: bool = False
    structured: Literal["schema", "json", "none"] = "schema"
    forced_tools: bool = True
    named_tools: bool = True
    schema_profile: str = ""
    tool_ids: str = ""
    image_urls: bool = True
    efforts: Mapping[str, str] = field(default_factory=_nothing)
    thinking_off: bool = True
    max_output: int | None = None
    max_stops: int | None = None
    error_kinds: Mapping[str, str] = field(default_factory=_nothing)
    zone_hours: float = 0.0
    ask_stream_usage: bool = True
    developer_role: bool = True
    tool_choice_words: Mapping[str, str] = field(default_factory=_nothing)
    replay_reasoning: str = ""
    think_tags: bool = False
    repair_tool_calls: bool = False
    parallel_switch: bool = True
    cache_marks: bool = False
    takes: frozenset[str] = frozenset()
    strips: frozenset[str] = frozenset()
    thinking_switch: Literal["", "type", "enable"] = ""
    prefill_flag: str = ""
    thinking: Literal["", "adaptive", "budget", "level", "none"] = ""
    mid_system: bool = False
    version: str = "2023-06-01"
    names_model: bool = True
    prefill: bool = True
    call_ids: bool = True
    tool_result_images: bool = True
    effort_path: Path | None = None
    top_k_path: Path | None = ("top_k",)
    reasoning: Literal["inside", "beside"] = "inside"
    audio: Literal["inside", "beside"] = "inside"
    search_paths: tuple[Path, ...] = ()
    searches: Literal["each", "answer"] = "each"
    cached_read_paths: tuple[Path, ...] = (("prompt_tokens_details", "cached_tokens"),)
    cached_write_paths: tuple[Path, ...] = (("prompt_tokens_details", "cache_write_tokens"),)
    reasoning_paths: tuple[Path, ...] = (("completion_tokens_details", "reasoning_tokens"),)
    extra_input_paths: tuple[Path, ...] = ()
    extra_cached_paths: tuple[Path, ...] = ()
    extra_output_paths: tuple[Path, ...] = ()
    cost_path: Path | None = None
    usage_path: Path | None = None
    cost_unit: str = "1"

    def under(self, conditions: frozenset[str]) -> Dialect:
        """Return the dialect that holds while ``conditions`` do; others than its own are ignored.

        Raises ``KeyError`` on a dialect whose variants were not made, as the catalogue makes them.
        """
        return self.variants[conditions & self.conditions] if self.cases else self
