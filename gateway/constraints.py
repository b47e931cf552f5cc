"""What the config asks of one key's calls, one model's or one provider's, as rules of the policy.

They stand after the policy's own rules and are judged, proven and explained like any of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config import Config
from gateway.config_models import ModelForm
from gateway.problems import Fault, Place
from routing.policy import Constraint, Policy, constrain
from routing.policy_form import FactsForm, nearest
from routing.policy_words import fact_problems
from routing.rules import Which


def constrained(config: Config, policy: Policy) -> Policy:
    """Return ``policy`` with the config's own constraints, whose words ``faults`` found good."""
    return constrain(policy, [constraint for _, constraint in _stated(config)])


def is_constrained(config: Config) -> bool:
    """Tell whether a key, a model or a provider of the config has constraints."""
    return any(_stated(config))


def faults(config: Config, policy: Policy) -> Iterator[Fault]:
    """Give the words of constraints that mean nothing, and names that the policy has taken."""
    yield from _who_is_not(config, policy)
    taken = {rule.name for rule in policy.rules}
    for place, constraint in _stated(config):
        if constraint.name in taken:
            what = f"the policy has a rule {constraint.name!r}, as the constraint here is called"
            yield Fault(place, what, "give that rule another name")
        for part, facts in (("require", constraint.require), ("forbid", constraint.forbid)):
            for wrong in fact_problems(facts, policy.groups, (*place, part)):
                yield Fault(wrong.path, wrong.message, wrong.right)


def _who_is_not(config: Config, policy: Policy) -> Iterator[Fault]:
    """Give the labels, teams and keys that providers are for and that nobody has."""
    known = {
        "label": set(policy.labels),
        "team": {key.team for key in config.keys if key.team is not None},
        "key": {key.name for key in config.keys},
    }
    for name, provider in config.providers.items():
        for part, names in known.items():
            for word in getattr(provider.only_for, part, None) or ():
                if word not in names:
                    place = ("providers", name, "only_for", part)
                    right = nearest(word, names) if names else f"give a key that {part}"
                    what = f"there is no {part} {word!r}"
                    # Keys can be made later, labels cannot.
                    yield Fault(place, what, right, warning=part != "label")


def _stated(config: Config) -> Iterator[tuple[Place, Constraint]]:
    for number, key in enumerate(config.keys):
        if key.require is not None or key.forbid is not None:
            which = Which(keys=frozenset({key.name}))
            yield (
                ("keys", number),
                Constraint(f"key {key.name}", which, key.require, key.forbid),
            )
    for name, provider in config.providers.items():
        if (only := provider.only_for) is not None:
            which = Which(
                labels=_set(only.label), teams=_set(only.team), keys=_set(only.key), others=True
            )
            here = FactsForm(provider=(name,))
            yield ("providers", name), Constraint(f"provider {name}", which, None, here)
    for name, entry in config.models.items():
        if isinstance(entry, ModelForm) and (entry.require or entry.forbid):
            which = Which(entries=frozenset({name}))
            yield (
                ("models", name),
                Constraint(f"model {name}", which, entry.require, entry.forbid),
            )


def _set(words: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if words is None else frozenset(words)
