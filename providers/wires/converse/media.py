"""Pictures, documents and sound as the Converse wire takes them: by bytes, with a short format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers import ir
from providers.wires.wire import CannotExpressError

Json = dict[str, Any]

IMAGE_FORMATS: Mapping[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
DOCUMENT_FORMATS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
AUDIO_FORMATS = frozenset(
    {
        "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg",
        "mpga", "pcm", "webm",
    }
)  # fmt: skip
NAME_MAX_CHARS = 200
NO_NAME = "document"
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9 ()\[\]-]+")
_SPACES = re.compile(r" {2,}")


def image(part: ir.Image) -> Json:
    """Return an image block. Raises ``CannotExpressError``: only bytes of four formats can be."""
    if not part.data:
        raise CannotExpressError("an image by URL" if part.url else "an image by a file's id")
    kind = IMAGE_FORMATS.get(_bare(part.media_type))
    if kind is None:
        raise CannotExpressError(f"an image of the type {part.media_type or 'unknown'}")
    return {"image": {"format": kind, "source": {"bytes": part.data}}}


def audio(part: ir.Audio) -> Json:
    """Return an audio block. Raises ``CannotExpressError`` for a format that is not listed."""
    kind = part.format.lower()
    if kind not in AUDIO_FORMATS:
        raise CannotExpressError(f"audio of the format {part.format or 'unknown'}")
    return {"audio": {"format": kind, "source": {"bytes": part.data}}}


class Documents:
    """Writes documents; keeps their names, of which a request may have each but once."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: set[str] = set()

    def block(self, part: ir.File) -> Json:
        """Return a document block. Raises ``CannotExpressError``: only content can be sent."""
        if not part.data and not part.text:
            raise CannotExpressError("a file by URL" if part.url else "a file by its id")
        media = _bare(part.media_type)
        kind = DOCUMENT_FORMATS.get(media)
        if kind is None and (part.text or media.startswith("text/")):
            kind = "txt"
        if kind is None:
            raise CannotExpressError(f"a file of the type {part.media_type or 'unknown'}")
        source = {"bytes": part.data} if part.data else {"text": part.text}
        return {"document": {"format": kind, "name": self._name(part.name), "source": source}}

    def _name(self, said: str) -> str:
        """Return a name of letters, digits, spaces and brackets that no other document has."""
        plain = _SPACES.sub(" ", _NOT_IN_NAMES.sub(" ", said)).strip()[:NAME_MAX_CHARS].strip()
        found = plain or NO_NAME
        number = 1
        while found in self._names:
            number += 1
            found = f"{(plain or NO_NAME)[: NAME_MAX_CHARS - 12]} ({number})"
        self._names.add(found)
        return found


def _bare(media_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()
