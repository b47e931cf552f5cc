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

    def take(self, data: bytes) -> tuple[int, int, list[bytes]] | None:
        """Return of the whole events like the one learnt that ``data`` begins with: where they end,
        how many bytes of text they are, and their texts as they stand in JSON, in UTF-8.

        None where it does not begin so.
        """
        before, behind = self._before, self._behind
        if not before or not data.startswith(before):
            return None
        end = data.rfind(behind)
        if end < len(before):
            return None
        said = data[len(before) : end]
        texts = [said] if self._between not in said else said.split(self._between)
        # With a blank between: what is cut in two by it is no escape and no sign of several bytes.
        joined = b" ".join(texts)
        if _TEXT.fullmatch(joined) is None:
            return None
        self._tries = 0
        size = len(joined) - len(texts) + 1
        if b"\\" in joined:
            # An escape is two bytes here and one in the text; of two backslashes the first is one.
            size -= len(_ESCAPE.findall(joined))
        return end + len(behind), size, texts
