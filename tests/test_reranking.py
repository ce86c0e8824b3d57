"""A cross-encoder sets the order of what was found, and nothing else.

Its ONNX file is written by hand and run by fastembed and onnxruntime as any other: the logit is how many tokens of the
paper are tokens of the question, or the negative of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from citewell import Assistant, Filters, Paper, Settings, cli
from citewell.doctor import check_reranker
from citewell.errors import ModelError, UsageError
from citewell.evidence import gather
from citewell.gate import READ, gate_features
from citewell.interaction import interact
from citewell.llama_index import CitewellRetriever
from citewell.question import analyse
from citewell.reranking import CrossEncoder, open_reranker
from citewell.retriever import Candidate, HybridRetriever, reorder
from citewell.types import Done
from numpy.typing import NDArray
from tiny_onnx import overlap_folder

SUBJECTS = ["bees on lavender", "tides in the bay", "medieval glass", "sand dunes", "coral reefs", "violins"]
QUESTION = "How long were bees on lavender watched?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return overlap_folder(tmp_path_factory.mktemp("models") / "fewest", sign=-1.0)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    papers = [
        Paper(
            f"On {subject}, part {n}",
            f"We watched {subject} for {n + 2} years. The season was {'dry ' * n}and nobody complained.",
            year=2000 + n,
        )
        for n in range(3)
        for subject in SUBJECTS
    ]
    directory = tmp_path_factory.mktemp("collection")
    with Assistant.open(directory) as assistant:
        assistant.add(papers)
    return directory


@pytest.fixture(scope="module")
def plain(data_dir: Path):
    with Assistant.open(data_dir) as assistant:
        yield assistant


@pytest.fixture(scope="module")
def reranked(data_dir: Path, folder: Path):
    with Assistant.open(data_dir, reranker=f"fastembed:{folder}", rerank_candidates=6) as assistant:
        yield assistant


def test_the_score_of_a_text_is_the_models(folder: Path) -> None:
    texts = ["bees", "lavender and bees", "dunes", "bees visit lavender lavender", "lone \ud800"]
    scores = CrossEncoder(str(folder)).scores("bees visit lavender", texts)
    assert scores.tolist() == [-2, -3, -1, -5, -1]  # one more each: [SEP] closes both
    with ThreadPoolExecutor(4) as pool:
        apart = pool.map(lambda text: CrossEncoder(str(folder)).scores("bees visit lavender", [text]), texts)
    assert np.array_equal(np.concatenate(list(apart)), scores)


def test_the_order_is_that_of_the_scores_and_the_fused_scores_stay_with_the_places() -> None:
    found = [Candidate(row, f"p{row}", 0.9 - row / 10, row / 10, 0.0, 0.0) for row in range(4)]
    after = reorder(found, np.array([1.0, 5.0, 1.0, 3.0]))
    assert [candidate.row for candidate in after] == [1, 3, 0, 2]
    assert [candidate.score for candidate in after] == [candidate.score for candidate in found]
    assert [candidate.abstract_cosine for candidate in after] == [0.1, 0.3, 0.0, 0.2]


def test_the_first_papers_come_in_the_order_of_the_model_and_the_others_as_before(plain, reranked) -> None:
    before, after = plain.search(QUESTION, k=18), reranked.search(QUESTION, k=18)
    texts = {result.paper_id: plain.show(result.paper_id) for result in before}
    given = [f"{texts[result.paper_id].title}. {texts[result.paper_id].abstract}" for result in before[:6]]
    scores = open_reranker(reranked.settings.reranker).scores(QUESTION, given)
    expected = [before[i].paper_id for i in np.argsort(-scores, kind="stable")]
    assert [result.paper_id for result in after[:6]] == expected
    assert expected != [result.paper_id for result in before[:6]]
    assert [result.paper_id for result in after[6:]] == [result.paper_id for result in before[6:]]
    assert [(result.rank, result.score) for result in after] == [(one.rank, one.score) for one in before]


def test_the_gate_sees_what_it_sees_without(plain, reranked) -> None:
    def features(assistant: Assistant) -> list[float]:
        question = analyse(QUESTION)
        retrieval = HybridRetriever(assistant.collection, assistant.settings).retrieve(QUESTION)
        evidence = gather(question, retrieval, assistant.collection.library, 8)
        found = interact(question, evidence, 0, READ, assistant.token_embedder())
        return gate_features(question, retrieval, evidence, found)

    assert features(reranked) == features(plain)
    for question in (QUESTION, "What is the capital of France?", "Did nobody complain about violins?"):
        one, other = plain.ask(question), reranked.ask(question)
        assert (one.confidence, one.abstained) == (other.confidence, other.abstained)


def test_answers_are_read_from_the_papers_in_the_new_order(data_dir: Path, folder: Path, plain) -> None:
    with Assistant.open(data_dir, similarity_top_k=1, reranker=f"fastembed:{folder}") as assistant:
        first = assistant.search(QUESTION, k=1)[0].paper_id
        (done,) = [event for event in assistant.stream(QUESTION) if isinstance(event, Done)]
    assert {citation.paper_id for citation in done.answer.citations} == {first}
    assert first != plain.search(QUESTION, k=1)[0].paper_id


def test_filters_and_papers_carried_forward_hold(plain, reranked) -> None:
    filters = Filters(years=(2001, 2001))
    found = reranked.search(QUESTION, k=18, filters=filters)
    assert {reranked.show(result.paper_id).year for result in found} == {2001}
    assert {result.paper_id for result in found} == {
        result.paper_id for result in plain.search(QUESTION, k=18, filters=filters)
    }
    far = plain.search(QUESTION, k=18)[-1].paper_id
    retrieval = HybridRetriever(reranked.collection, reranked.settings).retrieve(QUESTION, carried=[far])
    assert far in [candidate.paper_id for candidate in retrieval.in_order().candidates[:8]]


def test_search_prints_the_papers_in_the_new_order(
    data_dir: Path,
    folder: Path,
    reranked,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CITEWELL_RERANKER", f"fastembed:{folder}")
    monkeypatch.setenv("CITEWELL_RERANK_CANDIDATES", "6")
    assert cli.main(["search", QUESTION, "-k", "9", "--json", "--data-dir", str(data_dir)]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["paper_id"] for result in results] == [
        result.paper_id for result in reranked.search(QUESTION, k=9)
    ]
    assert [result["rank"] for result in results] == list(range(1, 10))
    scores = [result["score"] for result in results]
    assert scores == sorted(scores, reverse=True)


def test_the_retriever_of_llama_index_gives_the_same_order(reranked) -> None:
    expected = [result.paper_id for result in reranked.search(QUESTION, k=5)]
    nodes = CitewellRetriever(reranked, similarity_top_k=5).retrieve(QUESTION)
    assert [node.node.metadata["paper_id"] for node in nodes] == expected


class Longest:
    """A reranker of one's own: the longest text first."""

    name = "longest"

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([len(text) for text in texts], dtype=np.float32)


