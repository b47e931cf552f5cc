"""Limits and budgets counted at one Redis or Valkey, for all processes and machines that share it.

A hold is one script and one round trip, a settlement another, sent beside the calls. What a process
holds has a lease, renewed by a beat every few seconds for all of it at once; what a dead process
held is given back once by whoever beats next. What was spent is counted there at each settlement,
from a sum that the ledger gave when counting began, and is raised to the ledger's sum where that is
higher: what a killed process had in its journal counts once the journal is drained. It is never
lowered. The server should keep what it has (no eviction); where it lost everything, sums are read
from the ledger again and processes set aside anew what their calls under way hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import tzinfo
from hashlib import blake2b

from billing import limits_scripts as scripts
from billing.budgets import BudgetRule, Holder
from billing.limits import (
    ACCOUNTS_MAX,
    FREE,
    OTHERS,
    WINDOW_S,
    Hold,
    Limits,
    Line,
    OverLimitError,
    RateRule,
    SpentSince,
    Standing,
    StateAwayError,
    over_requests,
    over_tokens,
    passed,
)
from billing.limits_redis import AWAY_S, REPLY_S, Call, Reply, Server
from billing.limits_said import Part, SharedHold, both, kept_s, one, standing, two
from billing.store import StoreError

LEASE_MS = 15_000
BEAT_S = 3.0
RECONCILE_S = 30.0
RECONCILED_MAX = 64
TOUCHED_MAX = 4096
FREED_MAX = 1000
SHOWN_MAX = 1000
# For how long what a provider's budget has left is taken for known.
FRESH_S = 2.0


class SharedLimits(Limits):
    """All limits and budgets, at a server.

    ``namespace`` tells ledgers apart that share the server. ``fresh`` moves this process' journal
    into the ledger. ``freed`` counts what was given back in the place of dead processes.
    """

    def __init__(
        self,
        server: Server,
        namespace: str,
        *,
        zone: tzinfo,
        spent_since: SpentSince,
        fresh: Callable[[], Awaitable[object]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(zone=zone, spent_since=spent_since)
        self._server = server
        self._fresh = fresh
        self._clock = clock
        self._ahead_s = 0.0
        self._prefix = f"entrepot:{{{namespace}}}:"
        self._process = secrets.token_hex(8)
        self._holds = f"{self._prefix}h:{self._process}"
        self._leases = f"{self._prefix}leases"
        self._open: dict[str, SharedHold] = {}
        self._pending: dict[str, tuple[Call, SharedHold]] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._touched: dict[str, Part] = {}
        self._uncounted: dict[str, Part] = {}
        self._missing = False
        self._left: dict[str, tuple[float, int]] = {}
        self.freed = 0

    @property
    def away(self) -> str:
        """Why the server cannot be reached, "" where it can."""
        return self._server.away

    async def configure(self, rates: Iterable[RateRule], budgets: Iterable[BudgetRule]) -> None:
        """Take new rules, as ``Limits`` says; their counts are at the server."""
        self._take(rates, budgets)
        if self._beating is None:
            await self._beat()
            self._beating = asyncio.create_task(self._beat_on(), name="beat")
            # What dead processes left in their journals is in the ledger by now.
            lines = [line for line in (*self._lines, *self._of_routes) if not line.rule.each]
            for part in self._parts(lines, [""] * len(lines)):
                self._touched[part.key] = part
            await self._reconcile()

    async def hold(
        self, who: Holder, tokens: int, ceiling: int | None, *, rated: bool = True
    ) -> Hold:
        """Set aside, as ``Limits`` says, in one round trip."""
        rate = self._rates.get(who.key) if rated else None
        if rate is None and not self._lines:
            return FREE
        lines = [line for line in self._lines if line.rule.covers(who)]
        return await self._held(lines, who, tokens, ceiling, rate)

    async def hold_route(self, who: Holder, provider: str, ceiling: int | None) -> Hold:
        """Set aside for one attempt, as ``Limits`` says."""
        return await self._held(self._of_route(who, provider), who, 0, ceiling, None)

    def room(self, who: Holder, provider: str) -> int | None:
        """Return what was left a moment ago, as ``Limits`` says; the attempt itself asks again."""
        since = time.monotonic() - FRESH_S
        found = []
        for line in self._of_route(who, provider):
            at, left = self._left.get(self._key(line, line.rule.account_of(who)), (0.0, 0))
            if at > since and not line.rule.soft:
                found.append(left)
        return min(found, default=None)

    def uncounted(self, who: Holder) -> bool:
        """Whether a sum is not known, as ``Limits`` says."""
        if not self._uncounted:
            return False
        lines = [line for line in (*self._lines, *self._of_routes) if line.rule.covers(who)]
        return any(self._key(ln, ln.rule.account_of(who)) in self._uncounted for ln in lines)

    async def recount(self) -> bool:
        """Read what is missing, as ``Limits`` says.

        That is also what was let in while the server was away.
        """
        if not self.some_uncounted:
            return True
        if self._missing:
            if self.away or not await self._reconcile(TOUCHED_MAX):
                return False
            self._missing = False
        for part in tuple(self._uncounted.values()):
            try:
                await self._raise(part)
            except (StoreError, StateAwayError):
                return False
            self._uncounted.pop(part.key, None)
        self.some_uncounted = bool(self._uncounted)
        return not self.some_uncounted

    async def _held(
        self,
        lines: Sequence[Line],
        who: Holder,
        tokens: int,
        ceiling: int | None,
        rate: RateRule | None,
    ) -> Hold:
        if ceiling is None:
            for line in lines:
                if not line.rule.soft:
                    raise line.unpriced()
        if rate is None and not lines:
            return FREE
        names = [line.rule.account_of(who) for line in lines]
        for _ in range(4):
            hold = SharedHold(self.settle, self._parts(lines, names), ceiling or 0)
            reply = await self._asked_to_hold(hold, tokens, rate)
            if reply[0] == "held":
                self._note(hold, reply[3:])
                return hold
            if reply[0] == "unseeded":
                for number in map(int, reply[3:]):
                    names[number - 1] = await self._opened(hold.parts[number - 1])
            elif reply[0] != "turned":
                raise self._refusal(hold, tokens, rate, reply)
        raise StateAwayError("its clock does not stand still long enough to count by it")

    def _parts(self, lines: Sequence[Line], names: Sequence[str]) -> list[Part]:
        now = self._clock() + self._ahead_s
        return [
            Part(line, name, self._key(line, name), line.at(now))
            for line, name in zip(lines, names, strict=True)
        ]

    async def _asked_to_hold(
        self, hold: SharedHold, tokens: int, rate: RateRule | None, how: str = ""
    ) -> Reply:
        """Send a hold; what came of it may be a refusal. Raises ``StateAwayError``."""
        if self._server.is_out:
            self._missed(hold.parts)
            raise StateAwayError(self.away)
        if not how:
            known = not self._uncounted or not any(p.key in self._uncounted for p in hold.parts)
            how = "0" if known else "2"
        hold.rate = f"{self._prefix}r:{rate.key}" if rate is not None else f"{self._prefix}r:"
        hold.tokens = tokens
        keys = [self._holds, self._leases, hold.rate, *(part.key for part in hold.parts)]
        rpm = rate.rpm if rate is not None and rate.rpm is not None else -1
        tpm = rate.tpm if rate is not None and rate.tpm is not None else -1
        head = [
            self._process,
            hold.ident,
            LEASE_MS,
            *two(hold.amount),
            how,
            rpm,
            tpm,
            tokens,
        ]
        arguments = [*map(str, head)]
        for part in hold.parts:
            bound = two(part.line.limit) if not part.line.rule.soft else (-1, 0)
            arguments += map(str, (*part.at, *bound, kept_s(part.at)))
        self._open[hold.ident] = hold
        reply: Reply | None = None
        try:
            reply = await self._server.run(scripts.HOLD, Call(keys, arguments))
        except StateAwayError:
            self._missed(hold.parts)
            raise
        finally:
            if reply is None:
                # It may have been made, or be made yet: see to it that it is not.
                self._send(hold, 0, 0, void=True)
            if reply is None or reply[0] != "held" or not hold.parts:
                self._open.pop(hold.ident, None)
        self._ahead_s = float(reply[1]) + float(reply[2]) / 1e6 - self._clock()
        hold.second = reply[1] if rate is not None else ""
        return reply

    def _missed(self, parts: Sequence[Part]) -> None:
        """Note that calls may be let in that the server does not count: the ledger has them."""
        self._missing = self.some_uncounted = True
        for part in parts:
            if len(self._touched) < TOUCHED_MAX:
                self._touched[part.key] = part

    def _note(self, hold: SharedHold, used: Sequence[str]) -> None:
        """Keep what a reply tells of the accounts."""
        for part, told in zip(hold.parts, used, strict=True):
            if len(self._touched) < TOUCHED_MAX:
                self._touched[part.key] = part
            if part.line.rule.provider is not None:
                left = part.line.limit - sum(both(told)) - hold.amount
                self._know(part.key, max(0, left))

    def _know(self, key: str, left: int) -> None:
        if len(self._left) >= TOUCHED_MAX:
            self._left.clear()
        self._left[key] = (time.monotonic(), left)

    def _refusal(
        self, hold: SharedHold, tokens: int, rate: RateRule | None, reply: Reply
    ) -> OverLimitError | StateAwayError:
        now = float(reply[1])
        if reply[0] == "over":
            part = hold.parts[int(reply[3]) - 1]
            left = part.line.limit - sum(both(reply[4]))
            self._know(part.key, max(0, left))
            first = int(reply[5])
            began = first if first >= 0 else part.at.current
            frees_s = began + part.at.end - part.at.oldest
            return part.line.refusal(left, hold.amount, now, frees_s)
        if rate is None or reply[0] == "void":
            return StateAwayError("it has been told already not to make this hold")
        frees_in_s = max(1.0, float(reply[4]) + WINDOW_S + 1 - now)
        if reply[0] == "requests":
            return over_requests(rate, frees_in_s)
        return over_tokens(rate, int(reply[3]), tokens, frees_in_s)

    def settle(self, hold: SharedHold, cost: int | None, tokens: int) -> int:
        """Settle ``hold`` once, as ``Hold`` says; for ``SharedHold`` alone."""
        is_open = self._open.pop(hold.ident, None) if hold.parts else hold.second
        if not is_open:
            return 0
        self._send(hold, cost, tokens)
        hold.second = ""
        is_over = cost is not None and any(not part.line.rule.soft for part in hold.parts)
        return max(0, (cost or 0) - hold.amount) if is_over else 0

    def _send(self, hold: SharedHold, cost: int | None, tokens: int, *, void: bool = False) -> None:
        real = hold.amount if cost is None else cost
        over = max(0, real - hold.amount)
        keys = [self._holds, hold.rate, *(part.key for part in hold.parts)]
        numbers = (*two(hold.amount), *two(real), *two(over), int(cost is None))
        arguments = [hold.ident, *map(str, numbers)]
        arguments += [hold.second, str(tokens - hold.tokens), str(int(void))]
        for part in hold.parts:
            arguments += (str(part.at.oldest), str(part.at.current))
        self._pending[hold.ident] = (Call(keys, arguments), hold)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())
            self._flushing.add_done_callback(self._flushed)

    def _flushed(self, _: asyncio.Task[None]) -> None:
        self._flushing = None
        # Where the server is away they wait for it: no more can come than was held before.
        if self._pending and not self.away:
            self._flush_soon()

    async def _flush(self) -> None:
        """Send what waits, and tell of what it passed."""
        batch = tuple(self._pending.items())
        replies = [self._server.ask(scripts.SETTLE, call) for _, (call, _) in batch]
        for (ident, (_, hold)), asked in zip(batch, replies, strict=True):
            try:
                reply = await asked
            except StateAwayError:
                continue
            del self._pending[ident]
            self._tell(hold, reply)

    def _tell(self, hold: SharedHold, reply: Reply) -> None:
        for part, before, after in zip(hold.parts, reply[::2], reply[1::2], strict=False):
            self._pass(part, before, after)

    def _pass(self, part: Part, before: str, after: str) -> None:
        for crossing in passed(part.line, part.account, one(before), one(after), part.at):
            self.crossed(crossing)

    async def _opened(self, part: Part) -> str:
        """Begin to count for an account, from what the ledger knows; return whose account counts.

        Raises ``StateAwayError``.
        """
        names = f"{self._prefix}n:{part.line.ident}"
        each = part.line.rule.each and part.account != OTHERS
        if each and await self._server.count(names) >= ACCOUNTS_MAX:
            return OTHERS
        await self._fresh()
        try:
            await self._raise(part)
        except StoreError:
            if len(self._uncounted) < TOUCHED_MAX:
                self._uncounted[part.key] = part
                self.some_uncounted = True
        return part.account

    async def _raise(self, part: Part) -> None:
        """Raise what is counted to what the ledger knows, where that is more.

        Raises ``StoreError`` or ``StateAwayError``.
        """
        at = part.line.at(self._clock() + self._ahead_s)
        sums = await asyncio.to_thread(self._sums, part.line, part.account, at)
        arguments = [str(kept_s(at)), str(at.oldest), part.account]
        for start, spent in sums.items():
            arguments += map(str, (start, *two(spent)))
        keys = [part.key, f"{self._prefix}n:{part.line.ident}"]
        before, after = await self._server.run(scripts.RAISE, Call(keys, arguments))
        self._pass(part._replace(at=at), before, after)

    async def _beat_on(self) -> None:
        reconciled_at = time.monotonic()
        while True:
            await asyncio.sleep(AWAY_S if self.away else BEAT_S)
            await self._beat()
            if not self.away and time.monotonic() - reconciled_at > RECONCILE_S:
                reconciled_at = time.monotonic()
                await self._reconcile()

    async def _beat(self) -> None:
        """Renew the lease of all that is held here, and give back what dead processes hold."""
        arguments = [self._process, str(LEASE_MS), self._prefix, str(FREED_MAX)]
        try:
            reply = await self._server.run(
                scripts.BEAT, Call([self._holds, self._leases], arguments)
            )
            self.freed += int(reply[3])
            if not int(reply[2]) and self._open:
                await self._hold_again()
        except StateAwayError:
            return
        self._ahead_s = float(reply[0]) + float(reply[1]) / 1e6 - self._clock()
        if self._pending:
            self._flush_soon()

    async def _hold_again(self) -> None:
        """Set aside once more all that is held here: the server had lost or freed it."""
        asked = []
        for hold in self._open.values():
            # Whatever settles one of them from here on goes out after it.
            head = [self._process, hold.ident, LEASE_MS, *two(hold.amount)]
            arguments = [*map(str, head), "1", "-1", "-1", "0"]
            for part in hold.parts:
                arguments += map(str, (*part.at, -1, 0, kept_s(part.at)))
            keys = [self._holds, self._leases, hold.rate, *(part.key for part in hold.parts)]
            asked.append(self._server.ask(scripts.HOLD, Call(keys, arguments)))
        await asyncio.gather(*asked)

    async def _reconcile(self, most: int = RECONCILED_MAX) -> bool:
        """Compare what is counted with the ledger, for the accounts that calls came to.

        Returns whether that could be done.
        """
        for key in tuple(self._touched)[:most]:
            part = self._touched.pop(key)
            try:
                await self._raise(part)
            except (StoreError, StateAwayError):
                self._touched[key] = part
                return False
        return True

    async def standings(self) -> list[Standing]:
        """Return how all accounts stand, as ``Limits`` says; of one budget ``SHOWN_MAX``."""
        now = self._clock() + self._ahead_s
        found: list[Standing] = []
        for line in (*self._lines, *self._of_routes):
            accounts = [""]
            if line.rule.each:
                names = f"{self._prefix}n:{line.ident}"
                accounts = await self._server.newest(names, SHOWN_MAX)
            at = line.at(now)
            for account in accounts:
                fields = await self._server.fields(self._key(line, account))
                found.append(standing(line.rule, account, at, fields))
        return found

    async def close(self) -> None:
        """Send what waits, end the lease where nothing is held, and close the connections."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
        if self._flushing is not None:
            await asyncio.wait([self._flushing], timeout=REPLY_S)
        if not self._open and not self._pending and not self.away:
            with contextlib.suppress(StateAwayError):
                await self._server.forget(self._holds, self._leases, self._process)
        await self._server.close()

    def _key(self, line: Line, account: str) -> str:
        # Clients name users: whatever they write, it is one word here.
        name = blake2b(account.encode(), digest_size=12).hexdigest() if account else ""
        return f"{self._prefix}b:{line.ident}:{name}"
