"""What may be spent, as the config file says it: budgets, their periods, and who hears of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from billing.budgets import CALENDAR, BudgetRule, Each, rolling_s
from gateway import urls
from gateway.config_values import Form, Name, Number, Text, Usd
from gateway.problems import Fault, Place, WrongError
from routing.policy_form import nearest

PERIODS = f"{', '.join(CALENDAR)}, or a window such as rolling 5h or rolling 30d"
EACH = "each"
URL_MAX_CHARS = 2048


def _per(value: str) -> str:
    try:
        rolling_s(value)
    except ValueError:
        raise WrongError("is no period of a budget", PERIODS) from None
    return value


def _webhook(value: SecretStr) -> SecretStr:
    # The whole address is a secret: whoever knows it can write to the channel behind it.
    url, right = value.get_secret_value().strip(), "an address such as https://hooks.example.com/x"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WrongError("is not an address", right) from None
    is_plain = len(url) <= URL_MAX_CHARS and url.isascii() and url.isprintable()
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not is_plain:
        raise WrongError("is not an address", right)
    if "@" in parts.netloc or " " in url:
        raise WrongError("holds a user name, a password or a space", right)
    return SecretStr(url)


def _list_as_at(value: object) -> object:
    return {"at": value} if isinstance(value, list | tuple) else value


Per = Annotated[Text, AfterValidator(_per)]
Webhook = Annotated[SecretStr, AfterValidator(_webhook)]
Percent = Annotated[int, Number, Field(ge=1, le=1000)]


class AlertsForm(Form):
    """At which percentages of a budget it is told, each once a period.

    Told in the log, and to ``webhook``; None: to the config's own, where it has one.
    """

    at: Annotated[tuple[Percent, ...], Field(min_length=1, max_length=20)]
    webhook: Webhook | None = Field(default=None, repr=False)

    @field_validator("at")
    @classmethod
    def _rises(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))


Alerts = Annotated[AlertsForm | None, BeforeValidator(_list_as_at)]


class BudgetOfKeyForm(Form):
    """The most that one key may spend in a period; ``soft``: it is told, and nothing refused."""

    usd: Usd
    per: Per
    soft: bool = False
    alerts: Alerts = None


class BudgetForm(BudgetOfKeyForm):
    """The most that may be spent in a period by the calls that all of its lines fit.

    ``key`` and ``user`` may be ``each``: then every key or user has the whole sum for itself.
    ``model`` is a name that clients ask for: of an entry of the config, or as it was asked.
    ``provider`` is where a call goes: each attempt is counted where it was made.
    """

    name: Text
    key: Name | None = None
    team: Name | None = None
    user: Text | None = None
    tag: Text | None = None
    label: Text | None = None
    model: Text | None = None
    provider: Name | None = None

    @field_validator("user", "key")
    @classmethod
    def _is_short(cls, value: str | None) -> str | None:
        if value is not None and len(value) > 128:
            raise WrongError("is longer than any user's name is kept", "at most 128 characters")
        return value

    @property
    def each(self) -> Each:
        """Of what each has an account of its own; "" where there is one account for all."""
        return "user" if self.user == EACH else "key" if self.key == EACH else ""

    def rule(self) -> BudgetRule:
        """Return it as the limits count it."""
        return BudgetRule(
            name=self.name,
            usd=self.usd,
            per=self.per,
            key=None if self.key == EACH else self.key,
            team=self.team,
            user=None if self.user == EACH else self.user,
            tag=self.tag,
            label=self.label,
            model=self.model,
            provider=self.provider,
            each=self.each,
            soft=self.soft,
            alert_at=self.alerts.at if self.alerts is not None else (),
        )


def of_key(name: str, form: BudgetOfKeyForm) -> BudgetForm:
    """Return the budget that stands with a key."""
    return BudgetForm.model_construct(name=f"key {name}", key=name, **dict(form))


def all_of(
    of_keys: Iterable[tuple[str, BudgetOfKeyForm | None]], budgets: tuple[BudgetForm, ...]
) -> tuple[BudgetForm, ...]:
    """Return all budgets: first those that stand with keys, given as key's name and budget."""
    own = [of_key(name, form) for name, form in of_keys if form is not None]
    return (*own, *budgets)


def named(
    budgets: tuple[BudgetForm, ...], names: dict[str, list[str]], *, users: bool
) -> Iterator[Fault]:
    """Give what budgets name that does not exist, and what can be of no use.

    ``names`` has those of each line's kind that the config knows. ``users``: some key's calls name
    users.
    """
    told: list[str] = []
    for number, budget in enumerate(budgets):
        place: Place = ("budgets", number)
        if budget.name in told:
            right = "each budget has a name of its own"
            yield Fault((*place, "name"), f"a second budget is called {budget.name!r}", right)
        told.append(budget.name)
        for line, known in names.items():
            said = getattr(budget, line)
            # A model may also be asked for as provider/model.
            other = (line == "key" and said == EACH) or (line == "model" and "/" in (said or ""))
            if said is not None and said not in known and not other:
                what = (
                    f"there is no {line} {said!r}"
                    if line != "team"
                    else f"no key is of team {said!r}"
                )
                right = nearest(said, known) if known else f"add a {line}, or leave the line out"
                yield Fault((*place, line), what, right, warning=line == "model")
        yield from _of_use(place, budget, users=users)


def _of_use(place: Place, budget: BudgetForm, *, users: bool) -> Iterator[Fault]:
    if budget.user == EACH and budget.key == EACH:
        yield Fault((*place, "key"), "is for each key and for each user", "one of the two")
    if budget.user is not None and not users:
        what = "no key's calls name users, so this budget counts nothing"
        yield Fault((*place, "user"), what, "trust_user: true at a key", warning=True)
    if budget.soft and budget.alerts is None:
        right = "alerts: [80, 100], or leave soft out"
        yield Fault(
            (*place, "soft"), "a soft budget without alerts does nothing", right, warning=True
        )
    if budget.alerts is not None and budget.alerts.webhook is not None:
        yield from webhook_faults((*place, "alerts", "webhook"), budget.alerts.webhook)


def webhook_faults(place: Place, webhook: SecretStr) -> Iterator[Fault]:
    """Give what is wrong with where alerts go."""
    if urls.clear_text(webhook.get_secret_value()):
        what = "the address is not encrypted and not in your network"
        yield Fault(place, what, "an https:// address", warning=True)


def webhooks(webhook: SecretStr | None, budgets: tuple[BudgetForm, ...]) -> dict[str, str]:
    """Return where the alerts of each budget go, by its name; the log alone is not among them."""
    found: dict[str, Any] = {
        budget.name: budget.alerts.webhook or webhook
        for budget in budgets
        if budget.alerts is not None
    }
    return {name: url.get_secret_value() for name, url in found.items() if url is not None}
