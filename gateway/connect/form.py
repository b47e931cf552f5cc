"""The clients that are known, read from one YAML file each in ``gateway/clients``.

Words in angle brackets stand for what differs: ``<root>`` the gateway's address, ``<v1>`` the same
with /v1, ``<model>`` and ``<small>`` the models to ask for, ``<variable>`` the name of the
environment variable that holds the client's key, and ``<key>`` that key. ``<key>`` may stand in
``environment`` alone: nothing that is printed or written ever holds a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gateway.config_values import Form
from gateway.form_file import read_form
from gateway.problems import WrongError

FOLDER = Path(__file__).parents[1] / "clients"
KEY = "<key>"
# A model's name stands inside quotes of four languages; none of these needs care in any of them.
PLAIN_NAME = re.compile(r"[\w.:/@+-]+")
_WORD = re.compile(r"<(root|v1|model|small|variable)>")

Filled = Annotated[str, Field(min_length=1)]


class MovedForm(Form):
    """An environment variable that moves the folder of a file, and the file's path in there."""

    variable: Filled
    path: Filled


class FileForm(Form):
    """A file that the client reads. ``needed``: it cannot do without, not even for one run.

    ``content`` has to stand in the file as it is; ``missing`` only where the file does not say it.
    """

    path: Filled
    moved_by: MovedForm | None = None
    format: Literal["json", "toml", "yaml"]
    needed: bool
    content: Mapping[str, Any]
    missing: Mapping[str, Any] = Field(default_factory=dict)


class TriedForm(Form):
    """A package of a public index with which all this was seen to work."""

    package: Filled
    version: Filled


class ClientForm(Form):
    """One client, called as its file is. ``program`` is its command, "" for a library.

    ``environment`` and ``arguments`` (after the program's name) are enough for one run, with the
    files that are ``needed``; ``unset`` are variables that would get in the way. ``user_agents``
    are patterns of how it names itself, for plans whose terms name the programs that may call.
    """

    name: Filled
    title: Filled
    kind: Literal["agent", "library"]
    wires: Annotated[tuple[Filled, ...], Field(min_length=1)]
    program: str = ""
    tried: Annotated[tuple[TriedForm, ...], Field(min_length=1)]
    tried_on: date
    environment: Mapping[str, str | Mapping[str, Any]] = Field(default_factory=dict)
    unset: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    files: tuple[FileForm, ...] = ()
    install: str = ""
    example: str = ""
    notes: tuple[str, ...] = ()
    user_agents: tuple[Filled, ...] = ()

    @model_validator(mode="after")
    def _keeps_the_key_out(self) -> Self:
        said = json.dumps([self.arguments, [dict(file.content) for file in self.files]])
        if KEY in said or KEY in self.example:
            raise WrongError("holds <key> outside of `environment`", "<variable>, its name")
        return self


@dataclass(frozen=True, slots=True)
class Words:
    """What the words in angle brackets stand for."""

    root: str
    model: str
    small: str
    variable: str

    def into(self, value: Any) -> Any:
        """Return ``value``, text or anything made of it, with the words filled in; not the key."""
        if isinstance(value, str):
            known = {**{name: getattr(self, name) for name in self.__slots__}, "v1": self.v1}
            return _WORD.sub(lambda found: known[found[1]], value)
        if isinstance(value, Mapping):
            return {self.into(key): self.into(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.into(inner) for inner in value]
        return value

    @property
    def v1(self) -> str:
        """The address with /v1."""
        return f"{self.root}/v1"

    def environment(self, client: ClientForm) -> dict[str, str]:
        """Return the client's variables in order; ``<key>`` is left standing, data is JSON."""
        filled = self.into(client.environment)
        return {
            name: value
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            for name, value in filled.items()
        }


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of all known clients, in order."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def client(name: str, folder: Path = FOLDER) -> ClientForm:
    """Return what is known of one of ``names``. Raises ``ConfigError`` with every mistake in it."""
    return read_form(folder / f"{name}.yaml", ClientForm)
