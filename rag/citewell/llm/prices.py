"""What a reply costs, from the price table in data/prices.json, which says of what date it is."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from citewell.llm.base import Usage

_DATED = re.compile(r"(?P<family>.+)-\d{4}-\d{2}-\d{2}")

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriceTable(BaseModel):
    """The prices of models, in US dollars per million tokens, input and output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    source: str
    unit: str
    models: dict[str, tuple[Price, Price]]

    def cost(self, model: str, usage: Usage) -> float | None:
        """Return the cost in US dollars, or None for a model that is not in the table.

        A dated snapshot without a price of its own, such as gpt-4o-mini-2024-07-18, costs what its family
        costs; no other likeness of names counts. Cached prompt tokens are charged in full, so that the true
        cost may be lower.
        """
        price = self.models.get(model)
        if price is None and (dated := _DATED.fullmatch(model)):
            price = self.models.get(dated["family"])
        if price is None:
            return None
        per_input, per_output = price
        return (usage.prompt_tokens * per_input + usage.completion_tokens * per_output) / 1_000_000


@lru_cache(maxsize=1)
def price_table() -> PriceTable:
    """Return the packaged table."""
    return PriceTable.model_validate_json(files("citewell").joinpath("data/prices.json").read_bytes())


def cost(model: str, usage: Usage) -> float | None:
    """Return the cost in US dollars at OpenAI's own endpoint, or None for a model whose price is not known."""
    return price_table().cost(model, usage)
