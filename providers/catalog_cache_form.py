"""The YAML form of what is known of a host's cache of prompts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from providers.catalog_dialect_form import WireName
from providers.catalog_values import Fact, Form, Header

Minutes = Annotated[int, Field(gt=0)]


class HintForm(Form):
    """Where a wire takes a name that leads a conversation to the machine that has its prompt."""

    field: str = ""
    header: Header | None = None

    @model_validator(mode="after")
    def _is_one(self) -> HintForm:
        if bool(self.field) == bool(self.header):
            raise ValueError("has to have one of `field` and `header`")
        return self


class CacheForm(Form):
    """A host's cache of prompts; a model's own facts stand above those of its host, one by one.

    ``lifetime_minutes`` is how long a prompt surely stays in it after its last use,
    ``long_lifetime_minutes`` where the request bought the longer one. ``least_tokens`` is the
    shortest prompt that is kept. ``by_itself``: without any mark in the request;
    ``charges_writes``: what it keeps so is charged as written to the cache.
    """

    lifetime_minutes: Fact[Minutes] | None = None
    long_lifetime_minutes: Fact[Minutes] | None = None
    least_tokens: Fact[Annotated[int, Field(gt=0)]] | None = None
    by_itself: Fact[bool] | None = None
    charges_writes: Fact[bool] | None = None
    hints: Fact[dict[WireName, HintForm]] | None = None
