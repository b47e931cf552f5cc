"""Everything that is no call, by FastAPI: pages, lists, kept answers, the API for the admin.

It is loaded and built when it is first asked for, so that a gateway that only serves calls neither
waits for it nor holds it in memory.
"""

from __future__ import annotations

from fastapi import FastAPI

from gateway import (
    admin,
    admin_budgets,
    admin_ledger,
    admin_plans,
    admin_spend,
    kept_answers,
    models,
)
from gateway.dashboard import (
    bills,
    explore,
    files,
    flows,
    keys_and_budgets,
    overview,
    playground,
    policy,
    providers,
    request,
    requests,
    whatif,
)
from gateway.house import House

ROOMS = (
    models,
    kept_answers,
    admin,
    admin_spend,
    admin_ledger,
    admin_budgets,
    admin_plans,
    files,
    explore,
    flows,
    requests,
    request,
    overview,
    providers,
    keys_and_budgets,
    policy,
    whatif,
    bills,
    playground,
)


def site(house: House) -> FastAPI:
    """Return the application of ``house``."""
    app = FastAPI(title="Entrepôt", docs_url=None, redoc_url=None)
    for room in ROOMS:
        app.include_router(room.router)
    models.say_errors_in_the_askers_wire(app)
    app.state.house = house
    return app
