"""A LlamaIndex embedding for Ray workers: its first worker dies in the middle of its work."""

from __future__ import annotations

import os
from pathlib import Path

from llama_index.core.embeddings import MockEmbedding


class Mortal(MockEmbedding):
    """Kills its process once, which the file that `CITEWELL_TEST_DEATH` names tells."""

    def __init__(self) -> None:
        super().__init__(embed_dim=8)

    def get_text_embedding_batch(self, texts: list[str], **options: object) -> list[list[float]]:
        try:
            Path(os.environ["CITEWELL_TEST_DEATH"]).touch(exist_ok=False)
        except FileExistsError:
            return [[float(1 + ord(text[n % len(text)])) for n in range(8)] for text in texts]
        os._exit(1)


class Broken(MockEmbedding):
    """Never gives a vector."""

    def __init__(self) -> None:
        super().__init__(embed_dim=8)

    def get_text_embedding_batch(self, texts: list[str], **options: object) -> list[list[float]]:
        raise RuntimeError("no memory left on the card")
