"""The head of a request: whether it is one that our own server answers, and what it says.

Ours are calls at the doors of the hot path, with a body of a length that is told beforehand.
"""

from __future__ import annotations

from urllib.parse import unquote

import httptools

from gateway.entrances import FIXED, entrance

HEAD_MAX_BYTES = 64 * 1024
HEADERS_MAX = 128
BODY_MAX_BYTES = 1024 * 1024

_METHOD = b"POST "
_LENGTH = b"content-length"
_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
# Path, path as sent, query, version.
_Line = tuple[str, bytes, bytes, str]
_LINES: dict[bytes, _Line] = {
    _METHOD + path.encode() + b" " + version: (path, path.encode(), b"", number)
    for path in FIXED
    for version, number in _VERSIONS.items()
}


class NotOursError(Exception):
    """The request is for the other server: not at a hot door, out of the ordinary, or broken."""


class Head:
    """What the head of one request says. ``size`` and ``length`` (of the body) are bytes.

    A client that keeps its connection sends the same head again and again but for the length of the
    body, so a head can take over the next one without reading it a second time.
    """

    __slots__ = (
        "_after",
        "_at",
        "_before",
        "_text",
        "headers",
        "keep_alive",
        "length",
        "path",
        "query",
        "raw_path",
        "size",
        "version",
    )

    def __init__(
        self, line: _Line, headers: list[tuple[bytes, bytes]], text: bytes, keep_alive: bool
    ) -> None:
        """Hold what was read from ``text``.

        Raises ``NotOursError`` where these headers are no ordinary ones.
        """
        self.path, self.raw_path, self.query, self.version = line
        self.headers = headers
        # The other server ends every connection of HTTP/1.0, and so do we.
        self.keep_alive = keep_alive and self.version != "1.0"
        given = dict(headers)
        if b"transfer-encoding" in given or b"expect" in given or b"upgrade" in given:
            raise NotOursError
        self._measure(given.get(_LENGTH, b""), len(text))
        self._text = text
        self._before = self._after = b""
        self._at = 0

    def takes_over(self, data: bytes) -> bool:
        """Whether ``data`` begins with this head again; it then tells of that request."""
        if self._text:
            self._divide()
        if not data.startswith(self._before):
            return False
        start = len(self._before)
        end = data.find(b"\r", start, start + 9)
        if end < 0 or not data.startswith(self._after, end):
            return False
        digits = data[start:end]
        try:
            self._measure(digits, end + len(self._after))
        except NotOursError:
            return False
        self.headers[self._at] = (_LENGTH, digits)
        return True

    def _divide(self) -> None:
        """Keep what stands before the digits of the length, and after them: it stays the same."""
        text, self._text = self._text, b""
        self._at = [name for name, _ in self.headers].index(_LENGTH)
        digits = self.headers[self._at][1]
        start = text.lower().index(b"\n" + _LENGTH + b":") + len(_LENGTH) + 2
        start = text.index(digits, start)
        self._before, self._after = text[:start], text[start + len(digits) :]

    def _measure(self, digits: bytes, size: int) -> None:
        length = int(digits) if digits.isdigit() and len(digits) < 9 else 0
        # None at all is a fault in each of these calls: it is told by the other server too.
        if not 0 < length <= BODY_MAX_BYTES:
            raise NotOursError
        self.length = length
        self.size = size


class _Sink:
    """Takes the headers from the parser."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name.lower(), value))


def read(data: bytes) -> Head | None:
    """Return the head at the beginning of ``data``; None while it is not there to its end.

    Raises ``NotOursError`` as soon as it is seen to be none of ours.
    """
    if not data.startswith(_METHOD):
        if _METHOD.startswith(data):
            return None
        raise NotOursError
    end = data.find(b"\r\n", 0, HEAD_MAX_BYTES)
    if end > 0:
        line = _LINES.get(data[:end]) or _line(data[:end])
        stop = data.find(b"\r\n\r\n", end, HEAD_MAX_BYTES)
        if stop > 0:
            return _read(line, data[: stop + 4])
    if len(data) >= HEAD_MAX_BYTES:
        raise NotOursError
    # What is broken already is not waited for.
    _parsed(_Sink(), data)
    return None


def _line(text: bytes) -> _Line:
    """Read a request line that is not that of a fixed door. Raises ``NotOursError``."""
    _, target, version = parts if len(parts := text.split(b" ")) == 3 else (b"", b"", b"")
    if version not in _VERSIONS or not target.startswith(b"/") or b"#" in target:
        raise NotOursError
    if not target.isascii():
        raise NotOursError
    raw_path, _, query = target.partition(b"?")
    path = raw_path.decode("ascii")
    if "%" in path:
        path = unquote(path)
    if entrance(path, query) is None:
        raise NotOursError
    return path, raw_path, query, _VERSIONS[version]


def _read(line: _Line, text: bytes) -> Head:
    lines = text.count(b"\n") - 2
    if lines > HEADERS_MAX:
        raise NotOursError
    sink = _Sink()
    parser = _parsed(sink, text)
    # One header a line: none was folded, and the parser saw the head end where it ends for us.
    if len(sink.pairs) != lines:
        raise NotOursError
    return Head(line, sink.pairs, text, parser.should_keep_alive())


def _parsed(sink: _Sink, text: bytes) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(sink)
    try:
        parser.feed_data(text)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        raise NotOursError from None
    return parser
