"""Who may ask, and what each may: client keys, as the config file says them."""

from __future__ import annotations

from pydantic import Field

from gateway.config_budgets import BudgetOfKeyForm
from gateway.config_values import Form, KeyHash, Name, Text, Usd, Whole
from routing.policy_form import FactsForm, RequireForm


class KeyForm(Form):
    """One client key, known by its hash. ``models`` None is all of them; ``label`` the least.

    ``require`` and ``forbid`` are as in a rule of the policy, for all calls of this key.
    ``debt_usd`` is how much it may spend while that can be neither written nor counted, within what
    the whole gateway may; None: all of that. ``trust_user``: its calls say for which user they are
    made, and that is believed.
    """

    name: Name
    hash: KeyHash = Field(repr=False)
    team: Name | None = None
    label: Text | None = None
    models: tuple[Text, ...] | None = None
    rpm: Whole | None = None
    tpm: Whole | None = None
    budget: BudgetOfKeyForm | None = None
    debt_usd: Usd | None = None
    trust_user: bool = False
    require: RequireForm | None = None
    forbid: FactsForm | None = None
