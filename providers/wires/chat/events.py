"""A host's chat answer as clean events in the neutral form, whatever the host made of it.

One chunk after the other goes in as plain values; an answer that does not stream is one chunk whose
message is its delta. Choices end when the answer does: hosts say the finish more than once, and
send usage or text after it.
"""

from __future__ import annotations

from typing import Any

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.ir import (
    Counted,
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolStart,
    Trace,
    Traced,
)
from providers.usage import Usage
from providers.wires.chat.calls import ARGUMENTS_MAX_CHARS, settled
from providers.wires.chat.citations import citations_of, cited_urls
from providers.wires.chat.counts import usage_elsewhere, usage_of
from providers.wires.chat.errors import error_of
from providers.wires.chat.finish import MEANS, VAGUE, error_in, fault_of, meaning
from providers.wires.chat.open_choice import OpenChoice
from providers.wires.chat.reasoning import plain_text, signature_of
from providers.wires.chat.states import states_in
from providers.wires.kept import size_of
from providers.wires.wire import Json

OF_WORDS = (TextDelta, ReasoningDelta, RefusalDelta)
# What a delta may hold beside words and calls, that only a reader of this wire understands.
MEDIA = ("images", "audio")
THOUGHT_TYPES = ("thinking", "reasoning")
# A delta that begins with all the reasoning so far, once there is this much of it, says it over
# again; it is known by its first characters.
SNAPSHOT_CHARS, START_CHARS = 16, 256


