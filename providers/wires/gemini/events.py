"""Makes neutral events of a host's answer, chunk by chunk; a whole answer is one chunk."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from providers.errors import ErrorKind, UpstreamError
from providers.ir import (
    Event,
    Finished,
    Opaque,
    ReasoningDelta,
    ReasoningEnd,
    Started,
    TextDelta,
    TextEnd,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Trace,
    Traced,
)
from providers.usage import Usage
from providers.wires.gemini.finish import FAULTS, block_of, fault_of, finish_of, native_finish
from providers.wires.gemini.grounding import citations_of
from providers.wires.gemini.logprobs import logprobs_of
from providers.wires.gemini.names import WIRE_NAME, named
from providers.wires.gemini.partial import PartialCall
from providers.wires.gemini.signatures import SIGNATURE, plain
from providers.wires.wire import Json

CANDIDATES_MAX = 128

_encode = msgspec.json.Encoder().encode


class AnswerEvents:
    """One answer on its way. ``fault`` is set by what cannot be passed on as an answer."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._seed = ""
        self._ids: set[str] = set()
        self._candidates: dict[int, _Candidate] = {}
        self.fault: UpstreamError | None = None

    @property
    def started(self) -> bool:
        """Whether a chunk has been read."""
        return bool(self._seed)

    def chunk(self, body: Json, raw: bytes, usage: Usage | None = None) -> list[Event]:
        """Return what one ``GenerateContentResponse`` says; ``raw`` are its bytes."""
        out: list[Event] = []
        if not self._seed:
            answer_id, model = _word(body, "responseId"), _word(body, "modelVersion")
            # Ids for calls that have none: no other answer has this id, or these first bytes, for
            # they state the size of a prompt that grows from turn to turn.
            self._seed = blake2b(
                answer_id.encode(errors="replace") or raw, digest_size=9
            ).hexdigest()
            out.append(Started(answer_id, model, usage))
        candidates = body.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict):
                self._read(candidate, out)
        blocked = block_of(body.get("promptFeedback"))
        if blocked:
            self._candidate(0).finish = blocked
        return out

    def close(self) -> list[Event]:
        """Return the ends of what is open, and how each candidate ended."""
        out: list[Event] = []
        for index in sorted(self._candidates):
            candidate = self._candidates[index]
            self._end_call(candidate, out)
            candidate.end(out)
            finish = finish_of(candidate.finish, called=candidate.calls > 0)
            out.append(Finished(finish, "", candidate.finish, index))
        return out

    def _candidate(self, index: Any) -> _Candidate:
        place = index if isinstance(index, int) and 0 <= index < CANDIDATES_MAX else 0
        found = self._candidates.get(place)
        if found is None:
            found = self._candidates[place] = _Candidate(int(place))
        return found

    def _read(self, said: Json, out: list[Event]) -> None:
        candidate = self._candidate(said.get("index", 0))
        if "groundingMetadata" in said or "citationMetadata" in said:
            candidate.sources = said
        logprobs = logprobs_of(said.get("logprobsResult"))
        content = said.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and part and self.fault is None:
                logprobs = self._part(candidate, part, logprobs, out)
        finish = native_finish(said.get("finishReason"))
        if finish:
            candidate.finish = finish
            if finish in FAULTS and self.fault is None:
                self.fault = fault_of(finish, said.get("finishMessage"))

    def _part(
        self, candidate: _Candidate, part: Json, logprobs: list[Any] | None, out: list[Event]
    ) -> list[Any] | None:
        # Returns the log probabilities that are still to be given out.
        signature = part.get("thoughtSignature")
        signature = plain(signature) if isinstance(signature, str) else ""
        state = (Opaque(SIGNATURE, signature, self._issuer),) if signature else ()
        text = part.get("text")
        if "functionCall" in part:
            candidate.end(out)
            self._call(candidate, part["functionCall"], signature, out)
        elif isinstance(text, str) and part.get("thought") is True:
            candidate.think(text, state, out)
        elif isinstance(text, str):
            candidate.say(text, state, logprobs, out)
            logprobs = None if text else logprobs
        elif part.keys() <= {"thought", "thoughtSignature"}:
            if part.get("thought") is True:
                candidate.think("", state, out)
            else:
                candidate.say("", state, None, out)
        else:
            candidate.end(out)
            out.append(Traced(Trace(WIRE_NAME, part), candidate.index))
        return logprobs

    def _call(self, candidate: _Candidate, said: Any, signature: str, out: list[Event]) -> None:
        said = named(said) if isinstance(said, dict) else {}
        name, call_id, args = _word(said, "name"), _word(said, "id"), said.get("args")
        goes_on = said.get("willContinue") is True
        pieces = said.get("partialArgs")
        if name:
            self._end_call(candidate, out)
            candidate.call = PartialCall(name, call_id, signature)
        call = candidate.call
        if call is None:
            # `{}` ends a call that came in pieces; alone it says nothing.
            if said:
                self._spoiled("a function call without a name")
            return
        if isinstance(args, dict):
            call.args.update(args)
        elif args is not None:
            self._spoiled("arguments of a function call that are no object")
        if not call.add(pieces):
            self._spoiled("a piece of a function call's arguments has no place")
        if not goes_on:
            self._end_call(candidate, out)

    def _spoiled(self, what: str) -> None:
        if self.fault is None:
            self.fault = UpstreamError(ErrorKind.MALFORMED, f"the answer has {what}")

    def _end_call(self, candidate: _Candidate, out: list[Event]) -> None:
        call, candidate.call = candidate.call, None
        if call is None or self.fault is not None:
            return
        place, choice = candidate.calls, candidate.index
        candidate.calls += 1
        call_id = call.id
        if not call_id or call_id in self._ids:
            number = len(self._ids)
            while (call_id := f"call_{self._seed}_{number}") in self._ids:
                number += 1
        self._ids.add(call_id)
        state = (Opaque(SIGNATURE, call.signature, self._issuer),) if call.signature else ()
        arguments = _encode(call.args).decode()
        out.append(ToolStart(place, call_id, call.name, opaque=state, choice=choice))
        out.append(ToolDelta(place, arguments, choice))
        out.append(ToolEnd(place, arguments, choice))


