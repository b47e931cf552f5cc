"""The policy file as it is written: its shape, and its mistakes with what would be right.

Only the shape is judged here; what the words (countries, groups, labels) mean is judged in
``policy_words``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """One mistake: where it stands in the policy, what is wrong, and what would be right."""

    path: Path
    message: str
    right: str


class PolicyError(ValueError):
    """A policy that cannot be used; ``problems`` names every mistake that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{_dotted(p.path)}: {p.message}" for p in self.problems))


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return advice that names the known word nearest to ``word``, else all known ones."""
    choices = sorted(known)
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    return otherwise or "known here: " + ", ".join(choices)


def _words(value: object) -> object:
    """Read one word or a list of words as a sorted tuple without repetitions."""
    given = [value] if isinstance(value, str | bool) else value
    if not isinstance(given, list | tuple):
        raise _wrong("expected a word or a list of words", "for example: [a, b]")
    if not given:
        raise _wrong("the list is empty", "name at least one word, or leave the line out")
    for word in given:
        if isinstance(word, bool):
            raise _wrong(
                f"YAML reads an unquoted no or yes (Norway's NO too) as {str(word).lower()}",
                'put the word in quotes, for example "NO"',
            )
        if not isinstance(word, str) or not word.strip():
            raise _wrong(f"{word!r} is not a word", "write text, in quotes if it is a number")
    return tuple(sorted(set(given)))


def _yes_or_no_words(value: object) -> object:
    """Read words where a bare ``no`` can mean only the word "no"."""
    return _words("no" if value is False else value)


def _number(value: object) -> object:
    """Refuse what a lax reader would take for a number: true, text."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _wrong(f"{value!r} is not a number", "for example: {at_most: 30}")
    return value


def _wrong(message: str, right: str) -> PydanticCustomError:
    # The texts travel as context: a brace in a user's word must not be read as a template.
    return PydanticCustomError("policy", "{what}", {"what": message, "right": right})


def _order(value: object) -> object:
    """Refuse by name the orders that only one model can have: they need its own numbers."""
    if value in ("weighted", "blend") or isinstance(value, dict):
        said = "a blend" if isinstance(value, dict) else repr(value)
        raise _wrong(
            f"{said} needs numbers for each route, which a rule has not",
            f"{_RIGHT['prefer']}; weights and blends belong to a model's own entry in the config",
        )
    return value


Prefer = Literal["listed", "cheapest", "fastest"]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
YesNoWords = Annotated[tuple[str, ...], BeforeValidator(_yes_or_no_words)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_empty_lines(cls, data: object) -> object:
        # A line whose value slipped to another indentation must not count as "not asked".
        empty = (
            [str(key) for key, value in data.items() if value is None]
            if isinstance(data, dict)
            else []
        )
        if empty:
            raise _wrong(f"{empty[0]!r} has no value", "give it one, or leave the line out")
        return data


class DaysForm(_Form):
    """A limit in whole days."""

    at_most: Annotated[int, BeforeValidator(_number), Field(ge=0)]


class OverDaysForm(_Form):
    """The days that must not be exceeded, as ``forbid`` and ``never`` say it."""

    over: Annotated[int, BeforeValidator(_number), Field(ge=0)]


Dollars = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)]


class UsdForm(_Form):
    """A limit in US dollars."""

    at_most: Dollars


class PriceForm(_Form):
    """Limits in US dollars per million tokens.

    ``at_most`` is of three tokens in to one out, the others of those that go in and come out.
    """

    at_most: Dollars | None = None
    input_at_most: Dollars | None = None
    output_at_most: Dollars | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if not self.model_fields_set:
            raise _wrong("limits nothing", _RIGHT["price"])
        return self


