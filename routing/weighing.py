"""What a call takes of the plan that pays it: requests, tokens, credits, dollars at list prices."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from billing import pricing
from providers.usage import Usage
from routing.route import Subscribed
from routing.window_count import Amounts


def taken(plan: Subscribed, model: str, usage: Usage, when: datetime) -> Amounts:
    """Return what one call of ``model`` that began at ``when`` took of ``plan``."""
    tokens = usage.prompt_tokens + usage.completion_tokens
    weights = plan.weights
    if weights is not None and weights.list_price is None:
        return Amounts(tokens=tokens, credits=weights.credits(model, usage, when))
    if weights is None and not plan.in_dollars:
        return Amounts(tokens=tokens)
    # What a host states of its charge within a plan is not what it charges by the token.
    cost = pricing.cost(replace(usage, stated_usd=None), plan.payg, when)
    weight = None
    if weights is not None and cost.native_pico is not None:
        weight = weights.by_list_price(cost.currency, cost.native_pico)
    return Amounts(tokens=tokens, credits=weight, usd=cost.pico)
