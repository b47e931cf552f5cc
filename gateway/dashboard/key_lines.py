"""Keys of the config beside what they spent, and who else spent, before it is HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from billing.limits import Standing
from billing.sums import SpendRow
from gateway.budget_told import whose
from gateway.config_keys import KeyForm
from gateway.dashboard import budgets
from gateway.dashboard.budgets import BudgetLine
from gateway.dashboard.figures import Money, places, spent
from gateway.dashboard.words import Words
from gateway.setup import Setup

# Of a key's models so many are named, and of all keys so many are shown.
NAMED_MOST, KEYS_MOST = 6, 200
NEAR = 0.8  # the part of a budget from which on it is said that it is near


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key. ``budget`` is how its own stands, None where it has none or that is not known.

    ``state`` is good, odd or bad, "" where nothing bounds it, and ``words`` say why. ``where`` is
    its line in the config, "" for one that is not there.
    """

    name: str
    team: str
    label: str
    models: str
    limits: list[str]
    row: SpendRow
    money: Money
    budget: BudgetLine | None
    state: str
    words: str
    where: str


def key_lines(
    setup: Setup,
    rows: Iterable[SpendRow],
    standings: Sequence[Standing] | None,
    now_s: float,
    zone: tzinfo,
    t: Words,
) -> list[KeyLine]:
    """Return the keys, the dearest first, those that the config does not know behind the others.

    ``rows`` are sums by key; ``standings`` None: how budgets stand is not known.
    """
    used = {row.group: row for row in rows}
    decimals = places(row.most_pico for row in used.values())
    own = _fullest(standings or ())
    found = []
    for number, form in enumerate(setup.config.keys):
        row = used.pop(form.name, SpendRow((form.name,)))
        standing = own.get(form.name)
        budget = None
        if standing is not None:
            (budget,) = budgets.lines([standing], [None], now_s, zone, t)
        state, words = _state(standing, budget, t, known=standings is not None)
        found.append(
            KeyLine(
                name=form.name,
                team=form.team or "",
                label=form.label or setup.policy.labels[0],
                models=_models(form, t),
                limits=_limits(form, t),
                row=row,
                money=spent(row, decimals),
                budget=budget,
                state=state,
                words=words,
                where=setup.stands("keys", number),
            )
        )
    found.sort(key=lambda line: -line.row.cost_pico)
    local = setup.local.name if setup.local is not None else ""
    return found + [_stranger(row, decimals, local, t) for row in used.values()]


def places_of_budgets(setup: Setup) -> dict[str, str]:
    """Return the line of the config on which each budget stands, by the budget's name."""
    of_keys = {
        f"key {form.name}": setup.stands("keys", number, "budget")
        for number, form in enumerate(setup.config.keys)
        if form.budget is not None
    }
    return of_keys | {
        form.name: setup.stands("budgets", number)
        for number, form in enumerate(setup.config.budgets)
    }


def _fullest(standings: Iterable[Standing]) -> Mapping[str, Standing]:
    """Return for each key the fullest of the accounts that are its own."""
    found: dict[str, Standing] = {}
    for one in standings:
        # What is for other things too is only a part of what the key may spend.
        if whose(one.rule).keys() != {"key"}:
            continue
        name = one.account if one.rule.each else one.rule.key or ""
        known = found.get(name)
        if known is None or budgets.fullness(one) > budgets.fullness(known):
            found[name] = one
    return found


def _state(
    standing: Standing | None, budget: BudgetLine | None, t: Words, *, known: bool
) -> tuple[str, str]:
    if not known:
        return "odd", t("key.unknown")
    if standing is None or budget is None:
        return "", t("key.no_budget")
    if budget.state == "good" and budgets.fullness(standing) >= NEAR:
        return "odd", t("key.near")
    return budget.state, budget.words


def _models(form: KeyForm, t: Words) -> str:
    if form.models is None:
        return t("key.all_models")
    names = list(dict.fromkeys(form.models))
    named = ", ".join(names[:NAMED_MOST])
    more = len(names) - NAMED_MOST
    return t("key.models_more", names=named, n=more) if more > 0 else named


def _limits(form: KeyForm, t: Words) -> list[str]:
    found = []
    if form.rpm is not None:
        found.append(t("key.rpm", n=form.rpm))
    if form.tpm is not None:
        found.append(t("key.tpm", n=form.tpm))
    return found


def _stranger(row: SpendRow, decimals: int, local: str, t: Words) -> KeyLine:
    """Return a line of a key that spent and that the config does not name."""
    is_local = row.group == local
    words = t("key.local" if is_local else "key.gone")
    return KeyLine(
        name=row.group,
        team="",
        label="",
        models="",
        limits=[],
        row=row,
        money=spent(row, decimals),
        budget=None,
        state="" if is_local else "odd",
        words=words,
        where="",
    )
