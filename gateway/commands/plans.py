"""``entrepot plans``: what subscriptions took in, really cost and saved, and what is left."""

from __future__ import annotations

import asyncio
from datetime import datetime
from math import ceil
from typing import Annotated

import typer

from billing.money import usd_text
from billing.plans import Account, Elsewhere
from billing.store import Store
from gateway import plan_reading, plan_report
from gateway.commands import books
from gateway.commands.books import UntilOption
from gateway.commands.reading import ConfigOption, load_setup
from gateway.commands.screen import JsonOption, print_json, say, show
from gateway.commands.spending import BesideOption, SinceOption, checked_beside, last_of, usd
from gateway.plan_report import Report
from gateway.plan_windows import quotas, remember
from gateway.setup import Setup
from providers.client import Client
from providers.plan_reading import answer_told
from routing.windows import Used, Windows

CONNECTIONS = 4


def run(
    since: SinceOption = "30d",
    until: UntilOption = None,
    beside: BesideOption = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the vendors what is left, where they tell it.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show each plan: its fee, what it took in, what that cost elsewhere, and its windows."""
    setup = load_setup(config)
    span = last_of(since, until, setup.config)
    other = checked_beside(setup, beside)
    windows = Windows()

    def report(store: Store | None) -> list[Report]:
        if store is not None:
            remember(windows, setup, store)
        if ask:
            asyncio.run(_ask(setup, windows))
        return plan_report.reports(setup, store, windows, span, other)

    found, waiting = books.read(setup.config, report, None)
    if found is None:
        found = report(None)
    zone = setup.config.server.zone
    if as_json:
        told = [plan_report.told(one, zone) for one in found]
        print_json(
            {
                "since": span[0].isoformat(),
                "until": span[1].isoformat(),
                "time_zone": str(zone),
                "plans": told,
                "waiting": waiting.entries,
            }
        )
        return
    if not found:
        say("no provider of this config is a plan")
    for number, one in enumerate(found):
        say(*([""] if number else []), *_lines(one))
        _show_windows(one, setup)
    for line in books.notes(waiting):
        say("", line)


async def _ask(setup: Setup, windows: Windows) -> None:
    """Ask each key's vendor, at the address that the key is bound to."""
    client = Client(
        connect_s=setup.connect_s,
        connections_per_host=CONNECTIONS,
        kind=setup.config.server.http_client,
    )
    try:
        for name, quota in quotas(setup.providers).items():
            owner = setup.providers[name]
            if owner.available or not quota.path:
                continue
            for key in owner.endpoints:
                raw = await plan_reading.fetched(client, key, quota.path)
                windows.told(name, key.quota, answer_told(quota.says, raw))
    finally:
        await client.close()


def _lines(found: Report) -> list[str]:
    account = found.account
    tier = f", {found.tier}" if found.tier else ""
    lines = [f"{found.provider}: {found.plan.name}{tier}"]
    if found.terms:
        lines.append(f"  not used: {found.terms}")
    if account.fee is None:
        lines.append(f"  fee: unknown; {found.why_not}")
    else:
        lines.append(f"  fee: {usd_text(account.fee)} USD for this time ({found.fee})")
    lines.append(
        f"  used: {account.answers} answers, {account.tokens} tokens "
        f"({account.usage.prompt_tokens} in, {account.usage.cache_read} of them cached, "
        f"{account.usage.completion_tokens} out)"
    )
    if account.per_million is not None:
        lines.append(f"  really cost: {usd(account.per_million)} USD per million tokens")
    lines += _elsewhere(account)
    if account.extra_tokens:
        unknown = f", {account.extra_unknown} of unknown cost" if account.extra_unknown else ""
        lines.append(
            f"  billed by the token beside it: {usd_text(account.extra)} USD for "
            f"{account.extra_tokens} tokens{unknown}"
        )
    if (trend := plan_report.trend(account)) is not None:
        lines.append(f"  trend: {trend} times as much in the second half of this time")
    if found.plan.concurrency is not None:
        lines.append(f"  at once: up to {found.plan.concurrency} calls, by its vendor")
    return lines


def _elsewhere(account: Account) -> list[str]:
    lines = []
    for where, there in (("by the token", account.by_token), ("beside", account.other)):
        if there is not None and account.tokens:
            lines.append(f"  the same {where}: {_cost(there)}")
    saved = account.saved
    if saved is not None:
        what = f"it pays: {usd_text(saved)} USD saved" if saved > 0 else "it does not pay"
        lost = f": {usd_text(-saved)} USD more than by the token" if saved < 0 else ""
        lines.append(f"  {what}{lost}")
    even = account.break_even_tokens
    if even is not None and account.tokens:
        lines.append(f"  break-even: {even} tokens of this mix; used were {account.tokens}")
    return lines


def _cost(there: Elsewhere) -> str:
    if not there.tokens:
        return "no price is known"
    text = f"{usd_text(there.pico)} USD"
    if there.unpriced:
        text += f" for {there.tokens} tokens; {there.unpriced} more have no known price"
    return f"{text}, by the mean length of prompts" if there.by_mean else text


def _show_windows(found: Report, setup: Setup) -> None:
    if not found.windows:
        return
    rows = [_window(one, setup) for one in found.windows]
    columns = ("  window", "used", "of", "unit", "free in", "full in", "by")
    show(columns, rows, right=("used", "of", "free in", "full in"))


def _window(one: Used, setup: Setup) -> list[str]:
    unit = "of the whole" if one.window.unit == "share" else one.window.unit
    whole = one.most if one.most is not None else one.window.amount
    most = "unpublished" if whole is None else f"{whole.normalize():f}"
    return [
        f"  {one.window.per}",
        "unknown" if one.used is None else f"{one.used.normalize():f}",
        most,
        unit,
        "now" if not one.frees_in_s else f"{ceil(one.frees_in_s)} s",
        "" if one.full_in_s is None else f"{ceil(one.full_in_s)} s",
        _by(one, setup),
    ]


def _by(one: Used, setup: Setup) -> str:
    if one.used is None:
        return "nobody: only its vendor can count these"
    if one.told_at is not None:
        at = datetime.fromtimestamp(one.told_at, setup.config.server.zone)
        return f"the vendor's word at {at:%H:%M}"
    more = f", without {one.unweighed} calls of unknown weight" if one.unweighed else ""
    return f"this gateway's count{more}"
