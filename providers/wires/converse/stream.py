"""Reads a host's Converse stream as clean neutral events.

Frames come in as bytes cut anywhere. Usage comes in ``metadata``, after ``messageStop``, so that
the stream is done only with both.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.eventstream import Frame, FrameDecoder
from providers.usage import MISSING, Usage
from providers.wires.converse.blocks import BLOCK_EVENTS, Blocks
from providers.wires.converse.errors import stream_error
from providers.wires.converse.response import finish_of, stop_sequence, usage_of
from providers.wires.kept import Kept
from providers.wires.tolerant import mapping, text_at

_decode = msgspec.json.Decoder().decode


class StreamReader:
    """The state of one stream; see ``wire.Reader``.

    No client speaks this wire, so nothing is passed on: ``feed`` and ``end`` give b"".
    """

    __slots__ = (
        "_blocks",
        "_counted",
        "_decoder",
        "_dialect",
        "_said",
        "_started",
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
    )

    def __init__(self, dialect: Dialect, issuer: str, _strip_usage: bool = False) -> None:
        self._dialect = dialect
        self._decoder = FrameDecoder()
        self._blocks = Blocks(issuer)
        self._said: Any = None
        self._tier: Any = None
        self._started = False
        self._counted = False
        self.content = False
        self.done = False
        self.fault: UpstreamError | None = None
        self.finish = ""
        self.model = ""
        self.text_bytes = 0
        self.kept: Kept | None = None
        self.states = self._blocks.states
        self.calls = self._blocks.calls

    @property
    def usage(self) -> Usage:
        """The usage that the host reported so far; MISSING where it reported none."""
        return usage_of(self._said, self._tier) if self._said is not None else MISSING

    def feed(self, data: bytes) -> bytes:
        """Read ``data`` and pass nothing on."""
        self.events(data)
        return b""

    def end(self) -> bytes:
        """Read the end of the body and pass nothing on; sets ``fault`` where it was cut."""
        self.close()
        return b""

    def events(self, data: bytes) -> list[ir.Event]:
        """Return what ``data`` completes."""
        out: list[ir.Event] = []
        if self._over():
            return out
        for frame in self._decoder.feed(data):
            self._frame(frame, out)
            if self._over():
                return out
        if self._decoder.fault is not None:
            self._broken(self._decoder.fault)
        return out

    def close(self) -> list[ir.Event]:
        """Return nothing more; sets ``fault`` where the body ended before the answer did.

        An answer whose reason to stop has come is whole, with or without its usage.
        """
        if self.fault is None and not self.finish:
            self.fault = UpstreamError(
                ErrorKind.CUT, "the stream ended before the answer did (no messageStop)"
            )
        return []

    def _over(self) -> bool:
        return self.done or self.fault is not None

    def _broken(self, fault: UpstreamError) -> None:
        # After the answer's end only its usage can be lost, and the client has the answer.
        if self.finish:
            self.done = True
        else:
            self.fault = fault

    def _frame(self, frame: Frame, out: list[ir.Event]) -> None:
        if frame.header(":message-type") in ("exception", "error"):
            self._broken(stream_error(frame, self._dialect))
            return
        try:
            body = _decode(frame.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            body = None
        if not isinstance(body, dict):
            self._broken(
                UpstreamError(ErrorKind.MALFORMED, "a frame of the stream is no JSON object")
            )
            return
        try:
            self._event(frame.header(":event-type"), body, len(frame.payload), out)
        except UpstreamError as fault:
            self._broken(fault)
        self.content = self.content or self._blocks.content
        self.text_bytes = self._blocks.text_bytes

    def _event(self, name: str, body: dict[str, Any], size: int, out: list[ir.Event]) -> None:
        if not self._started:
            self._started = True
            out.append(ir.Started())
        if name in BLOCK_EVENTS:
            if not self.finish:
                self._blocks.event(name, body, size, out)
        elif name == "messageStop":
            self._stop(body, out)
        elif name == "metadata":
            self._said = body.get("usage")
            self._tier = mapping(body.get("serviceTier")).get("type")
            self._count(out)

    def _stop(self, body: dict[str, Any], out: list[ir.Event]) -> None:
        if self.finish:
            return
        native = text_at(body, "stopReason") or "unknown"
        self._blocks.close(out)
        finish = finish_of(native, calls=bool(self.calls))
        self._blocks.end(finish, out)
        self.finish = native
        self.content = True
        out.append(ir.Finished(finish, stop_sequence(body), native))
        self._count(out)

    def _count(self, out: list[ir.Event]) -> None:
        if not self.finish or self._said is None or self._counted:
            return
        self._counted = self.done = True
        usage = self.usage
        if usage.state != "missing":
            out.append(ir.Counted(usage))
