"""Every setting, its default and its environment variable (`CITEWELL_` + the name in capitals)."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from citewell.errors import UsageError

ENV_PREFIX = "CITEWELL_"

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=3_600)]


class Settings(BaseSettings):
    """How Citewell reads, retrieves and answers; values given in code win over the environment."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(Path("data"), description="folder of the library and the vector store")
    embedding: str = Field(
        "minilm",
        description="embedding model: minilm, openai:MODEL, fastembed:MODEL, fastembed:/FOLDER or "
        "llama_index:MODULE:CLASS",
    )
    ray: str | None = Field(
        None, description="Ray cluster that embeds papers: local, auto or an address such as ray://head:10001"
    )
    chunk_tokens: Annotated[int, Field(ge=16, le=2048)] = Field(
        160, description="longest chunk, in tiktoken cl100k_base tokens; chunks are whole sentences below it"
    )

    chroma_url: str | None = Field(
        None,
        description="Chroma server that holds the vectors, such as http://chroma:8000; without it the data "
        "directory does",
    )
    chroma_collection: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{1,99}$")] = Field(
        "citewell", description="name of the collection on the Chroma server"
    )
    chroma_headers: SecretStr | None = Field(
        None, description="HTTP headers sent to the Chroma server, one `Name: value` a line"
    )
    chroma_headers_file: Path | None = Field(None, description="file that holds such headers")
    chroma_ca: Path | None = Field(
        None, description="PEM file of the authorities that sign the Chroma server's certificate"
    )
    chroma_timeout: Annotated[float, Field(gt=0, le=60)] = Field(
        30.0, description="longest wait for a reply of the Chroma server, in seconds"
    )

    max_line_bytes: Count = Field(16 * 2**20, description="longest line of an input file, in bytes")
    max_title_chars: Count = Field(2_000, description="longest title, in characters")
    max_abstract_chars: Count = Field(100_000, description="longest abstract, in characters")
    max_expanded_bytes: Count = Field(64 * 2**30, description="most bytes one compressed file may expand to")
    max_expansion_ratio: Count = Field(200, description="most times a compressed file may expand")
    ingest_batch: Count = Field(128, description="entries read, embedded and committed together")

    contact: str | None = Field(
        None,
        pattern=r"^[!-~]+@[!-~]+$",
        description="mail address that requests to live sources name, for the services' polite pools",
    )
    source_timeout: Seconds = Field(60.0, description="longest wait for a reply of a live source, in seconds")
    arxiv_url: str = Field("https://export.arxiv.org/api/query", description="address of arXiv's API")
    hf_url: str = Field(
        "https://huggingface.co/api/daily_papers", description="address of Hugging Face daily papers"
    )
    openalex_url: str = Field("https://api.openalex.org", description="address of OpenAlex")
    crossref_url: str = Field("https://api.crossref.org", description="address of Crossref")

    similarity_top_k: Count = Field(8, description="papers read for an answer")
    candidates: Count = Field(200, description="papers taken from each list before fusion")
    dense_weight: Share = Field(0.5, description="share of the dense score in the fused score")
    chunk_weight: Share = Field(0.7, description="share of the best chunk in the dense score")
    title_weight: Annotated[float, Field(gt=0)] = Field(2.5, description="BM25 weight of a title match")
    exact_limit: Count = Field(
        5_000, description="filters that leave at most this many papers are searched exactly"
    )
    reranker: str | None = Field(
        None, description="cross-encoder that reorders what was found: fastembed:MODEL or fastembed:/FOLDER"
    )
    rerank_candidates: Annotated[int, Field(ge=1, le=200)] = Field(
        30, description="best papers that the reranker reads for a question"
    )

    chunk_index_limit: Annotated[int, Field(ge=0)] = Field(
        20_000,
        description="papers up to which chunk vectors are indexed too; in larger collections an abstract's vector or "
        "words find it, and its chunks are then scored exactly as ever",
    )

    gate_threshold: Share = Field(
        0.3,
        description="least calibrated relevance at which a question is answered; docs/gate.md has the curve",
    )
    max_sentences: Annotated[int, Field(ge=1, le=12)] = Field(
        6,
        description="most sentences of an answer; a list, a comparison of several papers or an answer to several parts "
        "(up to 12) may have more",
    )
    llm: str = Field(
        "quotes",
        description="what words an answer: quotes, local, or a model of the OpenAI-compatible endpoint "
        "that OPENAI_API_KEY and OPENAI_BASE_URL name",
    )
    local_model: Path | None = Field(
        None, description="GGUF file for llm = local; by default the packaged SmolLM2"
    )
    verify: Literal["rules", "judge"] = Field(
        "rules", description="judge: the model also judges each sentence, and can only lower a verdict"
    )
    connect_timeout: Seconds = Field(
        5.0, description="longest wait for a connection to the model, in seconds"
    )
    first_token_timeout: Seconds = Field(
        60.0, description="longest wait for the model's first token, in seconds"
    )
    token_timeout: Seconds = Field(20.0, description="longest wait between two tokens, in seconds")
    answer_timeout: Seconds = Field(
        120.0, description="longest time for an answer, repairs and retries included, in seconds"
    )
    model_retries: Annotated[int, Field(ge=0, le=10)] = Field(
        2, description="how often a request is repeated that failed before its first token"
    )
    retry_after_limit: Seconds = Field(
        20.0, description="longest wait that a model's server may ask for, in seconds"
    )
    max_answer_tokens: Annotated[int, Field(ge=16)] = Field(
        800, description="longest reply of a model, in tokens"
    )
    source_tokens: Annotated[int, Field(ge=64)] = Field(
        # A processor reads 100 tokens a second of even the smallest model; 3,000 would be half a minute of silence.
        default_factory=lambda chosen: 600 if chosen.get("llm") == "local" else 3_000,
        description="most tokens of abstracts in a prompt, in cl100k_base tokens: 3,000, and 600 for llm = local",
    )
    history_tokens: Annotated[int, Field(ge=0)] = Field(
        800, description="most tokens of earlier turns that a follow-up is understood from"
    )
    answer_cache: Annotated[int, Field(ge=0)] = Field(
        1_000, description="most answers of language models kept in the data directory; 0 keeps none"
    )
    max_question_chars: Count = Field(4_000, description="longest question, in characters")

    log: str | None = Field(
        None, description="file for logs as lines of JSON, or - for stderr; by default none"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    log_questions: bool = Field(False, description="whether the text of questions stands in the logs")
    metrics: bool = Field(False, description="whether the chat server serves Prometheus metrics at /metrics")


def load_settings(values: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Returns the settings from `values` that are not None, then the environment, then the defaults.

    Raises:
        UsageError: a value does not fit, or a `CITEWELL_` variable is not a setting.
    """
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    for name in os.environ if environ is None else environ:
        if name.startswith(ENV_PREFIX) and name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {close[0]}?" if close else "unset it."
            raise UsageError(f"Unknown setting {name} in the environment: {hint}")
    try:
        return Settings(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        raise UsageError(f"Setting {name} = {first.get('input')!r}: {first['msg'].lower()}.") from error