def test_a_reranker_of_ones_own_can_be_passed_in(plain) -> None:
    retrieval = HybridRetriever(plain.collection, plain.settings, Longest()).retrieve(QUESTION)
    texts = [plain.show(candidate.paper_id) for candidate in retrieval.in_order().candidates]
    lengths = [len(paper.title) + len(paper.abstract) for paper in texts]
    assert lengths == sorted(lengths, reverse=True)


def test_without_the_setting_nothing_is_reordered(plain) -> None:
    assert Settings().reranker is None
    retrieval = HybridRetriever(plain.collection, plain.settings).retrieve(QUESTION)
    assert retrieval.reranked == () and retrieval.in_order() is retrieval


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("minilm", "Unknown reranker 'minilm'. Use fastembed:MODEL or fastembed:/FOLDER, or none."),
        ("fastembed:", "Unknown reranker 'fastembed:'"),
        ("fastembed:ms-marco-MiniLM", "no reranker 'ms-marco-MiniLM'. Nearest: Xenova/ms-marco-MiniLM-L-"),
        ("fastembed:/nowhere", "No folder /nowhere to take the reranker from."),
    ],
)
def test_a_reranker_that_is_not_there_is_told_when_the_collection_is_opened(
    data_dir: Path, spec: str, told: str
) -> None:
    with pytest.raises(UsageError) as raised:
        Assistant.open(data_dir, reranker=spec)
    assert told in str(raised.value) and "\n" not in str(raised.value)


def test_doctor_tells_whether_there_is_such_a_reranker(folder: Path) -> None:
    there, missing = check_reranker(f"fastembed:{folder}"), check_reranker("fastembed:none")
    assert (there.verdict, there.detail) == ("ok", "fewest is known; it was not called")
    assert missing.verdict == "fail" and "no reranker 'none'" in missing.detail


@pytest.mark.parametrize("spoilt", ["tokenizer_config.json", "model.onnx"])
def test_a_reranker_that_does_not_open_is_told_in_one_line(
    tmp_path: Path, spoilt: str, data_dir: Path
) -> None:
    folder = overlap_folder(tmp_path / "spoilt")
    (folder / spoilt).write_text("{}")
    with (
        Assistant.open(data_dir, reranker=f"fastembed:{folder}") as assistant,
        pytest.raises(ModelError) as raised,
    ):
        assistant.search(QUESTION)
    assert "The reranker spoilt failed: " in str(raised.value) and str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_reranker_that_gives_no_number_is_told(tmp_path: Path) -> None:
    folder = overlap_folder(tmp_path / "nan", sign=float("nan"))
    with pytest.raises(ModelError, match="The reranker nan gave NaN or infinity. Choose another model."):
        CrossEncoder(str(folder)).scores("bees", ["bees"])
