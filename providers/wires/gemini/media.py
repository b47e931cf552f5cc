"""Pictures, sound and documents: what the wire calls them, and what their names give away."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

from providers.ir import Audio, File, Image
from providers.wires.gemini.names import obj, text
from providers.wires.wire import BadRequestError, CannotExpressError, Json

BY_SUFFIX = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp",
    "gif": "image/gif", "heic": "image/heic", "heif": "image/heif", "bmp": "image/bmp",
    "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv",
    "html": "text/html", "htm": "text/html", "json": "application/json", "xml": "text/xml",
    "py": "text/x-python", "js": "text/javascript", "css": "text/css", "rtf": "text/rtf",
    "mp3": "audio/mp3", "wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg",
    "aac": "audio/aac", "aiff": "audio/aiff", "mp4": "video/mp4", "mov": "video/mov",
    "webm": "video/webm", "mpeg": "video/mpeg", "mpg": "video/mpg", "avi": "video/avi",
}  # fmt: skip
AUDIO_WORDS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-flac": "flac"}
# An address of a file that was given to a host before: nobody else can read it.
KEPT_SCHEMES = frozenset({"gs", "files"})
KEPT_PATH = "/v1beta/files/"

_ALPHABETS = str.maketrans("-_", "+/")


def type_by_name(name: str) -> str:
    """Return the media type that a file's name or address gives away, "" where it does not."""
    path = urlsplit(name).path if "//" in name else name
    return BY_SUFFIX.get(path.rpartition(".")[2].lower(), "") if "." in path else ""


def inline(value: Any, path: str) -> Image | Audio | File:
    """Read ``inlineData``. Raises ``BadRequestError``."""
    said = obj(value, path)
    media = text(said.get("mimeType"), f"{path}.mimeType").partition(";")[0].strip().lower()
    data = text(said.get("data"), f"{path}.data")
    if not media or not data:
        raise BadRequestError(f"`{path}` needs `mimeType` and `data` in base64", path)
    if "-" in data or "_" in data:
        data = data.translate(_ALPHABETS)
    kind, _, subtype = media.partition("/")
    if kind == "image":
        return Image(media_type=media, data=data)
    if kind == "audio":
        return Audio(AUDIO_WORDS.get(subtype, subtype), data)
    name = text(said.get("displayName"), f"{path}.displayName")
    if media == "text/plain":
        try:
            words = base64.b64decode(data, validate=True).decode()
        except (binascii.Error, ValueError):
            raise BadRequestError(f"`{path}.data` is no text in base64", f"{path}.data") from None
        return File(media_type=media, text=words, name=name)
    return File(media_type=media, data=data, name=name)


def by_address(value: Any, path: str) -> Image | File:
    """Read ``fileData``. Raises ``BadRequestError``."""
    said = obj(value, path)
    uri = text(said.get("fileUri"), f"{path}.fileUri")
    if not uri:
        raise BadRequestError(f"`{path}` needs a `fileUri`", path)
    media = text(said.get("mimeType"), f"{path}.mimeType").lower() or type_by_name(uri)
    name = text(said.get("displayName"), f"{path}.displayName")
    kept = uri.partition(":")[0] in KEPT_SCHEMES or KEPT_PATH in uri or "://" not in uri
    url, file_id = ("", uri) if kept else (uri, "")
    if media.startswith("image/"):
        return Image(media_type=media, url=url, file_id=file_id)
    return File(media_type=media, url=url, file_id=file_id, name=name)


def image_part(image: Image, *, urls: bool) -> Json:
    """Write a picture. Raises ``CannotExpressError``."""
    if image.data:
        media = image.media_type or "image/png"
        return {"inlineData": {"mimeType": media, "data": image.data}}
    if image.url and not urls:
        raise CannotExpressError("an image by URL")
    return _addressed(image.url, image.file_id, image.media_type, "an image")


def file_part(file: File, *, urls: bool) -> Json:
    """Write a document. Raises ``CannotExpressError``."""
    media = file.media_type or type_by_name(file.name)
    if file.text and not file.data:
        data = base64.b64encode(file.text.encode(errors="replace")).decode()
        return {"inlineData": {"mimeType": media or "text/plain", "data": data}}
    if file.data:
        if not media:
            raise CannotExpressError("a file whose type is not known")
        return {"inlineData": {"mimeType": media, "data": file.data}}
    if file.url and not urls:
        raise CannotExpressError("a file by URL")
    return _addressed(file.url, file.file_id, media, "a file")


def audio_part(audio: Audio) -> Json:
    """Write sound."""
    return {"inlineData": {"mimeType": f"audio/{audio.format}", "data": audio.data}}


def _addressed(url: str, file_id: str, media: str, what: str) -> Json:
    uri = url
    if file_id and not url:
        if file_id.partition(":")[0] not in KEPT_SCHEMES and KEPT_PATH not in file_id:
            raise CannotExpressError(f"{what} by the id of another host's store")
        uri = file_id
    if not uri:
        raise CannotExpressError(f"{what} without content")
    media = media or type_by_name(uri)
    if not media:
        raise CannotExpressError(f"{what} by URL whose type its name does not tell")
    return {"fileData": {"fileUri": uri, "mimeType": media}}
