"""What clients ask for, as the config file says it: routes, their order, what is done beside."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from gateway.config_values import Form, Name, Number, Text, nothing
from gateway.problems import WrongError
from routing.policy_form import FactsForm, RequireForm

Order = Literal["listed", "cheapest", "fastest", "weighted"]
Share = Annotated[Decimal, Number, Field(gt=0, le=1)]
PREFER_RIGHT = "listed, cheapest, fastest, weighted, or a blend as {cheapest: 0.7, fastest: 0.3}"


class BlendForm(Form):
    """How much each wish counts where routes are ordered by several at once."""

    cheapest: Share | None = None
    fastest: Share | None = None
    listed: Share | None = None

    @model_validator(mode="after")
    def _blends(self) -> BlendForm:
        if len(self.model_fields_set) < 2:
            raise WrongError("blends less than two wishes", PREFER_RIGHT)
        return self


class HedgeForm(Form):
    """A second attempt beside the first, where a stream begins later than so many of a hundred."""

    percentile: Annotated[int, Number, Field(ge=50, le=99)] = 95


class ShadowForm(Form):
    """A copy of some calls to another route, whose answers are compared and thrown away.

    ``share`` of all calls; ``judge`` is the model (a name that clients may ask for) that compares
    the two answers, None: none does.
    """

    route: Text
    share: Share = Decimal("0.01")
    judge: Text | None = None


class ModelForm(Form):
    """Who may answer for one name: routes, written ``provider/model``, in the order to try.

    ``any/MODEL`` among them means every provider that has the weights. ``pin`` is the only provider
    that may be asked. ``weights`` are for ``prefer: weighted``, 1 where none is said. ``require``
    and ``forbid`` are as in a rule of the policy. ``continue_streams``: a stream that breaks off in
    its text is gone on with by another route.
    """

    routes: Annotated[tuple[Text, ...], Field(min_length=1)]
    prefer: Annotated[
        Annotated[Order, Tag("=order")] | Annotated[BlendForm, Tag("=blend")],
        Discriminator(lambda value: "=order" if isinstance(value, str) else "=blend"),
    ] = "listed"
    weights: Mapping[Text, Annotated[int, Number, Field(ge=0, le=1_000_000)]] = Field(
        default_factory=nothing
    )
    pin: Name | None = None
    require: RequireForm | None = None
    forbid: FactsForm | None = None
    hedge: HedgeForm | None = None
    continue_streams: bool = False
    shadow: ShadowForm | None = None

    @field_validator("weights")
    @classmethod
    def _stay(cls, value: Mapping[str, int]) -> Mapping[str, int]:
        return MappingProxyType(dict(value))

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ModelForm:
        if self.weights and self.prefer != "weighted":
            raise WrongError("has weights that nothing looks at", "prefer: weighted")
        unlisted = [name for name in self.weights if name not in self.routes]
        if unlisted:
            raise WrongError(
                f"weighs {unlisted[0]!r}, which is none of its routes", "a route of it"
            )
        if self.weights and not any(self.weights.get(name, 1) for name in self.routes):
            raise WrongError("weighs every route 0", "at least one above 0")
        return self


def _list_as_routes(value: object) -> object:
    if isinstance(value, str) and value.startswith("any/"):
        # Wherever it is allowed: nobody has listed an order, so the price decides.
        return {"routes": [value], "prefer": "cheapest"}
    return {"routes": value} if isinstance(value, list | tuple) else value


def _written_as(value: object) -> str:
    return "=alias" if isinstance(value, str) else "=model"


ModelOrAlias = Annotated[
    Annotated[ModelForm, Tag("=model")] | Annotated[Text, Tag("=alias")],
    Discriminator(_written_as),
    BeforeValidator(_list_as_routes),
]
