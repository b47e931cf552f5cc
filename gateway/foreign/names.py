"""What other gateways call things, read from ``names.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from pydantic import Field

from gateway.config_values import Form, nothing
from gateway.yaml_lines import parse

FILE = Path(__file__).with_name("names.yaml")
NO_COUNTERPART = "it has no counterpart here"


class FormatForm(Form):
    """One format; it is told by its top-level keys ``has``.

    ``words`` are its own names of some fields, ``strategies`` what its ways to choose are here,
    ``asked`` which scene a client's model means, ``left`` why a field is not carried over.
    """

    name: str
    has: tuple[str, ...]
    words: Mapping[str, str] = Field(default_factory=nothing)
    strategies: Mapping[str, str] = Field(default_factory=nothing)
    asked: Mapping[str, str] = Field(default_factory=nothing)
    left: Mapping[str, str] = Field(default_factory=nothing)

    def why(self, field: str) -> str:
        """Return why ``field`` is not carried over."""
        return self.left.get(field, NO_COUNTERPART)


class WordForm(Form):
    """What one of their provider names means; see the file."""

    host: str
    endpoint: str | None = None
    wire: str = "chat"
    strip: tuple[str, ...] = ()


class NamesForm(Form):
    """The whole file."""

    formats: Mapping[str, FormatForm]
    blanks: Mapping[str, str]
    credentials: tuple[str, ...]
    words: Mapping[str, WordForm]
    bare: Mapping[str, str]

    def split(self, model: str) -> tuple[str, str]:
        """Return the word and the model of ``word/model``; "" where nobody knows the word."""
        word, slash, rest = model.partition("/")
        if slash:
            return word, rest
        known = (word for pattern, word in self.bare.items() if fnmatchcase(model, pattern))
        return next(known, ""), model

    def model(self, word: str, model: str) -> str:
        """Return the host's own name of ``model``."""
        for beginning in self.words[word].strip if word in self.words else ():
            model = model.removeprefix(beginning)
        return model


@lru_cache(maxsize=1)
def names() -> NamesForm:
    """Return what the file says."""
    return NamesForm.model_validate(parse(FILE.read_bytes(), str(FILE))[0])
