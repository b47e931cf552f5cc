"""Events that are alike but for their text: told apart by what stands around it, without decoding.

Most of a stream are events that differ in nothing but the words in one string. When one of them was
read in full, what stands before and behind its text is kept. Data that has the same around each of
its texts, and in between nothing but plain signs of a JSON string, is as many whole and valid
events that say the same: that is exact, and costs a twentieth of decoding them.
"""

from __future__ import annotations

import re

# What may stand in a JSON string as it is: no quote, no control sign, and valid UTF-8 (RFC 3629);
# of escapes those that are two bytes for one.
_TEXT = re.compile(
    rb'(?:[ !#-\[\]-\x7f]+|\\["\\/bfnrt]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]'
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}"
    rb"|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*+"
)
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_TRIES_MAX = 16  # events in vain, after which a stream is taken for one whose events differ


class Alike:
    """What stands around the text of a stream's events; ``name`` is the field that has the text."""

    __slots__ = ("_before", "_behind", "_between", "_tries", "name")

    def __init__(self) -> None:
        self.name = ""
        self._before = self._behind = self._between = b""
        self._tries = 0

    def learn(self, event: bytes, name: str, text: str) -> None:
        """Keep what is around ``text`` in an event that was read in full and says nothing else.

        It ends with its one blank line, and ``text`` is the only text under ``name``.
        """
        if self._tries > _TRIES_MAX:
            return
        self._tries += 1
        for key in (b'"%b":"' % name.encode(), b'"%b": "' % name.encode()):
            start = event.find(key) + len(key)
            if start < len(key) or event.find(key, start) >= 0:
                continue
            end = event.find(b'"', start)
            if event[start:end] == text.encode("utf-8", "replace"):
                self.name = name
                self._before, self._behind = event[:start], event[end:]
                self._between = self._behind + self._before
            return

    def forget(self) -> None:
        """Forget it: another event has come, and may have said other things."""
        self._before = b""

    def texts(self, data: bytes) -> list[bytes] | None:
        """Return the texts in ``data``, as they stand in JSON, in UTF-8.

        None where ``data`` is not as many whole events like the one that was learnt.
        """
        before, behind = self._before, self._behind
        if not (before and data.startswith(before) and data.endswith(behind)):
            return None
        if len(data) < len(before) + len(behind):
            return None
        said = data[len(before) : -len(behind)]
        texts = [said] if self._between not in said else said.split(self._between)
        # With a blank between: what is cut in two by it is no escape and no sign of several bytes.
        if _TEXT.fullmatch(b" ".join(texts)) is None:
            return None
        self._tries = 0
        return texts


def size_of(text: bytes) -> int:
    """Return the bytes of UTF-8 of a text that ``Alike.texts`` gives."""
    # An escape is two bytes here and one in the text; of two backslashes only the first is one.
    return len(text) - len(_ESCAPE.findall(text)) if b"\\" in text else len(text)
