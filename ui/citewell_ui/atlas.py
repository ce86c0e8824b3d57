"""The map of a collection as data: where each abstract lies, which cluster it is in, what the cluster is about.

Abstract vectors are laid out by t-SNE (van der Maaten & Hinton, 2008) from a PCA start, grouped by k-means and
named by class-based TF-IDF (Grootendorst, "BERTopic", 2022). Everything is seeded: the same collection gives
the same map.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from citewell.index import Collection
from citewell.library import Filters, Library, Manifest
from numpy.typing import NDArray

MOST_PAPERS = 12_000  # of a larger collection, papers spread evenly over it are drawn
_LANDMARKS = 2_500  # papers that t-SNE places; the others go beside their nearest ones
_VERSION = 1  # of what is computed here: another one makes cached maps out of date
_SEED = 0
_COMPONENTS = 50
_PERPLEXITY = 30
_NEIGHBOURS = 5
_MOST_CLUSTERS = 24
_TERMS = 3
_WORD = r"(?u)\b[^\W\d_][^\W\d_-]*(?:-[^\W\d_]+)*[^\W\d_]\b"
# What every abstract says, whatever it is about.
_COMMONPLACE = frozenset(
    """able abstract achieve achieved achieves achieving across additionally address addressing allow allows
    approach approaches article available based benchmark benchmarks better code compared comprehensive con
    conduct consistently crucial current data dataset datasets demonstrate demonstrates demonstrating despite
    did different diverse does effective effectively effectiveness efficient enable enables enabling end enhance
    enhances ensure et evaluate evaluation existing experiment experimental experiments extensive finally
    findings framework furthermore github given high however https improve improved improvement improvements
    improves improving including increasing introduce introduces key large lead leading leads learn leverage
    leverages leveraging limited low main make making method methods model models moreover multiple
    non novel number often outperform outperforming outperforms paper perform performance present presents
    previous prior problem process project propose proposed proposes provide provides providing quality recent
    recently reduce remain remains require requires research result results retaining robust scale scenarios
    set settings shot shows significant significantly similar simple single specifically state-of-the-art
    strong studies study superior support system systems task tasks technique techniques test total traditional
    train trained training typically unified unlike use used useful user uses using various wide widely work
    works zero""".split()
)


@dataclass(frozen=True)
class Atlas:
    """A map of a collection.

    Attributes:
        paper_ids: the papers drawn.
        titles: their titles, as ingested.
        points: where they lie, shape (n, 2), within -1 .. 1.
        clusters: the cluster of each, 0 .. len(names) - 1.
        names: what each cluster is about: its most characteristic terms.
        papers: how many papers the collection holds, drawn or not.
    """

    paper_ids: tuple[str, ...]
    titles: tuple[str, ...]
    points: NDArray[np.float32]
    clusters: NDArray[np.int32]
    names: tuple[str, ...]
    papers: int


def open_atlas(collection: Collection) -> Atlas:
    """Returns the map of a collection, from the data directory if it was drawn before and still fits."""
    manifest = collection.library.manifest()
    path = collection.settings.data_dir / "atlas.npz"
    key = f"{_VERSION} {manifest.digest} {manifest.fingerprint}"
    kept = _read(path, key)
    if kept is not None:
        return kept
    atlas = draw(collection.library, manifest)
    with suppress(OSError):  # a data directory that cannot be written to can still be looked at
        _write(path, key, atlas)
    return atlas


def draw(library: Library, manifest: Manifest, limit: int = MOST_PAPERS) -> Atlas:
    """Returns a new map of at most `limit` papers of a library."""
    few = manifest.papers <= limit
    rows = library.matching(Filters()) if few else library.sample(manifest.revision, limit)
    ids: list[str] = []
    titles: list[str] = []
    texts: list[str] = []
    vectors: list[NDArray[np.float32]] = []
    for part in (rows[start : start + 500] for start in range(0, len(rows), 500)):
        papers, passages = library.papers(part), library.passages(part, manifest)
        for row in part:
            if row in papers and row in passages:
                ids.append(papers[row].paper_id)
                titles.append(papers[row].title)
                texts.append(f"{papers[row].title}. {papers[row].abstract}")
                vectors.append(passages[row].abstract)
    stacked = np.array(vectors, dtype=np.float32).reshape(len(vectors), max(manifest.dim, 1))
    return project(stacked, ids, titles, texts, manifest.papers)


def project(
    vectors: NDArray[np.float32],
    paper_ids: Sequence[str],
    titles: Sequence[str],
    texts: Sequence[str],
    papers: int | None = None,
) -> Atlas:
    """Returns the map of papers with the given vectors, shape (n, dim), and texts."""
    import sklearn.manifold  # noqa: F401 (loads the thread pools, which are limited only once they are there)
    from threadpoolctl import threadpool_limits

    # On a busy machine the threads of OpenMP wait for each other: ten times slower than one thread.
    with threadpool_limits(limits=1):
        reduced = _reduced(vectors)
        points = _layout(reduced)
        clusters = _clusters(points)
    names = _names(texts, clusters)
    total = len(paper_ids) if papers is None else papers
    return Atlas(tuple(paper_ids), tuple(titles), points, clusters, names, total)


# --- layout ---------------------------------------------------------------------------------------------


def _reduced(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the principal components, strongest first, shape (n, at most 50)."""
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2), dtype=np.float32)
    from sklearn.decomposition import PCA

    count = min(_COMPONENTS, *vectors.shape)
    # A constant column keeps PCA from dividing by a variance of nothing where all vectors are the same.
    if float(np.ptp(vectors, axis=0).max(initial=0.0)) == 0.0:
        return np.zeros((len(vectors), 2), dtype=np.float32)
    components = PCA(count, random_state=_SEED).fit_transform(vectors).astype(np.float32)
    missing = max(0, 2 - count)
    return np.pad(components, ((0, 0), (0, missing)))


