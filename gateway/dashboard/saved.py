"""What was saved against the config's baseline, in the reader's words."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.dashboard.figures import Money, places, share_of, usd
from gateway.dashboard.words import Words
from gateway.savings import Saved


@dataclass(frozen=True, slots=True)
class SavedLine:
    """``money`` is what was saved, less than nothing where more was spent; ``notes`` say the rest.

    ``share`` is its part of what the baseline would have cost, "" where that is nothing.
    """

    money: Money
    share: str
    notes: list[str]


def saved_lines(found: Saved | None, t: Words) -> SavedLine | None:
    """Return savings as they are shown; None where there is no baseline, or nothing to compare."""
    if found is None or not (found.is_known or found.unknown):
        return None
    if not found.is_known:
        return SavedLine(Money("unknown", ""), "",
                         [t("saved.no_price", route=found.route)])  # fmt: skip
    decimals = places([found.pico, found.spent_most])
    least, most = found.least, found.most
    ends = [least] if least == most else [least, most]
    money = Money(
        " – ".join(usd(end, decimals) for end in ends),
        " – ".join(Money.exactly(end) for end in ends),
        found.unbounded,
    )
    key = "saved.there_at_least" if found.is_low else "saved.there"
    notes = [t(key, route=found.route, cost=usd(found.pico, decimals))]
    if found.at_least:
        notes.append(t("saved.long_prompts"))
    if found.unknown:
        notes.append(t("saved.unpriced", n=found.unknown))
    if found.unbounded:
        notes.append(t("saved.unbounded", n=found.unbounded))
    if found.assumed:
        notes.append(t("saved.assumed", what="; ".join(found.assumed)))
    share = share_of(most, found.pico) if least == most and found.pico else ""
    return SavedLine(money, share, notes)
