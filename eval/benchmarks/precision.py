"""What int8 arithmetic would gain and cost: the packaged model as it is in use, and computing in int8.

    python eval/benchmarks/precision.py --set ../shared/data/cranfield --json report.json

The weights in the wheel are int8, but they are turned into float32 when the model is loaded, and so is all
arithmetic. The other model has the same weights and multiplies them in int8, each tensor of activations rounded to
256 steps when it comes (dynamic quantisation, Jacob et al. 2018, arXiv:1712.05877). The two embed the same texts by
turns; then each ranks the set by the cosines of its own vectors.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from citewell.embedding.base import unit_rows, with_title
from citewell.embedding.minilm import packaged_model, packaged_tokenizer, session_of
from citewell.embedding.unpadded import unpadded
from citewell_eval.beir import Qrels, corpus_of, load_set
from citewell_eval.measures.retrieval import ndcg
from citewell_eval.statistics import difference
from embedding import WINDOW_TOKENS
from numpy.typing import NDArray
from onnx import helper
from report import conclude, options_of, timed, usable_cpus
from tokenizers import Tokenizer

_TEXTS_A_TURN = 64
_CUTOFF = 10

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured; the speed is the median over turns, with the least and the most."""

    texts: int
    products_in_int8: int
    speed: float
    speed_lowest: float
    speed_highest: float
    cosine: float
    cosine_lowest: float
    ndcg_10_float32: float
    ndcg_10_int8: float
    ndcg_10_difference: tuple[float, float, float]


class Model:
    """A model on one thread a text; as many texts at a time as there are processors.

    Args:
        content: the ONNX file, without a mask.
    """

    def __init__(self, content: bytes) -> None:
        self._session = session_of(content)

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """Returns the unit vectors of token ids, shape (n, dim): means over the tokens."""
        with ThreadPoolExecutor(usable_cpus()) as pool:
            return np.stack(list(pool.map(self._one, texts)))

    def _one(self, ids: Sequence[int]) -> Vectors:
        row = np.array([ids], dtype=np.int64)
        feeds = {"input_ids": row, "token_type_ids": np.zeros_like(row)}
        hidden: Vectors = self._session.run(None, feeds)[0][0]
        return unit_rows(hidden.mean(axis=0, dtype=np.float64))


def in_int8(content: bytes) -> tuple[bytes, int]:
    """Returns the model with every product of int8 weights computed in int8, and how many there are."""
    model = onnx.load_from_string(content)
    maker = {name: node for node in model.graph.node for name in node.output}
    stored = {one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8}
    nodes: list[onnx.NodeProto] = []
    changed = 0
    for node in model.graph.node:
        scaled = maker.get(node.input[1]) if node.op_type == "MatMul" else None
        cast = maker.get(scaled.input[0]) if scaled is not None and scaled.op_type == "Mul" else None
        if scaled is None or cast is None or cast.op_type != "Cast" or cast.input[0] not in stored:
            nodes.append(node)
            continue
        nodes += _product(f"int8_{changed}", node.input[0], cast.input[0], scaled.input[1], node.output[0])
        changed += 1
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString(), changed


def _product(name: str, given: str, weights: str, scale: str, result: str) -> list[onnx.NodeProto]:
    """Returns the nodes of one product; the parts of a quantised tensor are its steps, their size and their zero."""
    steps, size, zero = f"{name}_steps", f"{name}_size", f"{name}_zero"
    product, wide, sizes = f"{name}_product", f"{name}_wide", f"{name}_sizes"
    return [
        helper.make_node("DynamicQuantizeLinear", [given], [steps, size, zero]),
        helper.make_node("MatMulInteger", [steps, weights, zero], [product]),
        helper.make_node("Cast", [product], [wide], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [size, scale], [sizes]),
        helper.make_node("Mul", [wide, sizes], [result]),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the report; returns the exit status."""
    parser = options_of(__doc__)
    parser.add_argument("--set", type=Path, required=True, help="folder of a BEIR set")
    options = parser.parse_args(arguments)
    queries, qrels = load_set(options.set)
    documents = [json.loads(line) for line in corpus_of(options.set).read_text(encoding="utf-8").splitlines()]
    texts = {one["_id"]: with_title(one["title"], one["text"]) for one in documents}
    return conclude(measured(texts, queries, qrels), options.json)


def measured(texts: dict[str, str], queries: dict[str, str], qrels: Qrels) -> Report:
    """Returns what texts, queries and judgements by id tell of the two models."""
    in_use = unpadded(packaged_model())
    content, changed = in_int8(in_use)
    models = (Model(in_use), Model(content))
    vectors, speeds = _by_turns(models, _token_ids(list(texts.values())))
    asked = [one for one in qrels if one in queries and max(qrels[one].values()) > 0]
    ids = _token_ids([queries[one] for one in asked])
    rows = []
    for model, own in zip(models, vectors, strict=True):
        rankings = _rankings(model.embed(ids), own, list(texts))
        rows.append(
            np.array([[ndcg(ranking, qrels[one]), 1.0] for one, ranking in zip(asked, rankings, strict=True)])
        )
    change = difference(rows[1], rows[0])
    cosines = np.vecdot(*vectors)
    return Report(
        texts=len(texts),
        products_in_int8=changed,
        speed=statistics.median(speeds),
        speed_lowest=min(speeds),
        speed_highest=max(speeds),
        cosine=float(cosines.mean()),
        cosine_lowest=float(cosines.min()),
        ndcg_10_float32=float(rows[0][:, 0].mean()),
        ndcg_10_int8=float(rows[1][:, 0].mean()),
        ndcg_10_difference=(change.value, change.low, change.high),
    )


def _by_turns(
    models: tuple[Model, Model], texts: Sequence[Sequence[int]]
) -> tuple[list[Vectors], list[float]]:
    """Returns the vectors of both models, and how many times as fast as the first the second was, each turn."""
    made: list[list[Vectors]] = [[], []]
    speeds = []
    for start in range(0, len(texts), _TEXTS_A_TURN):
        part = texts[start : start + _TEXTS_A_TURN]
        took = [0.0, 0.0]
        for n in (0, 1) if start // _TEXTS_A_TURN % 2 else (1, 0):
            vectors, took[n] = timed(partial(models[n].embed, part))
            made[n].append(vectors)
        speeds.append(took[0] / took[1])
    return [np.concatenate(parts) for parts in made], speeds


def _token_ids(texts: Sequence[str]) -> list[list[int]]:
    tokenizer = Tokenizer.from_buffer(packaged_tokenizer())
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW_TOKENS)
    return [tokenizer.encode(text).ids for text in texts]


def _rankings(queries: Vectors, papers: Vectors, ids: Sequence[str]) -> list[list[str]]:
    nearest = np.argsort(-(queries @ papers.T), axis=1, kind="stable")[:, :_CUTOFF]
    return [[ids[place] for place in row] for row in nearest]


if __name__ == "__main__":
    sys.exit(main())