def _layout(reduced: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns places in the plane, within -1 .. 1: of a sample by t-SNE, of the others beside their neighbours."""
    count = len(reduced)
    start = _start(reduced)
    if count < 5:
        return _scaled(start)
    chosen = np.arange(count)
    random = np.random.default_rng(_SEED)
    if count > _LANDMARKS:
        chosen = np.sort(random.choice(count, _LANDMARKS, replace=False))
    placed = _tsne(reduced[chosen], start[chosen])
    if len(chosen) == count:
        return _scaled(placed)
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=_NEIGHBOURS, algorithm="brute").fit(reduced[chosen])
    distances, nearest = index.kneighbors(reduced)
    weights = 1.0 / (distances + 1e-6) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    points = (placed[nearest] * weights[:, :, None]).sum(axis=1)
    # Beside, not upon, one another.
    points += random.normal(scale=0.004 * float(np.ptp(placed)), size=points.shape)
    points[chosen] = placed
    return _scaled(points)


def _start(reduced: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the first two components at the small scale that t-SNE starts from, no two the same."""
    start = reduced[:, :2].astype(np.float64)
    spread = float(np.ptp(start)) if len(start) else 0.0
    jitter = np.random.default_rng(_SEED).normal(scale=1e-6, size=start.shape)
    return np.asarray(start / (spread or 1.0) * 5e-4 + jitter, dtype=np.float32)


def _tsne(reduced: NDArray[np.float32], start: NDArray[np.float32]) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(reduced) - 1) / 3)
    steps = 1000 if len(reduced) < 1000 else 500
    tsne = TSNE(2, init=start, perplexity=perplexity, max_iter=steps, random_state=_SEED)
    return np.asarray(tsne.fit_transform(reduced), dtype=np.float32)


