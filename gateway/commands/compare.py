"""``entrepot compare``: a model's route against its shadow, in numbers that a switch rests on."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from billing import shadows
from billing.compare import ENOUGH, Comparison, Side, Spent, compared
from billing.money import usd_text
from billing.store import Store, StoreError
from gateway.commands import ledger
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say, show
from gateway.commands.spans import moment_of
from gateway.config import Config
from routing.policy_form import nearest

Found = list[tuple[Comparison, Spent]]


def run(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model of the config, as clients ask for it.")
    ],
    since: Annotated[str, typer.Option(help="30d, 12h, 4w, 2026-11-01 or 2026-11-01T14:00.")] = (
        "30d"
    ),
    config: ConfigOption = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a comment or an issue.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare a model's route with its shadow on the same requests, from the ledger alone."""
    _, loaded = load_config(config)
    first = moment_of(since, "--since", loaded.config.server.zone)
    named = loaded.config.entry(model)
    name = named[0] if named is not None else model
    waits = ledger.drained(loaded.config.journal)
    found: Found = []
    whole = True
    try:
        with ledger.existing(loaded.config.ledger) as store:
            if store is not None:
                found, whole = _read(store, loaded.config, name, first)
    except StoreError as fault:
        fail(f"the ledger {ledger.shown(loaded.config.ledger)}: {fault}", NOT_SO)
    if as_json:
        print_json(
            {
                "model": name,
                "since": first.isoformat() if first is not None else None,
                "currency": "USD",
                "all_shadows_read": whole,
                "waiting": waits.entries,
                "comparisons": [_plain(made, spent) for made, spent in found],
            }
        )
    elif found:
        for made, spent in found:
            _tell(made, spent, markdown=markdown)
        _note_what_is_left_out(whole, waits.entries)
    if not found:
        fail(_nothing(loaded.config, name, since), NOT_SO)


def _read(store: Store, config: Config, name: str, since: datetime | None) -> tuple[Found, bool]:
    tried, whole = shadows.shadowed(store, since, None)
    # Aliases and patterns lead to the model too; the ledger has what was asked for.
    asked = {each.model_asked for each in tried if each.purpose != "judge"}
    leading = {
        a for a in asked if a == name or ((e := config.entry(a)) is not None and e[0] == name)
    }
    return [
        (made, shadows.spent_at(store, made.client.route, leading, since, None))
        for made in compared(tried, leading)
    ], whole


def _nothing(config: Config, name: str, since: str) -> str:
    named = config.entry(name)
    if named is None:
        return f"there is no model {name!r} in the config; {nearest(name, config.models)}"
    if named[1].shadow is None:
        right = "{route: provider/model, share: 0.1}"
        return f"{name} has no shadow: add `shadow: {right}` under models.{name}"
    share = f"{named[1].shadow.share.normalize():f}"
    return f"no request for {name} since {since} had a shadow; the share that has one is {share}"


def _note_what_is_left_out(whole: bool, waiting: int) -> None:
    if not whole:
        say(f"Only the newest {shadows.SHADOWS_MAX} shadows of this time were read.")
    if waiting:
        say(f"{waiting} entries wait in the journal, and are in no number yet.")