class WordsForm(_Form):
    """The facts that are words; several words mean any of them."""

    maker: Words | None = None
    operator: Words | None = None
    processed_in: Words | None = None
    weights: Words | None = None
    licence: Words | None = None
    provider: Words | None = None
    model: Words | None = None
    trains_on_data: Words | None = None
    zdr: YesNoWords | None = None
    quantisation: Words | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise _wrong("names no fact", "for example: {operator: [EEA, home]}")
        return self

    def named(self) -> Mapping[str, tuple[str, ...]]:
        """Return the facts named with their words, without the limits."""
        said = ((name, getattr(self, name)) for name in WordsForm.model_fields)
        return {name: words for name, words in said if words is not None}


class FactsForm(WordsForm):
    """The facts that ``forbid`` and ``never`` may name: the words, and days that are too many."""

    retention_days: OverDaysForm | None = None
    facts_age_days: OverDaysForm | None = None

    def days(self) -> Mapping[str, int]:
        """Return the most days that are not forbidden, by fact."""
        said = {"retention_days": self.retention_days, "facts_age_days": self.facts_age_days}
        return {fact: limit.over for fact, limit in said.items() if limit is not None}


class RequireForm(WordsForm):
    """The facts that ``require`` may name: the words, and the limits.

    ``facts_age_days`` is how long ago the facts of a route may have been confirmed, ``price`` what
    its tokens may cost at the time of the request, ``request_usd`` what one request may cost.
    """

    retention_days: DaysForm | None = None
    facts_age_days: DaysForm | None = None
    price: PriceForm | None = None
    request_usd: UsdForm | None = None

    def days(self) -> Mapping[str, int]:
        """Return the most days that are allowed, by fact."""
        said = {"retention_days": self.retention_days, "facts_age_days": self.facts_age_days}
        return {fact: limit.at_most for fact, limit in said.items() if limit is not None}

    def money(self) -> Mapping[str, Decimal]:
        """Return the limits of money: US dollars, of a request or of a million tokens."""
        said: dict[str, Decimal | None] = {}
        if self.price is not None:
            said["price"] = self.price.at_most
            said["input price"] = self.price.input_at_most
            said["output price"] = self.price.output_at_most
        if self.request_usd is not None:
            said["request_usd"] = self.request_usd.at_most
        return {limit: most for limit, most in said.items() if most is not None}


class WhenForm(_Form):
    """The requests that a rule is for: all lines must hold, several words mean any of them."""

    label_at_least: str | None = None
    label: Words | None = None
    team: Words | None = None
    tag: Words | None = None
    key: Words | None = None
    model: Words | None = None


class GivenForm(_Form):
    """The requests that an expectation is about; what is not named may be anything."""

    label: Words | None = None
    team: Words | None = None
    tag: Words | None = None
    key: Words | None = None
    model: Words | None = None