def _scaled(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the points stretched to fill the square; a few far away do not shrink the rest to a blot."""
    if not len(points):
        return points.astype(np.float32)
    low, high = np.quantile(points, (0.005, 0.995), axis=0)
    reach = np.where(high > low, (high - low) / 2, 1.0)
    return np.asarray(np.clip((points - (low + high) / 2) / reach, -1.0, 1.0), dtype=np.float32)


# --- clusters -------------------------------------------------------------------------------------------


def _clusters(points: NDArray[np.float32]) -> NDArray[np.int32]:
    """Returns the cluster of each paper; the number of clusters grows with the root of the papers.

    They are found in the plane: there, clusters of the vectors overlap too much to be told apart (a silhouette
    of .05 instead of .37 on 532 papers), while their terms are no better.
    """
    wanted = min(_MOST_CLUSTERS, max(1, round((len(points) / 3.5) ** 0.5)))
    count = min(wanted, len(np.unique(points, axis=0)))
    if count < 2:
        return np.zeros(len(points), dtype=np.int32)
    from sklearn.cluster import KMeans

    labels = KMeans(count, n_init=4, random_state=_SEED).fit_predict(points)
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int32)


def _names(texts: Sequence[str], clusters: NDArray[np.int32]) -> tuple[str, ...]:
    """Returns for each cluster its terms of highest class-based TF-IDF, joined by " · "."""
    if not len(clusters):
        return ()
    count = int(clusters.max()) + 1
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    vectorizer = CountVectorizer(
        ngram_range=(1, 2),
        stop_words=sorted(ENGLISH_STOP_WORDS | _COMMONPLACE),
        token_pattern=_WORD,
        binary=True,
        min_df=2 if len(texts) > 50 else 1,
        max_features=30_000,
        dtype=np.int32,
    )
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no term is left, as with texts of stop words only
        return ("",) * count
    members = np.zeros((count, len(texts)), dtype=np.float64)
    members[clusters, np.arange(len(texts))] = 1.0
    frequency = np.asarray(members @ counts)
    share = frequency / members.sum(axis=1, keepdims=True)
    score = share * np.log1p(count * share.mean() / np.maximum(share.mean(axis=0), 1e-12))
    terms = vectorizer.get_feature_names_out()
    best = (np.argsort(-row, kind="stable")[: min(40, np.count_nonzero(row))] for row in score)
    return tuple(" · ".join(_distinct(terms[place] for place in places)) for places in best)


def _distinct(terms: Iterator[str]) -> list[str]:
    """Returns the first terms that share no word with one before, singular and plural taken for the same."""
    chosen: list[str] = []
    used: set[str] = set()
    for term in terms:
        words = {word.removesuffix("s") for word in term.replace("-", " ").split()}
        if not words & used:
            chosen.append(term)
            used |= words
        if len(chosen) == _TERMS:
            break
    return chosen


# --- the copy in the data directory ---------------------------------------------------------------------


def _write(path: Path, key: str, atlas: Atlas) -> None:
    """Writes beside the path, then swaps: a reader meets the whole map or the one before."""
    words = {
        "key": key,
        "paper_ids": atlas.paper_ids,
        "titles": atlas.titles,
        "names": atlas.names,
        "papers": atlas.papers,
    }
    packed = np.frombuffer(json.dumps(words).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, words=packed, points=atlas.points, clusters=atlas.clusters)
    handle, name = tempfile.mkstemp(prefix="atlas-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getvalue())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _read(path: Path, key: str) -> Atlas | None:
    """Returns the map kept at a path if its key fits; a damaged file counts as none."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            words = json.loads(kept["words"].tobytes())
            if words["key"] != key:
                return None
            ids, titles, names = (tuple(map(str, words[name])) for name in ("paper_ids", "titles", "names"))
            points, clusters = kept["points"].astype(np.float32), kept["clusters"].astype(np.int32)
            atlas = Atlas(ids, titles, points, clusters, names, int(words["papers"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    fits = len(ids) == len(titles) == len(points) == len(clusters) and points.shape[1:] == (2,)
    return atlas if fits and np.all((clusters >= 0) & (clusters < max(len(names), 1))) else None