def _tell(made: Comparison, spent: Spent, *, markdown: bool) -> None:
    columns = ("", made.client.route, made.shadow.route)
    rows = _rows(made)
    if markdown:
        say(*(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in (columns, ("---",) * 3)))
        say(*(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows))
    else:
        show(columns, rows, right=columns[1:])
    say("", *(f"- {line}" if markdown else line for line in _words(made, spent)), "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _rows(made: Comparison) -> list[tuple[str, str, str]]:
    def both(name: str, *cells: str) -> tuple[str, str, str]:
        return name, cells[0], cells[1]

    sides = (made.client, made.shadow)
    return [
        both(
            f"failed, of {made.n}", *(f"{s.failed} ({_percent(s.failed, made.n)})" for s in sides)
        ),
        both(f"USD, of {made.priced}", *(usd_text(side.cost_pico) for side in sides)),
        both(f"median ms in all, of {made.both}", *(_number(side.median_ms) for side in sides)),
        both("95 of 100 within ms", *(_number(side.p95_ms) for side in sides)),
        both("tokens out", *(str(side.tokens_out) for side in sides)),
        both("finish", *(_finishes(side) for side in sides)),
    ]


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _finishes(side: Side) -> str:
    return ", ".join(f"{name} {count}" for name, count in side.finishes.items()) or "-"


def _words(made: Comparison, spent: Spent) -> list[str]:
    lines = [f"{made.n} requests went to both, {made.both} were answered by both."]
    if made.both > made.priced:
        lines.append(f"A cost is unknown in {made.both - made.priced} pairs: they are in no sum.")
    if made.estimated:
        lines.append(f"The costs of {made.estimated} pairs rest on estimated usage.")
    ratio = made.ratio
    if ratio is not None:
        lines.append(f"For each dollar there the shadow cost {float(ratio):.3f} (n={made.priced}).")
    lines.append(_saving(made, spent))
    lines += _judged(made)
    judge = f", the judge {usd_text(made.judged_pico)}" if made.judged_pico else ""
    lines.append(f"To know this cost {usd_text(made.shadowed_pico)} USD{judge}.")
    return lines


def _saving(made: Comparison, spent: Spent) -> str:
    saved = made.saves(spent)
    if saved is None:
        if made.priced < ENOUGH:
            return f"n={made.priced}: too few to say what a switch would save ({ENOUGH} are not)."
        return "Too little was spent, or for less than a day: no saying what a switch would save."
    left_out = f", {spent.unknown} calls of unknown cost left out" if spent.unknown else ""
    verb = "saved" if saved >= 0 else "cost"
    return (
        f"A switch of all calls there would have {verb} about {_dollars(abs(saved))} USD in 30 "
        f"days, if they are like these {made.priced}{left_out}."
    )


def _dollars(pico: int) -> str:
    # An estimate: more places than cents would say more than is known.
    return f"{pico / 10**12:.2f}"


def _judged(made: Comparison) -> list[str]:
    said = made.verdicts
    if not said.n:
        return [f"The judge gave no verdict in {said.none} tries."] if said.none else []
    low, high = said.as_good
    lines = [
        f"The judge: {said.better} better, {said.same} the same, {said.worse} worse"
        + (f", {said.none} without a verdict" if said.none else "")
        + f". As good or better: {_range(low, high)} (95 %, n={said.n})."
    ]
    low, high = said.ahead
    unlike = said.better + said.worse
    if low <= 0.5 <= high:
        lines.append(f"Where they differ (n={unlike}), no side is shown to be ahead.")
    else:
        who = made.shadow.route if low > 0.5 else made.client.route
        lines.append(f"Where they differ (n={unlike}), {who} is ahead (sign test, 95 %).")
    if said.n < ENOUGH:
        lines.append(f"n={said.n} verdicts: too few to decide by.")
    return lines


def _range(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"


def _plain(made: Comparison, spent: Spent) -> dict[str, Any]:
    saved, ratio, said = made.saves(spent), made.ratio, made.verdicts
    return {
        "pairs": made.n,
        "answered_by_both": made.both,
        "priced": made.priced,
        "unknown_cost": made.both - made.priced,
        "estimated_usage": made.estimated,
        "client": _side(made.client),
        "shadow": _side(made.shadow),
        "cost_ratio": None if ratio is None else float(ratio),
        "verdicts": {
            "better": said.better,
            "same": said.same,
            "worse": said.worse,
            "no_verdict": said.none,
            "as_good_95": said.as_good,
            "ahead_95": said.ahead,
        },
        "spent_usd": usd_text(spent.cost_pico),
        "spent_unknown_cost": spent.unknown,
        "enough": made.priced >= ENOUGH,
        "saves_usd_30d": None if saved is None else usd_text(saved),
        "shadows_cost_usd": usd_text(made.shadowed_pico),
        "judge_cost_usd": usd_text(made.judged_pico),
    }


def _side(side: Side) -> dict[str, Any]:
    told = asdict(side)
    told["cost_usd"] = usd_text(told.pop("cost_pico"))
    return told
