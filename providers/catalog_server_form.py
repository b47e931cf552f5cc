"""The YAML form of what a server at home tells of itself: where it is asked, and where it says it.

A path is written with dots; ``*`` in it stands for each element of a list or each value of a
mapping.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from providers.catalog_dialect_form import Pattern
from providers.catalog_values import Dotted, Fact, Form, Path

Learnable = Literal["context", "tools", "remote", "loaded"]


def _find(value: object) -> object:
    return {"at": value} if isinstance(value, str) else value


class FindForm(Form):
    """Where one thing stands in an answer; in the file a path alone may stand for it.

    ``has``: the value is that word, or a list with it. ``pattern``: a text whose first group is it.
    """

    at: Dotted
    has: str | None = None
    pattern: Pattern | None = None

    @model_validator(mode="after")
    def _has_a_group(self) -> FindForm:
        if self.pattern is not None and re.compile(self.pattern).groups != 1:
            raise ValueError("needs one group in its `pattern`, around what is looked for")
        return self


class ProbeForm(Form):
    """One question, a GET or a POST of ``post``, and what its answer tells of a model.

    ``{model}`` in ``post`` is the model's name. Where the answer has a row for each model, ``rows``
    leads to them, ``names`` are the keys of a row that hold a name, and ``spelled`` is how a model
    may be written there. ``finds``: ``context`` (tokens of the window), ``tools`` (whether they
    reach the model), ``remote`` (whether it runs on other machines), ``loaded``.
    """

    path: Path
    post: dict[str, Any] | None = None
    rows: Dotted | None = None
    names: list[str] = Field(default_factory=list)
    spelled: list[str] = Field(default_factory=lambda: ["{model}"])
    finds: dict[Learnable, Annotated[FindForm, BeforeValidator(_find)]] = Field(min_length=1)
    source: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _rows_have_names(self) -> ProbeForm:
        if (self.rows is None) != (not self.names):
            raise ValueError("has rows whose names nobody finds, or names without rows")
        return self


class LoadForm(Form):
    """Where the requests under way and those that wait are told; the first that answers counts.

    ``metrics`` True: in the text form of Prometheus, and both are names of it; else paths whose
    numbers (or true values) are added up.
    """

    path: Path
    metrics: bool = False
    running: str
    waiting: str | None = None
    source: list[str] = Field(min_length=1)


class TokeniseForm(Form):
    """Where the tokens of a prompt are counted.

    ``sends`` chat: the messages and tools of the chat wire; text: all words of the prompt under
    ``field``. ``count`` leads to a number, or to a list that is as long.
    """

    path: Path
    sends: Literal["chat", "text"]
    field: str = "prompt"
    count: Dotted
    source: list[str] = Field(min_length=1)


class ServerForm(Form):
    """What a server says of itself, beside its health.

    ``overflow`` is what becomes of a prompt that is longer than the window: ``refused`` with an
    error, ``cut`` without a word, ``cut_if_set`` where it was started so. ``usual_windows`` are
    those that it takes where nobody set one.
    """

    overflow: Fact[Literal["refused", "cut", "cut_if_set"]]
    usual_windows: Fact[list[Annotated[int, Field(gt=0)]]] | None = None
    probes: list[ProbeForm] = Field(default_factory=list)
    load: list[LoadForm] = Field(default_factory=list)
    tokenise: TokeniseForm | None = None
