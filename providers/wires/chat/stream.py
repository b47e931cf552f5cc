"""Reads a chat stream: as it passes (the tap of the relay), or as events in the neutral form.

``feed`` takes bytes cut anywhere and gives the bytes to send on, always whole events, so that an
error event of ours can follow any of them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.framing import EventSplitter, EventTooLongError, event_data
from providers.ir import Event, Started
from providers.usage import Usage
from providers.wires.alike import Alike
from providers.wires.chat.chunk import Choice, Chunk, decode, decode_many, texts_of
from providers.wires.chat.counts import usage_elsewhere, usage_of
from providers.wires.chat.errors import error_of
from providers.wires.chat.events import Cleaner
from providers.wires.chat.finish import error_in, fault_of
from providers.wires.chat.reasoning import TEXT_FIELDS, plain_text
from providers.wires.chat.repair import Repair
from providers.wires.chat.states import states_in
from providers.wires.kept import THOUGHTS, Kept, size_of

# What stands between two events that are one line each.
BETWEEN = b"\n\ndata: "
# More than a few events are looked at in part first.
FEW_BYTES = 2048
# A stream ends with its reason, its usage, and this.
LAST = b"[DONE]\n\n"
LAST_EVENTS = 3
# Some hosts put an error of theirs beside an empty list of choices.
NATIVE_ERROR = b'"base_resp"'

_decode_any = msgspec.json.Decoder().decode
_decode_text = msgspec.json.Decoder(str).decode


class StreamReader:
    """The state of one stream; attributes as in ``wire.Reader``.

    ``repaired``: tool calls were put right, so that the stream is no longer byte for byte.
    ``thoughts`` are the pieces of reasoning that passed, kept only for a host that wants them back.
    """

    __slots__ = (
        "_alike",
        "_cleaner",
        "_dialect",
        "_issuer",
        "_keeps_thoughts",
        "_repair",
        "_said",
        "_splitter",
        "_strip_usage",
        "_tier",
        "calls",
        "content",
        "done",
        "fault",
        "finish",
        "kept",
        "model",
        "states",
        "text_bytes",
        "thoughts",
    )

    def __init__(self, dialect: Dialect, issuer: str = "", strip_usage: bool = False) -> None:
        self._dialect = dialect
        self._issuer = issuer
        self._strip_usage = strip_usage
        self._splitter = EventSplitter()
        self._alike = Alike()
        self._said: dict[str, Any] | None = None
        self._tier: Any = None
        self._repair = Repair() if dialect.repair_tool_calls else None
        self._cleaner: Cleaner | None = None
        self._keeps_thoughts = bool(dialect.replay_reasoning)
        self.content = False
        self.done = False
        self.fault: UpstreamError | None = None
        self.finish = ""
        self.model = ""
        self.text_bytes = 0
        self.states: list[str] = []
        self.calls: list[str] = []
        self.kept: Kept | None = None
        self.thoughts: list[str] = []

    @property
    def repaired(self) -> bool:
        """Whether something of the stream was put right on its way."""
        return self._repair is not None and self._repair.repaired

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that ``data`` completes, less those the client did not ask for.

        After ``fault`` is set nothing more comes out.
        """
        # This is the hottest path of the gateway: most of what comes are events with text alone.
        out = b""
        if self._splitter.holds:
            end = data.find(b"\n\n") + 2
            if end < 2:
                return self._each(data)
            out, data = self._each(data[:end]), data[end:]
        taken = 0 if self._splitter.holds else self._taken(data)
        if taken < len(data):
            data = data[:taken] + self._each(data[taken:] if taken else data)
        return out + data if out else data

    def _each(self, data: bytes) -> bytes:
        """Return the events that ``data`` completes, each looked at by itself, less those left out.

        A fault ends the stream, one that the repair of calls finds too.
        """
        try:
            events = self._splitter.feed(data)
        except EventTooLongError as fault:
            self.fault = UpstreamError(ErrorKind.MALFORMED, str(fault))
            return b""
        passed = [self._put_right(event) for event in events if self._passes(event)]
        return passed[0] if len(passed) == 1 else b"".join(passed)

    def _taken(self, data: bytes) -> int:
        """Take whole events of text and nothing else; return how many bytes from the start."""
        if self.done or self.fault is not None:
            return 0
        taken, few = 0, True
        while taken < len(data):
            rest = data[taken:] if taken else data
            # A few are read in full first: most often the rest is like them.
            found = self._alikes(rest) or self._texts(rest, few=few)
            if not found:
                break
            taken += found
            few = False
        return taken

    def _alikes(self, data: bytes) -> int:
        """Take what differs from the event before in nothing but its text; return how many bytes.

        No repair of calls would touch it.
        """
        found = self._alike.take(data)
        if found is None:
            self._alike.forget()
            return 0
        end, size, texts = found
        if size:
            name = self._alike.name
            self.content = True
            self.text_bytes += size
            thinks = self._keeps_thoughts and name in TEXT_FIELDS
            if thinks or self.kept is not None:
                said = _decode_text(b'"%b"' % b"".join(texts))
                if self.kept is not None:
                    (self.kept.think if name in THOUGHTS else self.kept.say)(said)
                if thinks:
                    self.thoughts.append(said)
        return end

    def _texts(self, data: bytes, *, few: bool) -> int:
        """Take the events at the start of ``data`` if all of them say text alone.

        These are two of many where ``few``, else all, less the last ones of the stream.
        """
        end = data.rfind(b"\n\n") + 2
        if few and end > FEW_BYTES:
            end = data.find(b"\n\n", data.find(b"\n\n") + 2) + 2
        elif data.endswith(LAST):
            for _ in range(LAST_EVENTS):
                end = data.rfind(b"\n\n", 0, max(0, end - 2)) + 2
        return end if end > 1 and self._is_text(data[:end]) else 0

    def _is_text(self, data: bytes) -> bool:
        """Take whole events that say text and nothing else, all at once.

        False where they are not so for certain: then nothing was taken.
        """
        if not (data.startswith(b"data: ") and data.endswith(b"\n\n")):
            return False
        said = data[6:-2]
        many = said.count(BETWEEN)
        # Each event is one line: a newline elsewhere would end one in the middle of its JSON.
        if said.count(b"\n") != 2 * many or b"\r" in said:
            return False
        try:
            chunks = decode_many(b"[%b]" % said.replace(BETWEEN, b",")) if many else [decode(said)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        texts = texts_of(chunks) if len(chunks) == many + 1 else None
        if texts is None:
            return False
        for chunk in chunks:
            if chunk.model:
                self.model = chunk.model
            if chunk.service_tier is not None:
                self._tier = chunk.service_tier
        if self._keeps_thoughts:
            deltas = [choice.delta or {} for chunk in chunks for choice in chunk.choices or ()]
            self.thoughts += filter(None, map(plain_text, deltas))
        if texts:
            self._hear(texts)
            alone = texts if not many else texts_of(chunks[-1:])
            if alone is not None and len(alone) == 1:
                self._alike.learn(data[data.rfind(BETWEEN) + 2 :] if many else data, *alone[0])
        return True

    def _hear(self, texts: list[tuple[str, str]]) -> None:
        self.content = True
        for name, text in texts:
            self.text_bytes += size_of(text)
            if self.kept is not None:
                (self.kept.think if name in THOUGHTS else self.kept.say)(text)

    def end(self) -> bytes:
        """Return what was left without its blank line; sets ``fault`` where the stream was cut.

        A stream is whole when ``[DONE]`` or a finish reason came: some hosts never send the former.
        """
        rest = self._splitter.rest()
        out = b""
        if rest.strip() and self.fault is None:
            out = rest if self._passes(rest) else b""
            if self.fault is not None and self.fault.kind is ErrorKind.MALFORMED:
                # Half an event is the mark of a cut, unless the answer had ended before it.
                self.fault = None
            elif out:
                out = self._put_right(out)
        self._check_end()
        return out

    def events(self, data: bytes) -> list[Event]:
        """Return what ``data`` completes in the neutral form, clean."""
        out: list[Event] = []
        for event in self._split(data):
            if self.fault is not None or self.done:
                break
            out += self._read(event)
        return out

    def close(self) -> list[Event]:
        """Return what was left at the end of the body; sets ``fault`` where it was cut."""
        if self.fault is not None or self.done:
            return []
        rest = self._splitter.rest()
        out = self._read(rest, is_last=True) if rest.strip() else []
        return out + self._closing()

    def _closing(self) -> list[Event]:
        self._check_end()
        if self.done or self.fault is not None or self._cleaner is None:
            return []
        return self._told(self._cleaner, self._cleaner.end())

    @property
    def usage(self) -> Usage:
        """The usage that the host reported so far; MISSING where it reported none."""
        if self._cleaner is not None:
            return self._cleaner.usage
        return usage_of(self._said, self._dialect, self._tier)

    def _split(self, data: bytes) -> list[bytes]:
        try:
            return self._splitter.feed(data)
        except EventTooLongError as fault:
            self.fault = UpstreamError(ErrorKind.MALFORMED, str(fault))
            return []

    def _check_end(self) -> None:
        if self.fault is None and not self.done and not self.finish:
            self.fault = UpstreamError(
                ErrorKind.CUT, "the stream ended without a finish reason or [DONE]"
            )

    def _passes(self, event: bytes) -> bool:
        if self.fault is not None or self.done:
            return False
        data = event_data(event)
        if not data:
            return True
        if data == b"[DONE]":
            self.done = self.content = True
            return True
        chunk = self._chunk(data)
        if chunk is None:
            return self.fault is None
        if chunk.error:
            self.fault = error_of(chunk.error, 200, self._dialect)
            return False
        if chunk.model:
            self.model = chunk.model
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        if chunk.usage is not None:
            self._said = chunk.usage
        if not chunk.choices:
            if (chunk.choices is None or NATIVE_ERROR in data) and self._is_fault(data):
                return False
            return not (self._strip_usage and chunk.usage is not None)
        for choice in chunk.choices:
            self._read_choice(choice)
        if self.finish and self._said is None and self._dialect.usage_path is not None:
            self._said = usage_elsewhere(_decode_any(data), self._dialect)
        return True

    def _chunk(self, data: bytes) -> Chunk | None:
        try:
            return decode(data)
        except msgspec.ValidationError:
            return self._odd_chunk(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.fault = UpstreamError(ErrorKind.MALFORMED, "an event of the stream is not JSON")
            return None

    def _odd_chunk(self, data: bytes) -> Chunk | None:
        # JSON, but not of the usual shape: an error in its own form is a fault, the rest passes.
        if not self._is_fault(data):
            body = _decode_any(data)
            if isinstance(body, dict) and isinstance(body.get("usage"), dict):
                self._said = body["usage"]
            self.content = True
        return None

    def _is_fault(self, data: bytes) -> bool:
        """Whether an event without choices is an error, in any of its forms."""
        try:
            error = error_in(_decode_any(data))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # The typed decoder looks neither behind the first wrong type nor into unknown fields.
            self.fault = UpstreamError(ErrorKind.MALFORMED, "an event of the stream is not JSON")
            return True
        if error is not None:
            self.fault = error_of(error, 200, self._dialect)
        return error is not None

    def _read_choice(self, choice: Choice) -> None:
        delta = choice.delta
        if delta:
            size = 0
            for name, value in delta.items():
                if value and name != "role":
                    if isinstance(value, str):
                        size += size_of(value)
                        if self.kept is not None:
                            (self.kept.think if name in THOUGHTS else self.kept.say)(value)
                    else:
                        # Base64 media is counted as text too: this is only an estimate's ground.
                        size += len(str(value))
                        self._note(name, value)
            if size:
                self.content = True
                self.text_bytes += size
            if self._keeps_thoughts:
                text = plain_text(delta)
                if text:
                    self.thoughts.append(text)
        if choice.finish_reason is not None:
            self.finish = choice.finish_reason or "unknown"
            self.content = True
            self.fault = fault_of(self.finish) or self.fault
        if choice.usage is not None and self._said is None:
            # Some hosts state usage inside the choice.
            self._said = choice.usage

    def _note(self, name: str, value: Any) -> None:
        if name == "tool_calls" and isinstance(value, list):
            for call in value:
                known = call.get("id") if isinstance(call, dict) else None
                if known and isinstance(known, str) and known not in self.calls:
                    self.calls.append(known)
                if self.kept is not None:
                    keep_call(self.kept, call)
        self.states += states_in({name: value})

    def _put_right(self, event: bytes) -> bytes:
        if self._repair is None:
            return event
        out, fault = self._repair.event(event)
        if fault is not None:
            self.fault = fault
            return b""
        return out

    def _read(self, event: bytes, *, is_last: bool = False) -> list[Event]:
        """Return one event of the stream in the neutral form; the last one may be half of one."""
        data = event_data(event)
        if not data:
            return []
        cleaner = self._cleaner
        if cleaner is None:
            cleaner = self._cleaner = Cleaner(self._dialect, self._issuer)
        if data == b"[DONE]":
            self.done = True
            return self._told(cleaner, cleaner.end())
        try:
            body = _decode_any(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            if not is_last:
                words = "an event of the stream is not JSON"
                self.fault = UpstreamError(ErrorKind.MALFORMED, words)
            return []
        return self._told(cleaner, cleaner.take(body))

    def _told(self, cleaner: Cleaner, events: list[Event]) -> list[Event]:
        if cleaner.finish:
            self.finish = cleaner.finish
        self.fault, self.model, self.text_bytes = cleaner.fault, cleaner.model, cleaner.text_bytes
        self.states, self.calls = cleaner.states, cleaner.calls
        if not self.content:
            said = any(not isinstance(event, Started) for event in events)
            self.content = said or self.done or cleaner.is_ended
        return events


def keep_call(kept: Kept, call: Any) -> None:
    """Keep the name and the arguments in a fragment of a call."""
    made = call.get("function") or call.get("custom") if isinstance(call, dict) else None
    for text in made.values() if isinstance(made, dict) else ():
        if isinstance(text, str):
            kept.say(text)
