"""What happened in one exchange: the one source of its metrics and its log line."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from billing.ledger import Entry
from billing.money import usd_text


class Record(Struct, eq=False, gc=False):
    """One client call, filled in station by station. ``began`` is monotonic seconds.

    ``most_pico`` is what it may have cost: where an attempt's cost is unknown, the most that it can
    have been; None where that is unknown too. ``overrun_pico`` is what it cost over what budgets
    had set aside. ``detected`` says in words what raised the label, ""
    where nothing did. ``answered`` turns True with the last byte for the client: a disconnect after
    it is none.
    """

    request_id: str
    began: float
    wire: str = "chat"
    key: str = ""
    model_asked: str = ""
    stream: bool = False
    status: int = 0
    code: str = ""
    cost_pico: int | None = 0
    most_pico: int | None = 0
    overrun_pico: int = 0
    detected: str = ""
    answered: bool = False
    attempts: list[Entry] = field(default_factory=list)

    @property
    def route(self) -> str:
        """The route that answered, else the last that was tried, as provider/model; "" for none."""
        last = self.last
        return f"{last.provider}/{last.model}" if last else ""

    @property
    def last(self) -> Entry | None:
        """The attempt that the client's answer, or the end of it, came from; None: none was made.

        One that lost a race may be settled after the one that won it.
        """
        for entry in reversed(self.attempts):
            if entry.purpose != "hedge":
                return entry
        return None

    def line(self, seconds: float) -> dict[str, Any]:
        """The exchange as one log line: no prompt, no answer, no key."""
        last = self.last
        line = {
            "event": "call",
            "id": self.request_id,
            "key": self.key,
            "wire": self.wire,
            "model": self.model_asked,
            "route": f"{last.provider}/{last.model}" if last else "",
            "status": self.status,
            "code": self.code,
            "outcome": last.outcome if last else "refused",
            "attempts": len(self.attempts),
            "seconds": round(seconds, 4),
            "tokens_in": last.prompt_tokens if last else 0,
            "tokens_out": last.completion_tokens if last else 0,
        }
        failed = [f"{e.provider}/{e.model}: {e.error}" for e in self.attempts if e.error]
        if failed:
            line["failed"] = failed
        if self.overrun_pico:
            line["overrun_usd"] = usd_text(self.overrun_pico)
        return line
