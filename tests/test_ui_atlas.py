"""The map of a collection: where papers lie, how clusters are found and named, and the copy that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from citewell import Assistant, Paper
from citewell_ui.atlas import draw, open_atlas, project
from fakes import HashEmbedder, paper

TOPICS = ("coral reefs bleaching", "violin strings resonance", "glacier melting rates")


def three_topics(each: int = 12) -> tuple[np.ndarray, list[str], list[int]]:
    random = np.random.default_rng(1)
    centres = np.eye(3, 16, dtype=np.float32)
    topics = [number % 3 for number in range(3 * each)]
    vectors = centres[topics] + random.normal(scale=0.05, size=(len(topics), 16)).astype(np.float32)
    return vectors, [f"{TOPICS[topic]}." for topic in topics], topics


def test_papers_of_a_topic_lie_together_and_share_a_cluster_named_after_it() -> None:
    vectors, texts, topics = three_topics()
    atlas = project(vectors, [f"p{n}" for n in range(36)], texts, texts)
    for topic, words in enumerate(TOPICS):
        own = np.array(topics) == topic
        middle = np.median(atlas.points[own], axis=0)
        away = np.linalg.norm(atlas.points - middle, axis=1)
        assert away[own].max() < away[~own].min()
        for cluster in set(atlas.clusters[own].tolist()):
            assert set(atlas.clusters[~own].tolist()).isdisjoint({cluster})
            assert set(atlas.names[cluster].replace(" · ", " ").split()) <= set(words.split())


def test_the_map_fills_its_square_and_is_the_same_each_time() -> None:
    vectors, texts, _ = three_topics()
    ids = [str(number) for number in range(36)]
    one, again = project(vectors, ids, texts, texts), project(vectors, ids, texts, texts)
    assert np.array_equal(one.points, again.points) and np.array_equal(one.clusters, again.clusters)
    assert one.names == again.names
    assert np.abs(one.points).max(axis=0) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("kind", ["apart", "all the same", "zero"])
def test_few_or_equal_vectors_are_placed_too(count: int, kind: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32)
    if kind != "apart":
        vectors[:] = 0.0 if kind == "zero" else 0.5
    texts = ["the of and"] * count  # nothing to name a cluster by
    atlas = project(vectors, [str(number) for number in range(count)], texts, texts)
    assert atlas.points.shape == (count, 2) and np.isfinite(atlas.points).all()
    assert len(atlas.clusters) == count and set(atlas.names) <= {""}


def test_papers_beyond_the_landmarks_lie_beside_their_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citewell_ui.atlas._LANDMARKS", 40)
    vectors, texts, topics = three_topics(each=60)
    atlas = project(vectors, [str(number) for number in range(180)], texts, texts)
    for topic in range(3):
        own = np.array(topics) == topic
        middle = np.median(atlas.points[own], axis=0)
        away = np.linalg.norm(atlas.points - middle, axis=1)
        assert np.median(away[own]) < np.quantile(away[~own], 0.05)


@pytest.fixture
def assistant(tmp_path: Path) -> Iterator[Assistant]:
    with Assistant.open(tmp_path, embedder=HashEmbedder()) as opened:
        opened.add([paper(number) for number in range(12)])
        yield opened


def test_a_library_is_drawn_with_ids_and_titles(assistant: Assistant) -> None:
    library = assistant.collection.library
    atlas = draw(library, library.manifest())
    assert set(atlas.paper_ids) == {f"p{number}" for number in range(12)}
    assert atlas.titles[atlas.paper_ids.index("p3")] == paper(3).title
    assert atlas.papers == 12


def test_a_larger_library_is_sampled_and_says_so(assistant: Assistant) -> None:
    library = assistant.collection.library
    atlas = draw(library, library.manifest(), limit=5)
    assert len(atlas.paper_ids) == 5 and atlas.papers == 12


def test_the_map_is_kept_until_the_collection_changes(
    assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_atlas(assistant.collection)
    with monkeypatch.context() as patch:
        patch.setattr("citewell_ui.atlas.draw", lambda *_: pytest.fail("drawn again"))
        kept = open_atlas(assistant.collection)
    assert kept.paper_ids == first.paper_ids and kept.titles == first.titles and kept.names == first.names
    assert np.array_equal(kept.points, first.points) and np.array_equal(kept.clusters, first.clusters)
    assistant.add([paper(12)])
    assert "p12" in open_atlas(assistant.collection).paper_ids


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_copy_is_drawn_again(assistant: Assistant, content: bytes) -> None:
    path = assistant.settings.data_dir / "atlas.npz"
    path.write_bytes(content)
    assert len(open_atlas(assistant.collection).paper_ids) == 12
    assert path.stat().st_size > len(content)


def test_titles_of_any_length_and_script_survive_the_copy(tmp_path: Path) -> None:
    opened = Assistant.open(tmp_path, embedder=HashEmbedder())
    titles = ["ε-greedy " + "长" * 1_500, "plain"]
    opened.add([Paper(title, f"An abstract about {title}.") for title in titles])
    open_atlas(opened.collection)
    assert sorted(open_atlas(opened.collection).titles) == sorted(titles)
    assert (tmp_path / "atlas.npz").stat().st_size < 20_000
    assert not list(tmp_path.glob("*.tmp"))


def test_an_empty_collection_has_an_empty_map(tmp_path: Path) -> None:
    opened = Assistant.open(tmp_path, embedder=HashEmbedder())
    atlas = open_atlas(opened.collection)
    assert atlas.paper_ids == () and atlas.names == () and atlas.points.shape == (0, 2)
