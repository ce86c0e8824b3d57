"""Embedders: the packaged model, any OpenAI-compatible endpoint, models that fastembed runs, any LlamaIndex embedding.

Importing this package imports none of them; `open_embedder` imports the one it opens.
"""

from __future__ import annotations

from importlib import import_module

from citewell.embedding.base import Embedder, PaperVectors, Passages
from citewell.errors import UsageError

__all__ = ["Embedder", "PaperVectors", "Passages", "open_embedder"]

_FORMS = "Use minilm, openai:MODEL, fastembed:MODEL or llama_index:MODULE:CLASS."


def open_embedder(spec: str, threads: int | None = None) -> Embedder:
    """Return the embedder that a setting names.

    Args:
        spec: `minilm`, `openai:MODEL` such as `openai:text-embedding-3-small`,
            `fastembed:MODEL` such as `fastembed:BAAI/bge-small-en-v1.5` or `fastembed:/models/bge`, or
            `llama_index:MODULE:CLASS`, where CLASS is called without arguments and returns a
            LlamaIndex `BaseEmbedding`.
        threads: How many texts a model of this machine embeds at a time; by default as many as there are CPUs.

    Raises:
        MissingExtraError: A fastembed model is named, and fastembed is not installed.
        UsageError: The spec is none of these, or names something that cannot be imported or called.
    """
    kind, _, rest = spec.partition(":")
    if spec == "minilm":
        from citewell.embedding.minilm import MiniLM

        return MiniLM(threads)
    if kind == "openai" and rest:
        from citewell.embedding.openai import OpenAIEmbedder

        return OpenAIEmbedder(rest)
    if kind == "fastembed" and rest:
        from citewell.embedding.fastembed import FastEmbedder

        return FastEmbedder(rest, threads)
    if kind == "llama_index" and rest.count(":") == 1:
        return _open_llama_index(*rest.split(":"))
    raise UsageError(f"Unknown embedder {spec!r}. {_FORMS}")


def _open_llama_index(module: str, factory: str) -> Embedder:
    from llama_index.core.base.embeddings.base import BaseEmbedding

    from citewell.embedding.llama_index import LlamaIndexEmbedder

    where = f"{module}:{factory}"
    try:
        made = getattr(import_module(module), factory)()
    except (ImportError, ValueError) as error:
        raise UsageError(f"Cannot import {where}: {error}. Install its package, or correct it.") from error
    except AttributeError as error:
        raise UsageError(f"{where} does not exist: {error}. Name a class or a function.") from error
    except TypeError as error:
        raise UsageError(f"Cannot call {where}(): {error}. Name a function that needs nothing.") from error
    if not isinstance(made, BaseEmbedding):
        raise UsageError(f"{where} gave a {type(made).__name__}, not a LlamaIndex BaseEmbedding. {_FORMS}")
    return LlamaIndexEmbedder(made)
