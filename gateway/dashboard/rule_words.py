"""The policy in the reader's words: whom a rule is for, and what it asks, sentence by sentence.

Sentences are built from what the policy is compiled to, so that nothing else than what holds is
said. Names in them are marked, and stand alone in their direction of writing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from gateway.dashboard.sentences import Sentence, alternatives, joined, named, said
from gateway.dashboard.words import Words
from routing.groups import GROUPS
from routing.policy import Policy
from routing.rules import COUNTRY_FACTS, VOCABULARY, Clause, Expect, Rule, Which

UNKNOWN = "unknown"
DAYS = frozenset({"retention_days", "facts_age_days"})
MONEY = frozenset({"request_usd", "price", "input price", "output price"})
LEAST_SHOWN = "0.000001"


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule: whom it is ``when``, and what it ``asks``, a sentence each.

    ``stated``: it stands in the config, beside a key, a model or a provider.
    """

    name: str
    when: Sentence
    asks: list[Sentence]
    stated: bool


@dataclass(frozen=True, slots=True)
class Raising:
    """What raises a request to a label: a tag, or what is found in a prompt."""

    name: str
    label: str


def rules(policy: Policy, t: Words) -> list[RuleText]:
    """Return the rules of a policy in words, in the order in which they are judged."""
    return [
        RuleText(rule.name, whom(rule.which, policy.labels, t), list(_asks(rule, t)), _stated(rule))
        for rule in policy.rules
    ]


def expectation(expect: Expect, labels: Sequence[str], t: Words) -> tuple[Sentence, list[Sentence]]:
    """Return whom an expectation is about, and what it promises."""
    given = whom(expect.given, labels, t)
    if expect.first:
        return given, [_sentence("expect.first", [expect.first], t)]
    if expect.denied:
        return given, [said(t("expect.denied"))]
    return given, [_clause(clause, t) for clause in expect.never]


def whom(which: Which, labels: Sequence[str], t: Words) -> Sentence:
    """Return in words which requests something is for."""
    parts = list(_parts(which, labels, t))
    if not parts:
        # Nobody is one of the others of all.
        return said(t("rule.nobody" if which.others else "rule.every"))
    key = "rule.others" if which.others else "rule.requests"
    return said(t(key), which=joined(t("list.comma"), parts))


def _parts(which: Which, labels: Sequence[str], t: Words) -> Iterator[Sentence]:
    if which.labels is not None:
        meant = [label for label in labels if label in which.labels]
        if not meant:
            yield said(t("rule.no_label"))
        elif len(meant) == len(labels):
            pass  # any label is one of them
        elif len(meant) > 1 and meant == list(labels[-len(meant) :]):
            yield _sentence("rule.label_least", meant[:1], t)
        else:
            yield _sentence("rule.label", meant, t)
    named_so: Sequence[tuple[str, Iterable[str] | None]] = (
        ("team", which.teams),
        ("tag", which.tags),
        ("key", which.keys),
        ("model", which.models),
        ("entry", which.entries),
    )
    for part, names in named_so:
        if names is not None:
            yield _sentence(f"rule.{part}", sorted(names), t)


def _asks(rule: Rule, t: Words) -> Iterator[Sentence]:
    for clause in rule.clauses:
        yield _clause(clause, t)
    for limit in rule.limits:
        key = f"rule.limit_{limit.of.replace(' ', '_')}"
        yield said(t(key), usd=named(dollars(limit.at_most)))
    if rule.prefer is not None:
        yield said(t(f"rule.prefer_{rule.prefer}"))


def _clause(clause: Clause, t: Words) -> Sentence:
    verb = "require" if clause.demand else "forbid"
    key = f"rule.{verb}_{clause.fact}"
    if clause.at_most == 0 and t.has(f"{key}_none"):
        return said(t(f"{key}_none"))
    if clause.at_most is not None:
        return said(t(key, n=clause.at_most))
    return _sentence(key, [value_of(clause.fact, word, t) for word in clause.said.split(", ")], t)


def _stated(rule: Rule) -> bool:
    """Whether a rule is one of ``gateway.constraints``: those alone are for such requests."""
    of_key = rule.which.keys is not None and rule.name in {f"key {k}" for k in rule.which.keys}
    return rule.which.entries is not None or rule.which.others or of_key


def fact_name(fact: str, t: Words) -> str:
    """Return what a fact is called."""
    key = f"policy_fact.{fact.replace(' ', '_')}"
    return t(key) if t.has(key) else fact


def value_in_words(fact: str, value: str, t: Words) -> str:
    """Return a fact's value as a verdict has it: "CN, SG", "never", "30", "0.25", "unknown"."""
    if value == UNKNOWN:
        return t("value.unknown")
    if fact in DAYS and value.isdecimal():
        return t("value.days", n=int(value))
    if fact in MONEY:
        return dollars(Decimal(value), exact=False)
    names = value.split(", ") if fact in COUNTRY_FACTS else [value]
    return t("list.comma").join(value_of(fact, name, t) for name in names)


def value_of(fact: str, word: str, t: Words) -> str:
    """Return one word that a fact may be: a country or group, a word of its own, or a name."""
    if fact in COUNTRY_FACTS:
        return t.known("country", word)
    if fact == "quantisation":
        return t("value.or_finer", name=word[:-1]) if word.endswith("+") else word
    return t.known("value", f"{fact}_{word}") if word in VOCABULARY.get(fact, ()) else word


def dollars(amount: Decimal, *, exact: bool = True) -> str:
    """Return dollars as people write them; ``exact``: with all their digits, else rounded."""
    if exact:
        exponent = amount.normalize().as_tuple().exponent
        in_cents = not isinstance(exponent, int) or exponent >= -2
        return f"${amount:,.2f}" if in_cents else f"${amount.normalize():,f}"
    decimals = 2 if amount >= 100 else 4 if amount >= 1 else 6
    shown = f"{amount:,.{decimals}f}"
    return f"< ${LEAST_SHOWN}" if amount and Decimal(shown.replace(",", "")) == 0 else f"${shown}"


def _sentence(key: str, words: Iterable[str], t: Words) -> Sentence:
    return said(t(key), words=alternatives(words, t))


def groups(policy: Policy, t: Words) -> list[tuple[str, str]]:
    """Return the policy's own groups of countries, each with what is in it."""
    return [
        (name, t("list.comma").join(sorted(t.known("country", one) for one in inside)))
        for name, inside in policy.groups.items()
        if name not in GROUPS
    ]
