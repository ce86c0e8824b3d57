"""Where a model is reached, as the environment says it."""

from __future__ import annotations

import pytest
from citewell.errors import ModelError
from citewell.llm.endpoint import Endpoint
from citewell.llm.openai import OpenAIModel
from citewell.settings import Settings

AZURE = {"AZURE_OPENAI_ENDPOINT": "https://me.azure.com", "AZURE_OPENAI_API_KEY": "azure-key"}


@pytest.mark.parametrize(
    ("environ", "url", "key"),
    [
        ({"OPENAI_API_KEY": "sk-1"}, "https://api.openai.com/v1", "sk-1"),
        ({"OPENAI_API_KEY": " sk-1\n", "OPENAI_BASE_URL": ""}, "https://api.openai.com/v1", "sk-1"),
        ({"OPENAI_BASE_URL": "http://localhost:11434/v1"}, "http://localhost:11434/v1", "none"),
        ({"OPENAI_BASE_URL": "http://[::1]:80/v1", "OPENAI_API_KEY": "k"}, "http://[::1]:80/v1", "k"),
        (AZURE | {"OPENAI_API_VERSION": "2024-10-21", "OPENAI_API_KEY": "k"}, "https://me.azure.com", "azure-key"),
        (AZURE | {"OPENAI_BASE_URL": "http://127.0.0.1/v1"}, "http://127.0.0.1/v1", "none"),
    ],
)  # fmt: skip
def test_the_environment_names_the_endpoint(environ: dict[str, str], url: str, key: str) -> None:
    endpoint = Endpoint.find("gpt-x", environ)
    assert (endpoint.url, endpoint.key) == (url, key)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "No API key for model 'gpt-x': set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own, "
             "or leave --llm out for quotes."),
        ({"OPENAI_API_KEY": "  "}, "No API key for model 'gpt-x'"),
        ({"OPENAI_API_KEY": "schlüssel"}, "OPENAI_API_KEY holds characters that no key has"),
        ({"OPENAI_API_KEY": "sk-\x1b[1m"}, "OPENAI_API_KEY holds characters that no key has"),
        ({"OPENAI_BASE_URL": "localhost:8080/v1"}, "OPENAI_BASE_URL = 'localhost:8080/v1' is no URL of a server"),
        ({"OPENAI_BASE_URL": "ftp://host/v1"}, "OPENAI_BASE_URL = 'ftp://host/v1' is no URL of a server"),
        ({"OPENAI_BASE_URL": "http://host:port/v1"}, "OPENAI_BASE_URL is no URL"),
        ({"OPENAI_BASE_URL": "http://℀.example/v1"}, "OPENAI_BASE_URL is no URL"),
        ({"OPENAI_BASE_URL": "http://a b/v1"}, "is no URL of a server"),
        ({"OPENAI_BASE_URL": "ftp://me:geheim@host/v1?key=geheim"}, "OPENAI_BASE_URL = 'ftp://host/v1'"),
        ({"OPENAI_BASE_URL": "me:geheim@host/v1"}, "OPENAI_BASE_URL = 'host/v1'"),
        (AZURE, "No API version for model 'gpt-x' on Azure: set OPENAI_API_VERSION"),
        ({"AZURE_OPENAI_ENDPOINT": "https://me.azure.com"}, "set AZURE_OPENAI_API_KEY"),
    ],
)  # fmt: skip
def test_an_environment_that_cannot_be_used_is_told_when_the_model_is_made(
    environ: dict[str, str], told: str
) -> None:
    with pytest.raises(ModelError) as raised:
        OpenAIModel("gpt-x", Settings(), environ)
    message = str(raised.value)
    assert told in message
    assert "\n" not in message and "geheim" not in message and "\x1b" not in message


def test_a_url_given_in_code_is_checked_too() -> None:
    with pytest.raises(ModelError, match="'127.0.0.1:80' is no URL"):
        OpenAIModel("m", Settings(), {}, base_url="127.0.0.1:80")


def test_an_endpoint_shows_nothing_secret() -> None:
    endpoint = Endpoint("https://user:password1@host:8443/v1/?key=queryvalue#part", "sk-secret1")
    assert endpoint.shown == "https://host:8443/v1"
    for secret in ("password1", "queryvalue", "sk-secret1"):
        assert secret not in repr(endpoint)
        assert any(secret in value for value in endpoint.secrets)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://me.openai.azure.com/openai/v1", True),
        ("https://openai.com.example.org/v1", False),
        ("http://localhost:11434/v1", False),
    ],
)
def test_openai_is_told_from_servers_of_ones_own(url: str, expected: bool) -> None:
    assert Endpoint(url, "k").is_openai is expected