class RuleForm(_Form):
    """One rule. ``prefer`` orders what the rules leave."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    when: WhenForm = WhenForm()
    require: RequireForm | None = None
    forbid: FactsForm | None = None
    prefer: Annotated[Prefer, BeforeValidator(_order)] | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.require is None and self.forbid is None and self.prefer is None:
            raise _wrong("the rule does nothing", "give it require, forbid or prefer")
        return self


class ExpectForm(_Form):
    """One expectation, which the proof must show to hold for every request it covers."""

    given: GivenForm = GivenForm()
    never: FactsForm | None = None
    first: str | None = None
    denied: Literal[True] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if sum(said is not None for said in (self.never, self.first, self.denied)) != 1:
            raise _wrong("must say exactly one thing", "one of never, first, denied")
        return self


class PolicyForm(_Form):
    """The whole policy file. ``labels`` rise from the least to the most sensitive.

    ``tags`` leads from a tag to the label that a request with it has at least.
    """

    labels: tuple[str, ...] = ("public", "internal", "personal", "secret")
    tags: dict[str, str] | None = None
    groups: dict[str, Words] = Field(default_factory=dict)
    rules: tuple[RuleForm, ...] = ()
    expect: tuple[ExpectForm, ...] = ()


_DAYS = frozenset({"retention_days", "facts_age_days"})
_FORMS: Mapping[str, type[_Form]] = MappingProxyType(
    {
        "require": RequireForm,
        "forbid": FactsForm,
        "never": FactsForm,
        "when": WhenForm,
        "given": GivenForm,
        "price": PriceForm,
        "request_usd": UsdForm,
        "rules": RuleForm,
        "expect": ExpectForm,
    }
)
_RIGHT = MappingProxyType(
    {
        "labels": "labels: [public, internal, personal, secret]",
        "tags": "tags: {patients: personal}",
        "groups": "groups: {nordic: [DK, FI, IS, SE, 'NO']}",
        "rules": "a list: - {name: ..., when: {...}, require: {...}}",
        "expect": "a list: - {given: {label: ...}, never: {operator: [...]}}",
        "retention_days": "retention_days: {at_most: 30}",
        "facts_age_days": "facts_age_days: {at_most: 180}",
        "request_usd": "request_usd: {at_most: 0.50}",
        "price": "price: {at_most: 2}, in USD per million tokens, three in to one out",
        "prefer": "listed, cheapest or fastest",
        "denied": "denied: true",
        "name": "name: what the rule is for, in words",
        "first": "first: provider/model",
    }
)


def read_policy(data: object) -> PolicyForm:
    """Return the form of a policy as loaded from YAML.

    Raises PolicyError with every mistake of shape; paths are relative to the policy.
    """
    if not isinstance(data, dict):
        message = "the policy is empty" if data is None else "the policy is not a mapping"
        raise PolicyError([Problem((), message, "labels: [...] and rules: [...]")])
    try:
        return PolicyForm.model_validate(data)
    except ValidationError as fault:
        raise PolicyError(map(_problem, _told_once(fault))) from None


def _told_once(fault: ValidationError) -> list[ErrorDetails]:
    """Return the errors, less the word that is missing where a wrong one stands in its place."""
    errors = fault.errors(include_url=False)
    wrong = {error["loc"][:-1] for error in errors if error["type"] == "extra_forbidden"}
    return [
        error
        for error in errors
        if error["type"] != "missing"
        or error["loc"][:-1] not in wrong
        or error["loc"][-2] not in _DAYS
    ]


def _problem(error: ErrorDetails) -> Problem:
    """Say one of pydantic's errors in our words."""
    path = tuple(error["loc"])
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "policy":
        return Problem(path, str(context["what"]), str(context["right"]))
    word = str(path[-1]) if path else ""
    if error["type"] == "extra_forbidden":
        return _unknown_word(path, word)
    advice = next((_RIGHT[str(part)] for part in reversed(path) if str(part) in _RIGHT), "")
    if error["type"] == "missing":
        return Problem(path, f"{word!r} is missing", advice)
    return Problem(path, error["msg"][:1].lower() + error["msg"][1:], advice)


def _unknown_word(path: Path, word: str) -> Problem:
    """Say what is wrong with a key that the form does not have."""
    parents = [str(part) for part in path[:-1] if isinstance(part, str)]
    parent = parents[-1] if parents else ""
    if parent in _DAYS:
        return _wrong_limit(path, word, parent, forbidding=parents[-2:-1] != ["require"])
    form = _FORMS.get(parent, PolicyForm)
    if issubclass(form, WordsForm):
        if word in RequireForm.model_fields:
            return Problem(path, f"{word} has no meaning under {parent}", f"require: {word}")
        return Problem(path, f"unknown fact {word!r}", nearest(word, form.model_fields))
    return Problem(path, f"unknown key {word!r}", nearest(word, form.model_fields))


def _wrong_limit(path: Path, word: str, fact: str, *, forbidding: bool) -> Problem:
    """Say how days are limited where ``word`` is not how."""
    right = f"{fact}: {{over: 30}}" if forbidding else f"{fact}: {{at_most: 30}}"
    if word not in ("over", "at_most"):
        return Problem(path, f"unknown key {word!r}", right)
    if forbidding:
        right += f", or require: {{{fact}: {{at_most: 30}}}}"
    return Problem(path, f"{word} has no meaning here", right)


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path) or "policy"
