"""How many tokens a text has, where no host said so: counted with its vocabulary, else by bytes.

What is estimated is always called so; what is said to be the least or the most is that for certain.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from providers.vocabularies import PIECE_CHARS, Vocabulary, VocabularyError, load

# Four bytes a token is the usual figure for English prose; code has fewer, other scripts differ.
BYTES_PER_TOKEN = 4
BY_BYTES = "bytes/4"
# The longest text that vocabularies have one token for is a run of blanks (o200k, cl100k). JSON
# writes none of those signs longer than they are, unless somebody wants it to.
_MOST_BYTES_PER_TOKEN = 128
# What is counted of one text in the loop: 2 ms of prose, 12 ms of the worst there is.
COUNTED_MAX_CHARS = 32 * 1024
# A model need not write a text in the tokens that a vocabulary makes of it.
_OTHER_TOKENS_PERCENT = 2


@dataclass(frozen=True, slots=True)
class Tokens:
    """A number of tokens: the likely one, and those between which it certainly is."""

    likely: int
    least: int
    most: int

    def __add__(self, other: Tokens) -> Tokens:
        """Return both together."""
        return Tokens(self.likely + other.likely, self.least + other.least, self.most + other.most)


NONE = Tokens(0, 0, 0)


def estimate(text_bytes: int) -> int:
    """Return the likely number of tokens in ``text_bytes`` bytes of UTF-8, rounded up."""
    return -(-text_bytes // BYTES_PER_TOKEN)


def at_most(text_bytes: int) -> int:
    """Return a number of tokens that ``text_bytes`` bytes cannot exceed.

    Byte-level vocabularies never make more than one token of a byte.
    """
    return text_bytes


def at_least(text_bytes: int) -> int:
    """Return a number of tokens that ``text_bytes`` bytes of text or of JSON have for certain."""
    return text_bytes // _MOST_BYTES_PER_TOKEN


def by_bytes(text_bytes: int) -> Tokens:
    """Return how many tokens a text of so many bytes has, as far as that tells."""
    return Tokens(estimate(text_bytes), at_least(text_bytes), at_most(text_bytes))


def counted(vocabulary: Vocabulary, text: str, most_chars: int = COUNTED_MAX_CHARS) -> Tokens:
    """Count ``text``: its first ``most_chars`` characters, and the rest by what those have.

    The bounds leave room for the cuts between the pieces that are counted, and for tokens that a
    model chose other than the vocabulary would.
    """
    head = text[:most_chars]
    number = vocabulary.count(head)
    slack = -(-len(head) // PIECE_CHARS) + number * _OTHER_TOKENS_PERCENT // 100
    found = Tokens(number, max(0, number - slack), number + slack)
    if len(head) == len(text):
        return found
    rest = len(text[most_chars:].encode("utf-8", "surrogatepass"))
    likely = number * (len(text) - len(head)) // len(head)
    return found + Tokens(max(likely, at_least(rest)), at_least(rest), at_most(rest))


class Tokenizers:
    """The vocabularies of this process: each is loaded in a thread when it is first wanted.

    While it is not there yet, and where it is missing, texts are counted otherwise.
    """

    def __init__(self) -> None:
        self._loading: dict[str, asyncio.Task[Vocabulary | None]] = {}
        self.trouble = ""

    def ready(self, name: str) -> Vocabulary | None:
        """Return a vocabulary that is loaded, else begin to load it. Call it in the loop."""
        task = self._begun(name)
        return task.result() if task is not None and task.done() else None

    async def loaded(self, name: str) -> Vocabulary | None:
        """Return a vocabulary when it is loaded; None for one that there is not."""
        task = self._begun(name)
        return await asyncio.shield(task) if task is not None else None

    def _begun(self, name: str) -> asyncio.Task[Vocabulary | None] | None:
        if not name:
            return None
        task = self._loading.get(name)
        if task is None:
            # One for each name that the catalogue may have: two.
            task = self._loading[name] = asyncio.ensure_future(self._load(name))
        return task

    async def _load(self, name: str) -> Vocabulary | None:
        try:
            return await asyncio.to_thread(load, name)
        except VocabularyError as fault:
            self.trouble = str(fault)
            return None
