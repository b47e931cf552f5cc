"""``GET /dashboard/policy``: the rules in words, whether they hold, and what they leave whom."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from gateway.dashboard.explain_form import FIELDS, answered, orders, teams
from gateway.dashboard.page import View, shown
from gateway.dashboard.policy_matrix import matrix
from gateway.dashboard.policy_proof import proven
from gateway.dashboard.rule_words import Raising, groups, rules
from gateway.explaining import PROMPT_TOKENS, USUAL_WIRE, client_wires
from gateway.setup import NO_TEAM

router = APIRouter()


@router.get("/dashboard/policy")
@shown("policy", *FIELDS)
async def policy(view: View) -> Response:
    """Show the policy; ``?key=`` and ``team`` say for whom, ``model`` and the rest ask to explain.

    What is wrong with a field is said beside it.
    """
    setup, t = view.house.setup, view.t
    form = answered(view.house, view.given, t)
    found = setup.policy
    return view.render(
        400 if form.faults else 200,
        policy=found,
        proof=await proven(setup, t),
        rules=rules(found, t),
        groups=groups(found, t),
        tags=[Raising(tag, label) for tag, label in found.tag_labels.items()],
        detected=[Raising(kind, label) for kind, label in setup.config.detect.items()],
        form=form,
        who=form.who,
        rows=await matrix(setup, form.who, t),
        keys=[one.name for one in setup.principals.values()],
        teams=teams(setup, view.given.get("team", "")),
        orders=orders(),
        wires=client_wires(),
        usual_wire=USUAL_WIRE,
        prompt_tokens=PROMPT_TOKENS,
        no_team=NO_TEAM,
    )