class _Candidate:
    """One alternative: which of its parts is open, and how many calls it has made."""

    __slots__ = ("call", "calls", "finish", "index", "open", "sources", "texts")

    def __init__(self, index: int) -> None:
        self.index = index
        self.open = ""
        self.calls = 0
        self.call: PartialCall | None = None
        self.finish = ""
        self.sources: Json | None = None
        self.texts: list[str] = []

    def think(self, text: str, state: tuple[Opaque, ...], out: list[Event]) -> None:
        if self.open == "text":
            self.end(out)
        if text:
            self.open = "thought"
            # What hosts of this wire show are summaries of thoughts that they keep.
            out.append(ReasoningDelta(text, summary=True, choice=self.index))
        if state:
            self.open = ""
            out.append(ReasoningEnd(state, self.index))

    def say(
        self,
        text: str,
        state: tuple[Opaque, ...],
        logprobs: list[Any] | None,
        out: list[Event],
    ) -> None:
        if self.open == "thought" and (text or state):
            self.end(out)
        if text:
            self.open = "text"
            self.texts.append(text)
            out.append(TextDelta(text, self.index, logprobs))
        if state:
            if self.open == "text" and not text:
                # The state stands on an empty text of its own, and has to go back on one.
                self.end(out)
            out.append(TextEnd(self._cited(), state, self.index))
            self.open = ""

    def end(self, out: list[Event]) -> None:
        if self.open == "thought":
            out.append(ReasoningEnd((), self.index))
        elif self.open == "text" or self.sources is not None:
            cited = self._cited()
            if self.open == "text" or cited:
                out.append(TextEnd(cited, (), self.index))
        self.open = ""

    def _cited(self) -> tuple[Any, ...]:
        # Takes the sources that are there for the text that ends here.
        text = "".join(self.texts)
        self.texts.clear()
        sources, self.sources = self.sources, None
        return citations_of(sources, text) if sources is not None else ()


def _word(said: Json, name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""
