"""A LlamaIndex embedding that costs nothing and takes its time, so that there is a middle to break things in."""

from __future__ import annotations

import hashlib
import os
import time

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding

SPEC = "llama_index:ray_hosts_model:Paced"
PAUSE_VARIABLE = "RAY_HOSTS_PAUSE"  # seconds a text
_DIM = 384


class Paced(BaseEmbedding):
    """Draws the vector of a text from a generator that its hash seeds, after a pause."""

    def __init__(self) -> None:
        super().__init__(model_name="paced")

    def _get_text_embedding(self, text: str) -> list[float]:
        time.sleep(float(os.environ.get(PAUSE_VARIABLE, "0")))
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest())
        return [float(number) for number in np.random.default_rng(seed).standard_normal(_DIM)]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)
