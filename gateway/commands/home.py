"""``entrepot home``: what answering at home really costs, beside what the same costs elsewhere."""

from __future__ import annotations

from billing import home_cost
from billing.money import usd_text
from billing.store import Store
from gateway import home_report
from gateway.commands import books
from gateway.commands.books import UntilOption
from gateway.commands.reading import ConfigOption, load_setup
from gateway.commands.screen import JsonOption, print_json, say, show
from gateway.commands.spending import BesideOption, SinceOption, checked_beside, last_of, usd
from gateway.home_report import Report

HOUR_MS = 3_600_000
NONE = (
    "no provider of this config says what its machine costs; for one at home: "
    "home: {watts: 350, idle_watts: 60, usd_per_kwh: 0.32, hardware_usd: 2400}"
)


def run(
    since: SinceOption = "30d",
    until: UntilOption = None,
    beside: BesideOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show each server at home: how busy it was, its energy, its marginal and its full cost."""
    setup = load_setup(config)
    span = last_of(since, until, setup.config)
    other = checked_beside(setup, beside)

    def report(store: Store | None) -> list[Report]:
        return home_report.reports(setup, store, span, beside=other)

    found, waiting = books.read(setup.config, report, None)
    if found is None:
        found = report(None)
    if as_json:
        print_json(
            {
                "since": span[0].isoformat(),
                "until": span[1].isoformat(),
                "time_zone": str(setup.config.server.zone),
                "servers": [home_report.told(one) for one in found],
                "waiting": waiting.entries,
            }
        )
        return
    if not found:
        say(NONE)
    for number, one in enumerate(found):
        say(*([""] if number else []), *_lines(one))
        _show_beside(one)
    for line in books.notes(waiting):
        say("", line)


def _lines(found: Report) -> list[str]:
    costs, tokens = found.costs, found.tokens_in + found.tokens_out
    at_most = "" if found.busy_ms is not None else "at most "
    busy, wall = found.at_most_busy_ms / HOUR_MS, found.wall_ms / HOUR_MS
    lines = [
        f"{found.provider}: {_machine(found)}",
        f"  busy: {at_most}{busy:.2f} of {wall:.2f} hours, utilisation {found.utilisation}",
        f"  used: {found.answers} answers, {found.tokens_in} tokens in, {found.tokens_out} out",
    ]
    if costs.joules is not None:
        lines.append(f"  energy: {home_report.kwh(costs.joules)} kWh, idling included")
    marginal, full = (
        _each(home_cost.per_million(cost, tokens)) for cost in (costs.marginal, costs.full)
    )
    fixed = f"idling {usd(costs.idle)}, hardware {usd(costs.hardware)}"
    lines += [
        f"  marginal cost: {usd_text(costs.marginal)} USD{marginal}",
        f"  full cost: {usd_text(costs.full)} USD{full} ({fixed})",
        f"  in the ledger: {usd_text(found.booked)} USD, the calls' marginal cost",
    ]
    return lines


def _each(per_million: int | None) -> str:
    return "" if per_million is None else f", {usd(per_million)} per million tokens"


def _machine(found: Report) -> str:
    machine = found.machine
    if machine.usd_per_busy_hour is not None:
        return f"{machine.usd_per_busy_hour.normalize():f} USD per busy hour"
    hardware = (
        f", {machine.hardware_usd.normalize():f} USD over {machine.life_years.normalize():f} years"
        if machine.hardware_usd
        else ", no price of the hardware stated"
    )
    return (
        f"{machine.watts or 0:f} W answering, {machine.idle_watts:f} W idle, "
        f"{machine.usd_per_kwh.normalize():f} USD per kWh{hardware}"
    )


def _show_beside(found: Report) -> None:
    if not found.beside:
        return
    rows = []
    for one in found.beside:
        even = home_report.parts(one.break_even)
        unknown = one.cost.unpriced or not one.cost.tokens
        rows.append(
            [
                f"  {one.name}",
                "unknown" if unknown else usd_text(one.cost.pico),
                usd(home_cost.per_million(one.cost.pico, one.cost.tokens)) if not unknown else "",
                "" if unknown else "never" if even is None else f"from {even} on",
            ]
        )
    columns = ("  the same elsewhere", "USD", "per million", "home pays at a utilisation")
    show(columns, rows, right=("USD", "per million"))
