"""What the words of a policy mean: every label, country, group and value must be a known one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from routing import groups
from routing.policy_form import ExpectForm, Path, PolicyForm, Problem, WordsForm, nearest
from routing.rules import COUNTRY_FACTS, VOCABULARY

_USUAL_SLIPS = MappingProxyType({"UK": "GB", "EL": "GR", "EEC": "EEA", "local": "home"})


def all_groups(form: PolicyForm) -> Mapping[str, frozenset[str]]:
    """Return the built-in groups and the file's own, which may name earlier ones."""
    known = dict(groups.GROUPS)
    for name, words in form.groups.items():
        known.setdefault(name, groups.members(words, known))
    return known


def problems(form: PolicyForm, own: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Give every word of ``form`` that means nothing; ``own`` is what ``all_groups`` gave."""
    yield from _label_problems(form.labels)
    for tag, label in (form.tags or {}).items():
        yield from _word_problems("label", (label,), form.labels, ("tags", tag))
    yield from _group_problems(form)
    yield from _rule_problems(form)
    for index, rule in enumerate(form.rules):
        yield from fact_problems(rule.require, own, ("rules", index, "require"))
        yield from fact_problems(rule.forbid, own, ("rules", index, "forbid"))
    for index, expect in enumerate(form.expect):
        yield from _expect_problems(expect, form.labels, ("expect", index))
        yield from fact_problems(expect.never, own, ("expect", index, "never"))


def _label_problems(labels: tuple[str, ...]) -> Iterator[Problem]:
    if not labels:
        yield Problem(("labels",), "there are no labels", "name at least one")
    for index, label in enumerate(labels):
        if not label.strip():
            yield Problem(("labels", index), "a label is empty", "name it")
        if label in labels[:index]:
            yield Problem(("labels", index), f"label {label!r} stands twice", "name each once")


def _group_problems(form: PolicyForm) -> Iterator[Problem]:
    known = set(groups.KNOWN)
    for name, words in form.groups.items():
        if name in groups.KNOWN:
            right = "choose another name"
            yield Problem(("groups", name), f"{name!r} is already a country or group", right)
        yield from _word_problems("country or group", words, known, ("groups", name))
        known.add(name)


def _rule_problems(form: PolicyForm) -> Iterator[Problem]:
    names = [rule.name for rule in form.rules]
    for index, rule in enumerate(form.rules):
        if rule.name in names[:index]:
            path = ("rules", index, "name")
            yield Problem(path, f"two rules are named {rule.name!r}", "give each its own name")
        when = ("rules", index, "when")
        least = rule.when.label_at_least
        if least is not None:
            yield from _word_problems("label", (least,), form.labels, (*when, "label_at_least"))
        yield from _word_problems("label", rule.when.label or (), form.labels, (*when, "label"))


def _expect_problems(form: ExpectForm, labels: tuple[str, ...], path: Path) -> Iterator[Problem]:
    yield from _word_problems("label", form.given.label or (), labels, (*path, "given", "label"))
    if form.first is not None and not all(form.first.partition("/")):
        right = "first: provider/model"
        yield Problem((*path, "first"), f"{form.first!r} is not a route", right)


def fact_problems(
    facts: WordsForm | None, own: Mapping[str, frozenset[str]], path: Path
) -> Iterator[Problem]:
    """Give the words of ``facts`` that mean nothing; ``own`` are all groups, ``path`` its place."""
    for fact, words in facts.named().items() if facts is not None else ():
        if fact in COUNTRY_FACTS:
            known = groups.KNOWN | own.keys()
            yield from _word_problems("country or group", words, known, (*path, fact))
        elif fact in VOCABULARY:
            yield from _word_problems(f"value of {fact}", words, VOCABULARY[fact], (*path, fact))


def _word_problems(
    what: str, words: Iterable[str], known: Collection[str], path: Path
) -> Iterator[Problem]:
    for word in words:
        if word not in known:
            yield Problem(path, f"unknown {what} {word!r}", _advice(what, word, known))


def _advice(what: str, word: str, known: Collection[str]) -> str:
    if "country" not in what:
        return nearest(word, known)
    meant = _USUAL_SLIPS.get(word) or (word.upper() if word.upper() in known else "")
    if meant:
        return f"did you mean {meant!r}?"
    # Among 249 codes of two letters everything is near everything: only groups are worth a guess.
    named = set(known) - groups.COUNTRIES
    rest = ", ".join(sorted(named))
    return nearest(word, named, f"a country is two capital letters (DE); the rest are: {rest}")
