"""What a model wrote, kept beside a stream so that it can be counted where no usage comes.

Only streams whose tokens somebody can count have one. It is bounded, and gone with the stream.
"""

from __future__ import annotations

from io import StringIO

KEPT_MAX_CHARS = 1024 * 1024
# The fields of a delta on the chat wire that hold thoughts and no answer.
THOUGHTS = frozenset({"reasoning_content", "reasoning", "reasoning_text", "thinking"})


class Kept:
    """The words of an answer so far, what is read and what was thought apart.

    ``left`` is how many characters may still be kept: below 0, some were not.
    """

    __slots__ = ("_said", "_thought", "left")

    def __init__(self) -> None:
        self._said = StringIO()
        self._thought = StringIO()
        self.left = KEPT_MAX_CHARS

    def say(self, text: str) -> None:
        """Keep words of the answer, or of a call in it."""
        if self.left >= 0:
            self.left -= len(text)
            self._said.write(text)

    def think(self, text: str) -> None:
        """Keep words of what was thought."""
        if self.left >= 0:
            self.left -= len(text)
            self._thought.write(text)

    @property
    def said(self) -> str:
        """The words of the answer and of the calls in it."""
        return self._said.getvalue()

    @property
    def thought(self) -> str:
        """What was thought, or the summary of it that was shown."""
        return self._thought.getvalue()


def size_of(text: str) -> int:
    """Return the size of a text in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
