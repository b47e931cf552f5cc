"""Where rates and budgets are counted, and what the ledger says was spent before counting began."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from billing import reports
from billing.budgets import BudgetRule
from billing.drain import Drain
from billing.limits import Limits
from billing.limits_memory import MemoryLimits
from billing.limits_redis import Server
from billing.limits_shared import SharedLimits
from billing.reports import Asked
from billing.store import Store
from gateway.config import Config

ACCOUNTS_SHOWN_MAX = 100


class LedgerSums:
    """Reads what a budget's calls cost since a moment: what is known, and the most of the rest.

    ``config`` says which names lead to which entry, and is replaced at a reload. An attempt whose
    cost has no bound that is known adds nothing. Raises ``StoreError``.
    """

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self.config = config

    def __call__(self, rule: BudgetRule, since: datetime) -> int:
        """Return the sum in 1e-12 dollars; ``rule`` is for one account."""
        asked = Asked((), since, None, UTC, self._where(rule))
        if rule.model is None:
            return reports.spend(self._store, asked).total.most_pico
        rows, _ = reports.grouped(self._store, replace(asked, by=("model_asked",)))
        return sum(row.most_pico for row in rows if self._leads(row.names[0], rule.model))

    def accounts(self, rule: BudgetRule, since: datetime) -> list[str]:
        """Return the keys or users that a rule has accounts of, who spent most first."""
        rows, _ = reports.grouped(
            self._store, Asked((rule.each,), since, None, UTC, self._where(rule))
        )
        return [row.names[0] for row in rows if row.names[0]][:ACCOUNTS_SHOWN_MAX]

    def _where(self, rule: BudgetRule) -> dict[str, tuple[str, ...]]:
        lines = {
            "key": rule.key,
            "team": rule.team,
            "user": rule.user,
            "tag": rule.tag,
            "label": rule.label,
            "provider": rule.provider,
        }
        where: dict[str, tuple[str, ...]] = {
            name: (value,) for name, value in lines.items() if value is not None
        }
        if rule.user == "":
            # Those who name nobody, of the keys whose calls name users.
            trusted = (key.name for key in self.config.keys if key.trust_user)
            where = {"key": tuple(trusted), **where}
        return where

    def _leads(self, asked: str, model: str) -> bool:
        entry = self.config.entry(asked)
        return asked == model or (entry is not None and entry[0] == model)


async def open_limits(
    config: Config, sums: LedgerSums, drain: Drain, stack: AsyncExitStack
) -> Limits:
    """Return the limits as ``state`` says, without rules yet; they are closed with ``stack``."""
    zone = config.server.zone
    if config.state == "memory":
        return MemoryLimits(zone=zone, spent_since=sums)
    server = Server(config.state)
    limits = SharedLimits(
        server, namespace(config.ledger), zone=zone, spent_since=sums, fresh=drain.move
    )
    stack.push_async_callback(limits.close)
    return limits


def namespace(ledger: str) -> str:
    """Return a word for a ledger, the same in all processes that write to it; without its secrets.

    A file is told by its whole path, a database by its host and name.
    """
    if ledger.startswith("sqlite:///"):
        told = str(Path(ledger.removeprefix("sqlite:///")).resolve())
    else:
        told = ledger.partition("://")[2].rpartition("@")[2].partition("?")[0]
    return blake2b(told.encode(), digest_size=8).hexdigest()
