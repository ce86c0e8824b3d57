"""Embeddings from OpenAI, or from any server that speaks its embeddings API.

Such an API gives one vector a text, so a chunk is embedded as `title. chunk`, a text of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citewell.embedding.base import PaperVectors, Passages, embed_apart, unit_rows, well_formed
from citewell.errors import ModelError

if TYPE_CHECKING:
    import tiktoken
    from openai import OpenAI

_DEFAULT_BASE_URL = "https://api.openai.com/v1"
_REQUEST_TEXTS = 128
_REQUEST_TOKENS = 200_000  # the API's limit is 300,000; servers with another tokenizer may count more
_TEXT_TOKENS = 8_000  # likewise, of 8,192
_TEXT_CHARACTERS = 60_000  # tiktoken is slow on a huge text, of which only the head is used anyway
_PASSAGE_VERSION = "title-chunk-1"


class OpenAIEmbedder:
    """A model behind an OpenAI-compatible embeddings endpoint.

    Args:
        model: The model's name at the endpoint, such as `text-embedding-3-small`.
        client: A client of the `openai` package to use in place of a new one.
        base_url: The endpoint; by default `OPENAI_BASE_URL`, then OpenAI itself.
        api_key: By default `OPENAI_API_KEY`. An endpoint other than OpenAI may do without.
        dim: Ask the endpoint for vectors of this length, which only some models can give.
    """

    def __init__(
        self,
        model: str,
        client: OpenAI | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        dim: int | None = None,
    ) -> None:
        self._model = model
        self._client = client
        self._own_client: OpenAI | None = None
        self._base_url = str(client.base_url) if client else base_url or _environment("OPENAI_BASE_URL")
        self._api_key = api_key or _environment("OPENAI_API_KEY")
        self._asked_dim = dim
        self._known_dim = dim

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        return self._model

    @property
    def fingerprint(self) -> str:
        """Names the endpoint, the model, the length asked for and how passages are composed."""
        return f"openai:{self._endpoint}:{self._model}:{self._asked_dim or 'full'}:{_PASSAGE_VERSION}"

    @property
    def dim(self) -> int:
        """The length of the vectors; found by embedding one word where it was not given.

        Raises:
            ModelError: The endpoint cannot be reached or refuses.
        """
        if self._known_dim is None:
            self._embed(["dimension"])
        if self._known_dim is None:
            raise ModelError(f"{self._endpoint} gave no vector for {self._model}. Choose an embedding model.")
        return self._known_dim

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector a text, shape (n, dim).

        Raises:
            ModelError: The endpoint cannot be reached, refuses, or answers with wrong vectors.
        """
        return self._embed(texts)

    def embed_papers(self, batch: Sequence[Passages]) -> list[PaperVectors]:
        """Return the vectors of every paper, in the order given.

        Raises:
            ModelError: The endpoint cannot be reached, refuses, or answers with wrong vectors.
        """
        return embed_apart(batch, self._embed)

    def close(self) -> None:
        """Close the connections, those of a client that was passed in excepted."""
        if self._own_client is not None:
            self._own_client.close()
            self._own_client = None

    @property
    def _endpoint(self) -> str:
        return (self._base_url or _DEFAULT_BASE_URL).rstrip("/")

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        answers = [self._request(request) for request in self._requests(texts)]
        return np.concatenate(answers) if answers else np.empty((0, self.dim), dtype=np.float32)

    def _requests(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Yield the texts, cut to the limit of one text, in requests within the limits of a request."""
        request: list[str] = []
        tokens = 0
        for text in texts:
            shown, count = self._clipped(text)
            if request and (len(request) == _REQUEST_TEXTS or tokens + count > _REQUEST_TOKENS):
                yield request
                request, tokens = [], 0
            request.append(shown)
            tokens += count
        if request:
            yield request

    def _clipped(self, text: str) -> tuple[str, int]:
        # The API refuses an empty text.
        text = well_formed(text[:_TEXT_CHARACTERS]) if text.strip() else "."
        tokens = self._encoding.encode_ordinary(text)
        if len(tokens) <= _TEXT_TOKENS:
            return text, len(tokens)
        return self._encoding.decode(tokens[:_TEXT_TOKENS], errors="ignore"), _TEXT_TOKENS

    def _request(self, texts: list[str]) -> NDArray[np.float32]:
        import openai

        client = self._open_client()
        try:
            answer = client.embeddings.create(
                model=self._model,
                input=texts,
                dimensions=openai.omit if self._asked_dim is None else self._asked_dim,
            )
            items = sorted(answer.data, key=lambda item: item.index)
            rows = [np.array(list(item.embedding), dtype=np.float32).ravel() for item in items]
        except openai.OpenAIError as error:
            raise self._refused(error, client.api_key) from error
        except (ValueError, TypeError, AttributeError) as error:
            # What the package raises over an answer that is not the API's JSON.
            raise self._wrong_answer(f"no vectors ({error})") from error
        return self._checked(rows, len(texts))

    def _checked(self, rows: list[NDArray[np.float32]], count: int) -> NDArray[np.float32]:
        lengths = {len(row) for row in rows}
        if len(rows) != count:
            raise self._wrong_answer(f"{len(rows)} vectors for {count} texts")
        if self._known_dim is None and len(lengths) == 1:
            self._known_dim = lengths.pop() or None
        elif lengths != {self._known_dim}:
            raise self._wrong_answer(f"vectors of length {sorted(lengths)} in place of {self._known_dim}")
        vectors = np.stack(rows)
        if not np.isfinite(vectors).all():
            raise self._wrong_answer("vectors that hold NaN or infinity")
        return unit_rows(vectors)

    def _open_client(self) -> OpenAI:
        import openai

        if self._client is not None:
            return self._client
        if self._own_client is None:
            # A server on one's own machine has no keys, but the package insists on one.
            key = self._api_key or ("none" if self._base_url else None)
            try:
                self._own_client = openai.OpenAI(api_key=key, base_url=self._base_url)
            except openai.OpenAIError as error:
                raise ModelError(
                    f"No key for the embedding model {self._model}. Set OPENAI_API_KEY, or OPENAI_BASE_URL "
                    "for a server of your own."
                ) from error
        return self._own_client

    def _wrong_answer(self, what: str) -> ModelError:
        return ModelError(
            f"{self._endpoint} answered {self._model} with {what}. "
            "Choose a model and an endpoint that give embeddings."
        )

    def _refused(self, error: Exception, key: str) -> ModelError:
        import openai

        status = getattr(error, "status_code", None)
        if isinstance(error, openai.APITimeoutError):
            return ModelError(f"{self._endpoint} did not answer in time for {self._model}. Try again later.")
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__ or error
            return ModelError(
                f"Cannot reach {self._endpoint} for the embedding model {self._model}: {cause}. "
                "Check OPENAI_BASE_URL and that the server runs."
            )
        if status in (401, 403):
            return ModelError(
                f"{self._endpoint} refused the key for {self._model} (HTTP {status}). Check OPENAI_API_KEY."
            )
        if status == 404:
            return ModelError(
                f"{self._endpoint} has no embedding model {self._model!r} (HTTP 404). "
                "Check the model's name and OPENAI_BASE_URL."
            )
        if status == 429:
            return ModelError(
                f"{self._endpoint} refused {self._model} for now (HTTP 429): too many requests, or the quota "
                "is spent. Wait, or check the account."
            )
        # What a server says may quote the key, and messages end up in logs.
        said = str(error).replace(key, "…") if key else str(error)
        reason = " ".join(said.split())[:200]
        return ModelError(f"{self._endpoint} failed on {self._model}: {reason}. Try again or choose another.")

    @cached_property
    def _encoding(self) -> tiktoken.Encoding:
        _use_packaged_tiktoken_files()
        import tiktoken

        try:
            return tiktoken.encoding_for_model(self._model)
        except KeyError:
            return tiktoken.get_encoding("cl100k_base")


def _environment(name: str) -> str | None:
    return os.environ.get(name) or None


def _use_packaged_tiktoken_files() -> None:
    """Point tiktoken at the vocabulary files within llama-index-core; it would download them otherwise."""
    spec = find_spec("llama_index.core")
    for root in (spec.submodule_search_locations or []) if spec else []:
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(root, "_static", "tiktoken_cache")))
