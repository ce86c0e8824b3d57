"""The price table and what a reply costs by it."""

from __future__ import annotations

import datetime
import json

import pytest
from citewell.llm.base import Usage
from citewell.llm.prices import PriceTable, cost, price_table
from pydantic import ValidationError

TABLE = {"as_of": "2025-10-01", "source": "a test", "unit": "dollars", "models": {"m": [2.0, 8.0]}}


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        ("gpt-4o-mini", Usage(1_000_000, 0), 0.15),
        ("gpt-4o-mini", Usage(0, 1_000_000), 0.60),
        ("gpt-4o-mini", Usage(2_000, 100, requests=2), 0.00036),
        ("gpt-4o-mini-2024-07-18", Usage(1_000_000, 0), 0.15),
        ("gpt-4o-2024-08-06", Usage(1_000_000, 0), 2.50),
        ("gpt-4o-2024-05-13", Usage(1_000_000, 0), 5.00),
        ("gpt-5", Usage(), 0.0),
    ],
)
def test_a_known_model_costs_what_the_table_says(model: str, usage: Usage, dollars: float) -> None:
    assert cost(model, usage) == pytest.approx(dollars)


@pytest.mark.parametrize(
    "model",
    ["", "local", "gpt-4o-audio-preview", "gpt-4o-mini-latest", "openai/gpt-4o", "gpt-4o-2024-5-13", "my-gpt-4o",
     "GPT-4O", "gpt-4o-2024-08-06-2024-08-06", "gpt-3.5-turbo-0613"],
)  # fmt: skip
def test_a_model_that_merely_looks_like_a_known_one_has_no_price(model: str) -> None:
    assert cost(model, Usage(1_000, 1_000)) is None


def test_the_table_says_of_what_date_and_source_it_is() -> None:
    table = price_table()
    assert datetime.date.fromisoformat(table.as_of) < datetime.date.today()
    assert "OpenAI" in table.source
    # Writing costs more than reading at every model of OpenAI's.
    assert all(0 < per_input < per_output for per_input, per_output in table.models.values())


@pytest.mark.parametrize(
    "fault",
    [{"models": {"m": [-1, 2]}}, {"models": {"m": [1]}}, {"as_of": "lately"}, {"discount": 0.5}],
)
def test_a_broken_table_is_refused(fault: dict[str, object]) -> None:
    assert PriceTable.model_validate(TABLE).cost("m", Usage(500_000, 250_000)) == 3.0
    with pytest.raises(ValidationError):
        PriceTable.model_validate_json(json.dumps(TABLE | fault))


def test_usages_add_up() -> None:
    total = Usage(10, 2, 1) + Usage(5, 1, 2, estimated=True) + Usage()
    assert total == Usage(15, 3, 3, estimated=True)
