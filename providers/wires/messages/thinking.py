"""How much to think: as clients of this wire say it, and as its hosts are told."""

from __future__ import annotations

from typing import Any

from providers.dialect import Dialect
from providers.ir import Effort, Thinking
from providers.wires.messages.fields import a_text_or_none, wrong
from providers.wires.wire import BadRequestError, Json

EFFORTS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")
SHOWN = {"summarized": True, "omitted": False}
BUDGET_MIN = 1024
# Tokens of thought that an effort buys from a model that only knows budgets.
BUDGETS: dict[str, int] = {
    "minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384,
}  # fmt: skip
# Room that an answer keeps beside the thoughts, where the client's limit allows.
ROOM = 1024


def thinking_of(body: Json) -> Thinking | None:
    """Return what a client's ``thinking`` and ``output_config.effort`` say; None for nothing."""
    effort = _effort_of(body)
    said = body.get("thinking")
    if said is None:
        return Thinking(effort=effort) if effort is not None else None
    kind = said.get("type")
    show = SHOWN.get(a_text_or_none(said, "display", "thinking"))
    if kind == "disabled":
        return Thinking(effort="none", show=show)
    if kind in ("adaptive", "between_tools"):
        return Thinking(effort=effort, adaptive=True, show=show)
    if kind == "enabled":
        budget = said.get("budget_tokens")
        if not isinstance(budget, int) or isinstance(budget, bool):
            raise wrong("thinking.budget_tokens", "a whole number", budget)
        return Thinking(effort=effort, budget=budget, show=show)
    raise BadRequestError(
        "`thinking.type` must be enabled, adaptive, between_tools or disabled", "thinking.type"
    )


def _effort_of(body: Json) -> Effort | None:
    said = (body.get("output_config") or {}).get("effort")
    if said is None:
        return None
    for effort in EFFORTS:
        if said == effort:
            return effort
    raise BadRequestError(
        f"`output_config.effort` must be one of {', '.join(EFFORTS)}", "output_config.effort"
    )


def write_thinking(
    thinking: Thinking, dialect: Dialect, max_tokens: int, fixed: bool
) -> tuple[Json, Any, int, bool]:
    """Return how a host is told: ``thinking``, the effort or None, the new ``max_tokens``, whole.

    ``fixed``: the client set ``max_tokens`` itself, so that it must not grow. The last is False
    where the host cannot be told what the client asked for; an empty object is left out.
    """
    if thinking.effort == "none":
        if dialect.thinking == "none":
            return {}, None, max_tokens, True
        if dialect.thinking_off:
            return {"type": "disabled"}, None, max_tokens, True
        # This model always thinks: as little as it can.
        return {}, _word("low", dialect), max_tokens, False
    if dialect.thinking == "none":
        return {}, None, max_tokens, False
    by_budget = dialect.thinking == "budget"
    if by_budget or (not dialect.thinking and thinking.budget is not None):
        return _by_budget(thinking, dialect, max_tokens, fixed)
    effort = thinking.effort or _band(thinking.budget)
    told: Json = {"type": "adaptive"}
    if thinking.show is not None:
        told["display"] = "summarized" if thinking.show else "omitted"
    return told, _word(effort, dialect) if effort else None, max_tokens, True


def _by_budget(
    thinking: Thinking, dialect: Dialect, max_tokens: int, fixed: bool
) -> tuple[Json, Any, int, bool]:
    effort = thinking.effort if thinking.budget is not None and not dialect.thinking else None
    budget = thinking.budget
    if budget is None:
        budget = BUDGETS[thinking.effort or "high"]
    budget = max(budget, BUDGET_MIN)
    if budget >= max_tokens and not fixed and dialect.max_output is None:
        max_tokens += budget
    if budget >= max_tokens:
        # The wire's rule is that thoughts end before the answer's limit.
        budget = max(max_tokens - ROOM, min(BUDGET_MIN, max_tokens - 1))
    if budget < BUDGET_MIN:
        return {}, None, max_tokens, False
    told: Json = {"type": "enabled", "budget_tokens": budget}
    if thinking.show is not None:
        told["display"] = "summarized" if thinking.show else "omitted"
    return told, _word(effort, dialect) if effort else None, max_tokens, True


def _band(budget: int | None) -> Effort | None:
    if budget is None:
        return None
    if budget < 8 * 1024:
        return "low"
    return "medium" if budget < 16 * 1024 else "high"


def _word(effort: str, dialect: Dialect) -> str | None:
    found = dialect.efforts.get(effort, "low" if effort == "minimal" else effort)
    return found or None


def amid_foreign_loop(messages: list[Any]) -> bool:
    """Whether the messages end amid a loop of tool calls that did not begin with thoughts.

    A host that is told a budget refuses to think then: its thoughts may only begin a turn.
    """
    first: Any = None
    last: Any = None
    for message in reversed(messages):
        role, opening = _role_and_opening(message)
        last = last or role
        if role == "user" and opening != "tool_result":
            break
        if role == "assistant":
            first = opening
    return last == "user" and first not in (None, "thinking", "redacted_thinking")


def _role_and_opening(message: Any) -> tuple[Any, Any]:
    if not isinstance(message, dict):
        return None, None
    content = message.get("content")
    block = content[0] if isinstance(content, list) and content else None
    return message.get("role"), block.get("type") if isinstance(block, dict) else "text"
