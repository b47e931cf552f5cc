"""Which hosts of the catalogue could concern this machine, judged by their files' words alone.

To read all files with all their checks takes a second; `init` needs a few of them. What is named
here may be too much, never too little: the catalogue itself has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from providers.catalog import BUILTIN

_LIKE = re.compile(r"^like:\s*([A-Za-z0-9_-]+)", re.MULTILINE)
_AT_HOME = re.compile(r"^kind:\s*home\b", re.MULTILINE)
_VARIABLE = re.compile(r"\benv:\s*['\"]?([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class CatalogTexts:
    """The text of each host's file, and the host that it is like ("" for none)."""

    texts: Mapping[str, str]
    likes: Mapping[str, str]

    def at_home(self) -> list[str]:
        """Return the servers at home; one that is like another comes after all that are not."""
        found = [name for name in self.texts if _AT_HOME.search(self._whole(name))]
        return sorted(found, key=lambda name: bool(self.likes[name]))

    def with_variable(self, names: Iterable[str]) -> list[str]:
        """Return the hosts that keep their key in one of the variables ``names``."""
        wanted = set(names)
        return [name for name in self.texts if wanted & set(_VARIABLE.findall(self._whole(name)))]

    def naming(self, word: str) -> list[str]:
        """Return the hosts in whose own file ``word`` stands."""
        return [name for name, text in self.texts.items() if word in text]

    def _whole(self, name: str) -> str:
        seen: list[str] = []
        while name in self.texts and name not in seen:
            seen.append(name)
            name = self.likes[name]
        return "\n".join(self.texts[one] for one in seen)


def read(folder: Path = BUILTIN) -> CatalogTexts:
    """Return the texts of a folder of the catalogue."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))}
    likes = {name: (_LIKE.search(text) or ["", ""])[1] for name, text in texts.items()}
    return CatalogTexts(texts, likes)
