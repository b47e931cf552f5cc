"""How a model behind the Converse wire is told to think: in fields of its own, which differ.

They stand in ``additionalModelRequestFields``. The dialect says which manner a model has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from providers import ir
from providers.dialect import Dialect, Path
from providers.wires.messages.thinking import BUDGET_MIN, BUDGETS

Json = dict[str, Any]

# A budget's word where only words can be said: the first whose bound it stays under.
BANDS = ((8192, "low"), (16384, "medium"))
# Room for the answer beside the thoughts where the client set no limit of its own.
ANSWER_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Thought:
    """What to write: the model's own fields, the limit of output that they need, and if it thinks.

    ``exclusive``: while it thinks so, it takes no sampling parameters.
    """

    fields: Json
    max_output: int | None
    exclusive: bool = False


def thought(
    request: ir.Request, dialect: Dialect, *, forced: bool, open_loop: bool, lost: list[str]
) -> Thought:
    """Return how ``request`` has to be written; what cannot be goes into ``lost``.

    ``forced``: a call of a tool is required. ``open_loop``: the results of a turn that has no
    thoughts of this issuer come last.
    """
    wish = request.thinking
    if wish is None:
        return Thought({}, request.max_output)
    if dialect.thinking == "adaptive":
        return Thought(_adaptive(wish, dialect, lost), request.max_output)
    if dialect.thinking == "budget":
        return _budgeted(wish, request, dialect, forced=forced, open_loop=open_loop, lost=lost)
    return Thought(_by_word(wish, dialect, lost), request.max_output)


def _adaptive(wish: ir.Thinking, dialect: Dialect, lost: list[str]) -> Json:
    if _off(wish):
        if dialect.thinking_off:
            return {"thinking": {"type": "disabled"}}
        # It is asked for as little as it can.
        lost.append("thinking")
    thinking: Json = {"type": "adaptive"}
    if wish.show is not None:
        thinking["display"] = "summarized" if wish.show else "omitted"
    effort = _effort(wish)
    word = _word("low" if effort == "none" else effort, dialect)
    return {"thinking": thinking, **({"output_config": {"effort": word}} if word else {})}


def _budgeted(
    wish: ir.Thinking,
    request: ir.Request,
    dialect: Dialect,
    *,
    forced: bool,
    open_loop: bool,
    lost: list[str],
) -> Thought:
    limit = request.max_output
    tokens = wish.budget or BUDGETS.get(wish.effort or "", 0)
    if not tokens and wish.adaptive:
        tokens = BUDGETS["high"]
    if _off(wish) or not tokens:
        return Thought({}, limit)
    if forced or (limit is not None and limit <= BUDGET_MIN):
        # Neither a forced call nor so short an answer goes with a budget; both were asked for
        # more strictly than thinking was.
        lost.append("thinking")
        return Thought({}, limit)
    if open_loop:
        # A turn that began without thoughts has to end without them: the host refuses it else.
        return Thought({}, limit)
    tokens = max(tokens, BUDGET_MIN)
    if limit is None:
        limit = max(dialect.max_output or 0, tokens + ANSWER_TOKENS)
    tokens = min(tokens, limit - 1)
    fields = {"thinking": {"type": "enabled", "budget_tokens": tokens}}
    return Thought(fields, limit, exclusive=True)


def _by_word(wish: ir.Thinking, dialect: Dialect, lost: list[str]) -> Json:
    effort = _effort(wish)
    if dialect.effort_path is not None and effort:
        word = _word(effort, dialect)
        return placed({}, dialect.effort_path, word) if word else {}
    if effort != "none" and (effort or wish.adaptive):
        lost.append("thinking")
    return {}


def _off(wish: ir.Thinking) -> bool:
    return wish.effort == "none" or wish.budget == 0


def _effort(wish: ir.Thinking) -> str:
    if _off(wish):
        return "none"
    if wish.effort is not None:
        return wish.effort
    if wish.budget is None:
        return ""
    return next((word for bound, word in BANDS if (wish.budget or 0) < bound), "high")


def _word(effort: str, dialect: Dialect) -> str:
    if effort in dialect.efforts:
        return dialect.efforts[effort]
    return "low" if effort == "minimal" and dialect.thinking == "adaptive" else effort


def placed(into: Json, path: Path, value: Any) -> Json:
    """Put ``value`` at ``path`` of ``into``, making what is missing on the way, and return it."""
    at = into
    for name in path[:-1]:
        at = at.setdefault(name, {})
    at[path[-1]] = value
    return into
