"""Once a day: months that are kept no longer go to the archive, and the next month is made ready.

The first is a process of its own, ``entrepot ledger roll-off --yes``, since it reads millions of
entries: nothing of it runs in the gateway. Several gateways of one ledger may do so at once; one
of them finds something to do.
"""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from billing import retention
from billing.store import Store, StoreError

# So long after a start, at random: those that start together are not at it together.
FIRST_AFTER_S = (60.0, 600.0)
EVERY_S = 86_400.0
# After a failure; a database that is away comes back.
AGAIN_AFTER_S = 3_600.0
WITHIN_S = 6 * 3_600.0
SAID_MAX = 500


class RollingOff:
    """Looks after the age of a ledger, for as long as ``daily`` runs.

    ``months`` gives how many are kept at this moment, None for all. ``trouble`` is why the last
    try failed, "" after a good one; ``say`` is called with it when it begins, and with "" when it
    is over.
    """

    def __init__(
        self,
        store: Store,
        config: Path,
        months: Callable[[], int | None],
        say: Callable[[str], None],
    ) -> None:
        self.trouble = ""
        self._store = store
        words = ("ledger", "roll-off", "--yes", "--config", str(config.absolute()))
        self._command = (sys.executable, "-P", "-m", "gateway.cli", *words)
        self._months = months
        self._say = say

    async def daily(self) -> None:
        """Do it once a day, until cancelled; the next month is made ready at once."""
        self._tell(await self._prepared())
        await asyncio.sleep(random.SystemRandom().uniform(*FIRST_AFTER_S))
        while True:
            good = await self.once()
            await asyncio.sleep(EVERY_S if good else AGAIN_AFTER_S)

    async def once(self) -> bool:
        """Do it now; return whether all went well."""
        why = await self._prepared()
        if not why and self._months() is not None:
            why = await self._rolled_off()
        self._tell(why)
        return not why

    def _tell(self, why: str) -> None:
        if bool(why) != bool(self.trouble):
            self._say(why)
        self.trouble = why

    async def _prepared(self) -> str:
        """Make what the next month needs; return why it failed."""
        try:
            await asyncio.to_thread(retention.prepare, self._store, datetime.now(UTC))
        except StoreError as fault:
            return f"the next month of the ledger cannot be made ready: {fault}"
        return ""

    async def _rolled_off(self) -> str:
        """Run the command; return why it failed."""
        failed = "old months cannot be moved out of the ledger"
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, start_new_session=True
            )
        except OSError as fault:
            return f"{failed}: {fault}"
        try:
            async with asyncio.timeout(WITHIN_S):
                _, said = await process.communicate()
        except TimeoutError:
            return f"{failed}: it took longer than {WITHIN_S / 3600:g} hours"
        finally:
            # Killed at any point it loses nothing; the next one ends what it has begun.
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            words = " ".join(said.decode(errors="replace").split())[-SAID_MAX:]
            return f"{failed}: {words or f'exit code {process.returncode}'}"
        return ""
