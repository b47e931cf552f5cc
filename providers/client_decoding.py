"""Bodies that a host sends compressed although we ask for none, read in bounded pieces."""

from __future__ import annotations

import zlib

# What one piece may grow to, however small it was on the wire; the next comes at the next call.
PIECE_MAX_BYTES = 256 * 1024
READABLE = frozenset({"gzip", "x-gzip", "deflate"})
UNREADABLE = frozenset({"br", "zstd", "compress", "x-compress"})

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class Decoder:
    """Decompresses one body of an encoding that is ``READABLE``."""

    def __init__(self, encoding: str) -> None:
        self._is_gzip = encoding != "deflate"
        self._inner: zlib._Decompress | None = None
        self._left = b""
        self._is_full = False

    @property
    def has_more(self) -> bool:
        """Whether there may be another piece of what was given already."""
        return bool(self._left) or self._is_full

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here. One of no bytes may."""
        return self._inner is None or self._inner.eof

    def decoded(self, data: bytes) -> bytes:
        """Return a piece of what ``data``, and what was given before it, stands for.

        b"" where there is none before more is given. Raises ``ValueError`` for what is not in the
        encoding.
        """
        data = self._left + data if self._left else data
        while data or self._is_full:
            inner = self._started(data)
            try:
                out = inner.decompress(data, PIECE_MAX_BYTES)
            except zlib.error as fault:
                raise ValueError("it is not encoded as it says") from fault
            # A full piece may leave something inside that no byte of ours stands for any more.
            self._is_full = len(out) == PIECE_MAX_BYTES and not inner.eof
            data = self._left = inner.unused_data if inner.eof else inner.unconsumed_tail
            if out:
                return out
        return b""

    def _started(self, data: bytes) -> zlib._Decompress:
        """Return what decompresses the next bytes; several bodies may stand one after another."""
        inner = self._inner
        if inner is not None and not inner.eof:
            return inner
        if self._is_gzip:
            inner = zlib.decompressobj(_GZIP)
        elif inner is None:
            # The zlib format is meant, which is often sent without its frame.
            inner = zlib.decompressobj(_ZLIB if data[0] & 0x0F == zlib.DEFLATED else _RAW)
        else:
            raise ValueError("more than it says")
        self._inner = inner
        return inner
