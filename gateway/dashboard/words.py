"""All text of the pages, by language: a folder each in ``texts``, all with the same keys.

A text is a line with ``{names}`` in it, or a pair of lines for one and for more of ``n``. Names of
models, rules and people, and what hosts and the config's own checks say, stay as they are.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

TEXTS = Path(__file__).parent / "texts"
USUAL = "en"
# Language -> how it calls itself.
LANGUAGES: dict[str, str] = {"en": "English", "de": "Deutsch", "zh": "中文"}
ACCEPTED_MAX_CHARS = 200

Text = str | Mapping[str, str]


class Words:
    """The texts of one language: ``words("overview.spent")``, with values for what is in braces."""

    __slots__ = ("_texts", "language")

    def __init__(self, language: str, texts: Mapping[str, Text]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, key: str, **values: Any) -> str:
        """Return a text; whole numbers in it have their thousands apart. Raises ``KeyError``."""
        found = self._texts[key]
        if not isinstance(found, str):
            found = found["one" if values["n"] == 1 else "other"]
        if not values:
            return found
        told = {name: f"{v:,}" if isinstance(v, int) else v for name, v in values.items()}
        return found.format_map(told)

    def has(self, key: str) -> bool:
        """Whether there is a text of this name."""
        return key in self._texts

    def known(self, section: str, name: str) -> str:
        """Return the text for a name that a program gave, else the name itself."""
        found = self._texts.get(f"{section}.{name}")
        return found if isinstance(found, str) else name


@lru_cache(maxsize=len(LANGUAGES))
def words(language: str) -> Words:
    """Return the texts of one of ``LANGUAGES``."""
    found: dict[str, Text] = {}
    for path in sorted((TEXTS / language).glob("*.toml")):
        found |= texts_of(tomllib.loads(path.read_text(encoding="utf-8")))
    return Words(language, found)


def texts_of(sections: Mapping[str, Mapping[str, Text]]) -> dict[str, Text]:
    """Return texts by their full key, ``section.name``."""
    return {
        f"{section}.{name}": text for section, of in sections.items() for name, text in of.items()
    }


def language_of(asked: str, accepted: str) -> str:
    """Return which language to write in: as asked, else the first known that a browser accepts."""
    if asked in LANGUAGES:
        return asked
    ranked = []
    for place, part in enumerate(accepted[:ACCEPTED_MAX_CHARS].split(",")):
        name, _, weight = part.strip().partition(";q=")
        language = name[:2].lower()
        try:
            rank = float(weight or 1)
        except ValueError:
            continue
        if language in LANGUAGES and rank > 0:
            ranked.append((-rank, place, language))
    return min(ranked)[2] if ranked else USUAL
