"""Settings come from code, then the environment, then the defaults; a typo fails at once."""

import pytest
from citewell.errors import UsageError
from citewell.settings import Settings, load_settings


def test_code_wins_over_the_environment_and_the_environment_over_defaults(monkeypatch):
    monkeypatch.setenv("CITEWELL_GATE_THRESHOLD", "0.7")
    monkeypatch.setenv("CITEWELL_MAX_SENTENCES", "2")
    settings = load_settings({"gate_threshold": 0.1, "max_sentences": None})
    assert (settings.gate_threshold, settings.max_sentences) == (0.1, 2)
    assert settings.candidates == Settings.model_fields["candidates"].default


def test_a_misspelt_variable_is_named_with_what_was_meant():
    with pytest.raises(UsageError, match="CITEWELL_GATE_TRESHOLD.*did you mean CITEWELL_GATE_THRESHOLD"):
        load_settings({}, {"CITEWELL_GATE_TRESHOLD": "1"})


@pytest.mark.parametrize(
    "values", [{"gate_threshold": 2}, {"max_sentences": 0}, {"chunk_tokens": "many"}, {"no_such_setting": 1}]
)
def test_a_value_that_does_not_fit_is_named(values):
    with pytest.raises(UsageError, match=next(iter(values))):
        load_settings(values, {})


def test_every_setting_is_described():
    assert all(field.description for field in Settings.model_fields.values())