class Cleaner:
    """The state of one answer. After ``fault`` is set nothing more comes out.

    ``finish``, ``model``, ``text_bytes``, ``states`` and ``calls`` are as in ``wire.Reader``.
    """

    def __init__(self, dialect: Dialect, issuer: str) -> None:
        self._dialect = dialect
        self._issuer = issuer
        self._choices: dict[int, OpenChoice] = {}
        self._used_ids: set[str] = set()
        self._started = False
        self._id = ""
        self._said: Any = None
        self.fault: UpstreamError | None = None
        self.finish = ""
        self.model = ""
        self.service_tier = ""
        self.text_bytes = 0
        self.states: list[str] = []
        self.calls: list[str] = []

    @property
    def usage(self) -> Usage:
        """The usage that the host reported so far; MISSING where it reported none."""
        return usage_of(self._said, self._dialect, self.service_tier)

    def take(self, body: Any, *, whole: bool = False) -> list[Event]:
        """Return the events that one chunk makes; ``whole``: it is all of an answer."""
        said = error_in(body)
        if said is not None:
            self.fault = error_of(said, 200, self._dialect)
        if self.fault is not None or not isinstance(body, dict):
            return []
        self.model = _text_or(body.get("model"), self.model)
        self._id = _text_or(body.get("id"), self._id)
        if "service_tier" in body:
            self.service_tier = _text_or(body["service_tier"], self.service_tier)
        usage = body.get("usage")
        if isinstance(usage, dict):
            self._said = usage
        elif self._said is None and self._dialect.usage_path is not None:
            self._said = usage_elsewhere(body, self._dialect)
        out: list[Event] = []
        choices = body.get("choices")
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict) and self.fault is None:
                self._choice(choice, place if whole else 0, whole, out)
        urls = body.get("citations")
        if urls and self._choices:
            self._first().cite(cited_urls(urls))
        return out

    def end(self) -> list[Event]:
        """Return the events that close the answer; sets ``fault`` where it is no good one."""
        if self.fault is not None:
            return []
        out: list[Event] = []
        if not self._choices:
            self.fault = UpstreamError(ErrorKind.MALFORMED, "the answer has no choices", status=200)
            return []
        for place in sorted(self._choices):
            open_ = self._choices[place]
            native = open_.finish
            calls = [call for call in open_.calls.all if call.name]
            finish = meaning(native, calls=bool(calls), refused=open_.refused)
            if finish == "tool" and MEANS.get(open_.native) == "length":
                # A broker says that tools were called where its host says that it was cut off.
                finish = "length" if any(settled(call, False) is None for call in calls) else "tool"
            if finish == "end" and open_.stop_sequence:
                finish = "stop_sequence"
            before = len(out)
            fault = open_.end(finish == "length", out)
            self.calls += [event.id for event in out[before:] if isinstance(event, ToolStart)]
            if fault is not None:
                self.fault = fault
                return out
            stop = open_.stop_sequence if finish == "stop_sequence" else ""
            out.append(Finished(finish, stop, native, place))
        if self._said is not None:
            out.append(Counted(self.usage))
        return out

    def _first(self) -> OpenChoice:
        return self._choices[min(self._choices)]

    def _choice(self, choice: Json, place: int, whole: bool, out: list[Event]) -> None:
        place = _place(choice.get("index"), place)
        open_ = self._choices.get(place)
        if open_ is None:
            if not self._started:
                self._started = True
                out.append(Started(self._id, self.model))
            open_ = OpenChoice(place, self._issuer, self._dialect.think_tags, self._used_ids)
            self._choices[place] = open_
        open_.calls.seed = open_.calls.seed or self._id
        delta = choice.get("message" if whole else "delta")
        if not isinstance(delta, dict):
            # Base-model answers under this wire have their words beside the delta.
            text = choice.get("text")
            delta = {"content": text} if isinstance(text, str) else {}
        self._delta(open_, delta, _tokens(choice.get("logprobs")), whole, out)
        if isinstance(choice.get("usage"), dict) and self._said is None:
            self._said = choice["usage"]
        self._finish(open_, choice)

    def _finish(self, open_: OpenChoice, choice: Json) -> None:
        native = choice.get("finish_reason")
        if isinstance(choice.get("error"), dict):
            self.fault = error_of(choice["error"], 200, self._dialect)
        elif (fault := fault_of(native)) is not None:
            self.fault = fault
        elif isinstance(native, str):
            open_.ended = True
            if open_.finish in VAGUE:
                open_.finish = native
            self.finish = open_.finish or "unknown"
        if isinstance(choice.get("native_finish_reason"), str):
            open_.native = choice["native_finish_reason"]
        stopped_by = choice.get("stop_reason") or choice.get("matched_stop")
        if isinstance(stopped_by, str):
            open_.stop_sequence = stopped_by

    def _delta(
        self, open_: OpenChoice, delta: Json, logprobs: list[Any] | None, whole: bool,
        out: list[Event],
    ) -> None:  # fmt: skip
        before = len(out)
        content = delta.get("content")
        if not logprobs and open_.tags is None and isinstance(content, str):
            # Nearly every chunk has words and nothing else.
            rest = [name for name, value in delta.items() if value and name != "role"]
            if rest == ["content"]:
                self.text_bytes += size_of(content)
                open_.say(TextDelta(content, open_.place), out)
                return
            if not rest:
                return
        self._thoughts(open_, delta, out)
        if isinstance(content, str):
            if content or logprobs:
                self._text(open_, content, logprobs, out)
        elif isinstance(content, list):
            for part in content:
                self._part(open_, part, out)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            open_.refused = True
            open_.say(RefusalDelta(refusal, open_.place), out)
        media = {name: delta[name] for name in MEDIA if delta.get(name)}
        if media:
            open_.say(Traced(Trace("chat", media), open_.place), out)
        open_.cite(citations_of(delta.get("annotations")))
        if "extra_content" in delta and (signature := signature_of(delta)):
            open_.sign(signature)
        self._calls(open_, delta, whole, out)
        for event in out[before:]:
            if isinstance(event, OF_WORDS):
                self.text_bytes += size_of(event.text)
            elif isinstance(event, ToolStart):
                self.calls.append(event.id)

    def _thoughts(self, open_: OpenChoice, delta: Json, out: list[Event]) -> None:
        details = delta.get("reasoning_details")
        text = plain_text(delta)
        open_.has_plain = open_.has_plain or bool(text)
        if isinstance(details, list) and details:
            self.states += states_in({"reasoning_details": details})
            read = open_.detail([item for item in details if isinstance(item, dict)], out)
            # The same text stands in a field of its own, where the host has one.
            text = text if text or open_.has_plain else read
        if text:
            # Some hosts send all of it so far with every chunk.
            text = _news(open_, text)
            if text:
                open_.thought = True
                open_.say(ReasoningDelta(text, choice=open_.place), out)

    def _text(
        self, open_: OpenChoice, text: str, logprobs: list[Any] | None, out: list[Event]
    ) -> None:
        if open_.tags is None:
            open_.say(TextDelta(text, open_.place, logprobs), out)
            return
        for is_thought, piece in open_.tags.feed(text):
            open_.tagged(is_thought, piece, out)

    def _part(self, open_: OpenChoice, part: Any, out: list[Event]) -> None:
        if isinstance(part, str):
            self._text(open_, part, None, out)
        elif not isinstance(part, dict):
            return
        elif part.get("type") in THOUGHT_TYPES:
            self.states += states_in({"content": [part]})
            open_.chunk(part, out)
        elif isinstance(part.get("text"), str):
            self._text(open_, part["text"], None, out)
        else:
            open_.say(Traced(Trace("chat", part), open_.place), out)

    def _calls(self, open_: OpenChoice, delta: Json, whole: bool, out: list[Event]) -> None:
        raw = delta.get("tool_calls")
        fragments = raw if isinstance(raw, list) else []
        single = delta.get("function_call")
        if isinstance(single, dict) and not fragments:
            fragments = [{"index": 0, "function": single}]
        for fragment in fragments:
            taken = open_.calls.take(fragment, self._issuer, whole=whole)
            if taken is None:
                continue
            call, text = taken
            self.text_bytes += size_of(text)
            if call.opaque:
                self.states += [one.data for one in call.opaque if one.data not in self.states]
            self.fault = self.fault or open_.called(call, text, out)
        if open_.calls.size > ARGUMENTS_MAX_CHARS:
            self.fault = UpstreamError(ErrorKind.MALFORMED, "the arguments of tools never end")

    @property
    def is_ended(self) -> bool:
        """Whether every choice so far has its finish."""
        return bool(self._choices) and all(open_.ended for open_ in self._choices.values())


def _text_or(value: Any, before: str) -> str:
    return value if value and isinstance(value, str) else before


def _place(index: Any, otherwise: int) -> int:
    return index if isinstance(index, int) and index >= 0 else otherwise


def _tokens(logprobs: Any) -> list[Any] | None:
    found = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not found or not isinstance(found, list):
        return None
    return [_numbered(token) for token in found]


def _numbered(token: Any) -> Any:
    """Return a token whose bytes are numbers or null, as the wire has them; some write base64."""
    if not isinstance(token, dict):
        return token
    near = token.get("top_logprobs")
    if isinstance(near, list) and any(_is_text(one) for one in near):
        token = {**token, "top_logprobs": [_numbered(one) for one in near]}
    return {**token, "bytes": None} if _is_text(token) else token


def _is_text(token: Any) -> bool:
    return isinstance(token, dict) and isinstance(token.get("bytes"), str)


def _news(open_: OpenChoice, text: str) -> str:
    """Return what a delta of reasoning adds, where it may be all of it so far."""
    size = open_.thought_size
    if size >= SNAPSHOT_CHARS and len(text) >= size and text.startswith(open_.thought_start):
        text = text[size:]
    if len(open_.thought_start) < START_CHARS:
        open_.thought_start = (open_.thought_start + text)[:START_CHARS]
    open_.thought_size = size + len(text)
    return text
