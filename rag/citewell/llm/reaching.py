"""Whether an endpoint can be reached and takes the key: asked by its list of models, which costs nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass

from citewell.errors import ModelError
from citewell.llm.chunks import ModelList
from citewell.llm.endpoint import Endpoint, MalformedReplyError
from citewell.llm.failures import Failures
from citewell.settings import Settings

_PATIENCE = 5.0  # seconds for the whole answer
_UNLISTED = frozenset({404, 405, 501})  # from servers that answer questions but list no models


@dataclass(frozen=True, slots=True)
class Reached:
    """What an endpoint answers: its address for a person, and the models that it lists, None where it lists none."""

    address: str
    models: tuple[str, ...] | None


def reach(model: str, settings: Settings, environ: Mapping[str, str] | None = None) -> Reached:
    """Asks an endpoint for its models, as `GET /models`, and waits five seconds at most.

    Args:
        model: the name of the model that is to answer.
        settings: the time to connect.
        environ: where URL and key are looked up; by default the environment.

    Raises:
        ModelError: it cannot be reached, or does not take the key; the text says what to do.
    """
    endpoint = Endpoint.find(model, os.environ if environ is None else environ)
    return asyncio.run(_reach(endpoint, Failures(model, endpoint, settings), settings))


async def _reach(endpoint: Endpoint, failures: Failures, settings: Settings) -> Reached:
    import openai

    try:
        client = endpoint.connect(settings)
    except Exception as error:  # a proxy or a certificate of the environment
        raise ModelError(failures.unusable(error).message) from error
    async with client:
        try:
            async with asyncio.timeout(_PATIENCE):
                listed = await client.get(
                    "/models", cast_to=object, options={"security": {"bearer_auth": True}}
                )
            names = tuple(entry.id for entry in ModelList.model_validate(listed).data)
        except TimeoutError as error:
            raise ModelError(
                f"{endpoint.shown} did not list its models within {_PATIENCE:g} s. Is the server overloaded, or a "
                "firewall in the way?"
            ) from error
        except openai.APIStatusError as error:
            if error.status_code in _UNLISTED:
                return Reached(endpoint.shown, None)
            raise _explained(failures, error) from error
        except (openai.OpenAIError, MalformedReplyError, ValueError, RecursionError) as error:
            raise _explained(failures, error) from error
    # Azure lists models, but is asked for deployments.
    return Reached(endpoint.shown, None if endpoint.azure_version is not None else names)


def _explained(failures: Failures, error: Exception) -> ModelError:
    fault = failures.explain(error, started=False)
    return ModelError(fault.message if fault is not None else f"{type(error).__name__}: {error}")
