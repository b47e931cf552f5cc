"""The files of a client on this machine: where they lie, what would change, and the change."""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.connect.form import FileForm, Words
from gateway.connect.merge import MergeError, merged

NEW_MODE = 0o600
# What a line of the user's own may hold that is nobody's business on a screen.
_SECRET = re.compile(
    r"((?:key|token|secret|password|authorization)\w*[\"']?\s*[:=]\s*)\S.*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Placed:
    """One file: its path, what it says now ("" where there is none) and what it has to say."""

    path: Path
    exists: bool
    old: str
    new: str

    @property
    def differs(self) -> bool:
        """Whether something has to be written."""
        return self.old != self.new

    def difference(self) -> str:
        """Return a unified diff; values on the user's own lines that may be secrets are hidden."""
        lines = difflib.unified_diff(
            self.old.splitlines(),
            self.new.splitlines(),
            str(self.path),
            str(self.path),
            lineterm="",
        )
        return "\n".join(
            line if line.startswith(("+", "---", "@@")) else _SECRET.sub(r"\1…", line)
            for line in lines
        )

    def write(self) -> Path | None:
        """Write the file whole or not at all; return the path of the old one's copy beside it."""
        target = self.path.resolve()  # a link stays a link
        target.parent.mkdir(parents=True, exist_ok=True)
        backup = None
        if self.exists:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            backup = target.with_name(f"{target.name}.{stamp}.bak")
            shutil.copy2(target, backup)
        new = target.with_name(f".{target.name}.new")
        new.touch(NEW_MODE)
        if self.exists:
            shutil.copymode(target, new)
        new.write_bytes(self.new.encode())
        new.replace(target)
        return backup


def placed(file: FileForm, words: Words, environment: Mapping[str, str]) -> Placed:
    """Return ``file`` as it lies on this machine and as it has to be. Raises ``MergeError``."""
    path = where(file, environment)
    exists = path.exists()
    try:
        old = path.read_bytes().decode() if exists else ""
    except UnicodeDecodeError:
        raise MergeError("is not UTF-8 text") from None
    breaks = "\r\n" if "\r\n" in old else "\n"
    plain = old.replace("\r\n", "\n")
    new = merged(file.format, plain, words.into(file.content), words.into(file.missing))
    return Placed(path, exists, old, old if new == plain else new.replace("\n", breaks))


def fresh(file: FileForm, words: Words) -> str:
    """Return what the file would say where there is none yet."""
    return merged(file.format, "", words.into(file.content), words.into(file.missing))


def where(file: FileForm, environment: Mapping[str, str]) -> Path:
    """Return the path of the file for a user with this environment."""
    if file.moved_by is not None and (folder := environment.get(file.moved_by.variable)):
        return Path(folder).expanduser() / file.moved_by.path
    return Path(file.path).expanduser()
