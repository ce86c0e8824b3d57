"""The claims that support is fitted on are read as their files mean them, and the measures are right."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from citewell.chunking import sentence_spans
from citewell.citations import Source
from citewell.embedding.minilm import MiniLM
from citewell.text import content_stems, stems
from citewell.types import Paper
from citewell.verification.support import CONTENT, LEXICAL, POLARITY, observe, probability
from citewell_eval import support as support_module
from citewell_eval.pairs import BM25, Pair, attribution, healthver, load_pairs, scifact, summedits
from citewell_eval.support import (
    ROWS,
    Table,
    as_source,
    auroc,
    cross_validated,
    curve,
    fit_all,
    judged,
    judged_markdown,
    main,
    markdown,
    observe_all,
    report,
    stored,
)
from scipy.stats import mannwhitneyu

BY_VECTORS, BY_WORDS = 8, 90  # pairs of a kind in the samples
SENTENCE = "Cold storage slows the ripening of pears."


@pytest.fixture(scope="module")
def pairs(shared: Path) -> list[Pair]:
    return load_pairs(shared)


@pytest.fixture(scope="module")
def by_set(pairs: list[Pair]) -> dict[str, list[Pair]]:
    found = defaultdict(list)
    for pair in pairs:
        found[pair.dataset].append(pair)
    return found


# --- pairs -----------------------------------------------------------------------------------------------


def test_every_set_has_supported_pairs_and_others(pairs: list[Pair]) -> None:
    kinds = Counter((pair.dataset, pair.kind) for pair in pairs)
    wanted = {(dataset, kind) for _, dataset, kind, *_ in ROWS}
    assert set(kinds) == wanted | {(dataset, "supported") for dataset, _ in wanted}
    assert min(kinds.values()) >= 100
    assert all(pair.claim.strip() and pair.text.strip() for pair in pairs)
    assert all(pair.supported == (pair.kind == "supported") for pair in pairs)


def test_scifacts_kinds_are_its_labels_and_its_quotes_stand_in_the_abstract(
    by_set: dict[str, list[Pair]], shared: Path
) -> None:
    lines = (shared / "data" / "scifact-claims" / "claims_train.jsonl").read_text("utf-8").splitlines()
    labels: dict[str, set[str]] = defaultdict(set)
    for claim in map(json.loads, lines):
        for parts in claim["evidence"].values():
            labels[parts[0]["label"]].add(claim["claim"])
    found = by_set["scifact"]
    for kind, label in (("supported", "SUPPORT"), ("contradicting", "CONTRADICT")):
        assert {pair.claim for pair in found if pair.kind == kind} == labels[label]
    for pair in found:
        assert bool(pair.quotes) <= (pair.kind in ("supported", "contradicting"))
        assert all(quote in pair.text for quote in pair.quotes)
    assert np.mean([bool(pair.quotes) for pair in found if pair.supported]) > 0.95


def test_a_wrong_abstract_is_none_that_the_claim_cites(by_set: dict[str, list[Pair]]) -> None:
    wrong = [pair for pair in by_set["scifact"] if pair.kind == "wrong"]
    own = defaultdict(set)
    for pair in by_set["scifact"]:
        if pair.kind != "wrong":
            own[pair.claim].add(pair.text)
    assert all(pair.text not in own[pair.claim] for pair in wrong)
    shared_words = [len(set(content_stems(p.claim)) & set(stems(f"{p.title} {p.text}"))) for p in wrong]
    assert np.mean(np.array(shared_words) > 0) > 0.99


def test_claims_that_cite_a_common_abstract_are_of_one_group(by_set: dict[str, list[Pair]]) -> None:
    for dataset, found in by_set.items():
        groups = defaultdict(set)
        for pair in found:
            if pair.kind != "wrong" and dataset in ("scifact", "summedits"):
                groups[pair.text].add(pair.group)
        assert all(len(group) == 1 for group in groups.values()), dataset


def test_the_loaders_read_what_the_files_say(tmp_path: Path) -> None:
    health = tmp_path / "h.csv"
    health.write_text(
        "evidence,claim,label,question\nA helps B.,B is helped.,Supports,q1\nA, c,Refutes,q1\nD,e,Neutral,q2\n",
        "utf-8",
    )
    assert [(p.kind, p.group, p.claim, p.text) for p in healthver(health)] == [
        ("supported", "q1", "B is helped.", "A helps B."),
        ("contradicting", "q1", " c", "A"),
        ("no evidence", "q2", "e", "D"),
    ]
    edits = tmp_path / "s.json"
    edits.write_text(json.dumps([{"doc": "d" * 90, "summary": "s", "label": n} for n in (1, 0)]), "utf-8")
    assert [(p.kind, p.group) for p in summedits(edits)] == [("supported", "d" * 80), ("edited", "d" * 80)]
    bench = tmp_path / "a.jsonl"
    rows = [
        {"question": "q", "claim": "c", "references": ["x" * 30_000], "attribution_label": "attributable"},
        {"question": "q", "claim": "c", "references": ["x", "y"], "attribution_label": "not attributable"},
    ]
    bench.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert [(p.kind, len(p.text)) for p in attribution(bench)] == [("supported", 20_000), ("no evidence", 3)]


def test_scifact_is_read_with_its_groups_and_the_best_wrong_abstract(tmp_path: Path) -> None:
    abstracts = {
        1: ("Pears", f"{SENTENCE} They were kept in crates."),
        2: ("Cellars", "A warm cellar softens fruit."),
        3: ("Pear storage", "The storage of pears in cold rooms costs money. Ripening was not measured."),
        4: ("Buses", "Night buses shorten journeys."),
    }
    rows = [{"_id": str(n), "title": title, "text": text} for n, (title, text) in abstracts.items()]
    support = [{"sentences": [0], "label": "SUPPORT"}]
    against = [{"sentences": [0], "label": "CONTRADICT"}]
    claims = [
        {"id": 7, "claim": "Cold slows pears.", "evidence": {"1": support}, "cited_doc_ids": [1]},
        {"id": 8, "claim": "Cellars harden fruit.", "evidence": {"2": against}, "cited_doc_ids": [2, 1]},
        {"id": 9, "claim": "Buses sing.", "evidence": {}, "cited_doc_ids": [4]},
    ]
    for folder, name, lines in (
        ("scifact-claims", "claims_train.jsonl", claims),
        ("scifact-train", "corpus.jsonl", rows),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("\n".join(map(json.dumps, lines)), "utf-8")
    found = list(scifact(tmp_path))
    assert [(p.claim.split()[0], p.kind, p.title, p.quotes) for p in found] == [
        ("Cold", "supported", "Pears", (SENTENCE,)),
        ("Cold", "wrong", "Pear storage", ()),
        ("Cellars", "contradicting", "Cellars", ("A warm cellar softens fruit.",)),
        ("Cellars", "no evidence", "Pears", ()),
        ("Cellars", "wrong", "Pear storage", ()),
        ("Buses", "no evidence", "Buses", ()),
    ]
    groups = {pair.claim.split()[0]: pair.group for pair in found}
    assert groups["Cold"] == groups["Cellars"] != groups["Buses"]


def test_bm25_ranks_by_rare_words_and_keeps_the_order_of_equals() -> None:
    search = BM25(["pears and buses", "pears", "night buses and pears", "owls"])
    assert search.ranked("the night")[0] == 2
    assert search.ranked("pears")[0] == 1  # the shortest
    assert search.ranked("nothing of it") == [0, 1, 2, 3]


# --- folds and fits --------------------------------------------------------------------------------------


def made_up(seed: int = 0, count: int = 400) -> Table:
    """Pairs of two sets with features that tell their kinds apart, and a claim's relatives beside it."""
    random_numbers = np.random.default_rng(seed)
    sets = sorted({dataset: ["supported"] for _, dataset, *_ in ROWS}.items())
    for _, dataset, kind, *_ in ROWS:
        dict(sets)[dataset].append(kind)
    made = []
    for number in range(count):
        dataset, kinds = sets[number % len(sets)]
        made.append(Pair(dataset, kinds[number // 4 % len(kinds)], f"g{number // 7}", f"c{number}", "", "t"))
    supported = np.array([[pair.supported] for pair in made], dtype=float)
    turned = np.array([[pair.kind in ("contradicting", "edited")] for pair in made], dtype=float)
    content = supported + turned + random_numbers.normal(0, 0.4, (count, len(CONTENT)))
    signs = np.array([1.0 if name == "parity" else -1.0 for name in POLARITY])
    polarity = signs * (1 - 2 * turned) + random_numbers.normal(0, 0.8, (count, len(POLARITY)))
    return Table(made, content, polarity, np.zeros(count, dtype=bool))


def test_a_group_lies_in_one_fold_and_all_folds_are_used(pairs: list[Pair]) -> None:
    nothing = np.zeros((len(pairs), 0))
    table = Table(pairs, nothing, nothing, np.zeros(len(pairs), dtype=bool))
    folds = defaultdict(set)
    for pair, fold in zip(pairs, table.folds, strict=True):
        folds[pair.dataset, pair.group].add(int(fold))
    assert all(len(of_group) == 1 for of_group in folds.values())
    for dataset in {pair.dataset for pair in pairs}:
        used = {fold for (name, _), of_group in folds.items() if name == dataset for fold in of_group}
        assert used == set(range(5)), dataset
    assert table.labels.sum() == sum(pair.supported for pair in pairs)


def test_no_model_has_seen_the_group_that_it_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made_up()
    fit = support_module._fit
    seen = []

    def watched(given: Table, chosen: np.ndarray) -> dict[str, object]:
        seen.append({(p.dataset, p.group) for p, is_in in zip(given.pairs, chosen, strict=True) if is_in})
        return dict(fit(given, chosen))

    monkeypatch.setattr(support_module, "_fit", watched)
    scores = cross_validated(table)
    assert len(seen) == 5
    for fold, known in enumerate(seen):
        left_out = {(p.dataset, p.group) for p, f in zip(table.pairs, table.folds, strict=True) if f == fold}
        assert left_out and known and not left_out & known
    assert all(((0 < score) & (score < 1)).all() for score in scores.values())


def test_a_fit_learns_what_it_may_and_keeps_the_signs_of_its_features() -> None:
    table = made_up()
    models = fit_all(table)
    assert (models["support"].features, models["support-lexical"].features) == (CONTENT, LEXICAL)
    for name, model in models.items():
        for feature, weight in zip(model.features, model.weights, strict=True):
            against = feature == "numbers_missing" or (name == "polarity" and feature != "parity")
            assert weight <= 0 if against else weight >= 0, (name, feature)
    scores = cross_validated(table)
    kinds = np.array([pair.kind for pair in table.pairs])
    assert auroc(scores["polarity"][kinds == "supported"], scores["polarity"][kinds == "contradicting"]) > 0.9
    assert auroc(scores["content"][kinds == "supported"], scores["content"][kinds == "wrong"]) > 0.9


# --- measures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "positive, negative, expected",
    [
        ([2, 3], [0, 1], 1.0),
        ([0, 1], [2, 3], 0.0),
        ([1, 1], [1, 1], 0.5),
        ([1, 3], [2], 0.5),
        ([1, 2, 3], [2], 0.5),
        ([3, 2], [2, 1, 0], 5.5 / 6),
    ],
)
def test_auroc_by_hand(positive: list[float], negative: list[float], expected: float) -> None:
    assert auroc(np.array(positive), np.array(negative)) == pytest.approx(expected)


def test_auroc_is_the_statistic_of_mann_and_whitney() -> None:
    random_numbers = np.random.default_rng(3)
    for _ in range(20):
        positive, negative = (
            random_numbers.integers(0, 9, size) for size in random_numbers.integers(1, 40, 2)
        )
        expected = mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative))
        assert auroc(positive, negative) == pytest.approx(expected)


def test_a_report_has_a_row_for_each_target_with_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support_module, "_DRAWS", 60)
    table = made_up()
    scores = cross_validated(table)
    rows = report(table, scores)
    assert [row["against"] for row in rows] == [name for name, *_ in ROWS]
    for row, (_, dataset, kind, check, _) in zip(rows, ROWS, strict=True):
        counts = [sum((p.dataset, p.kind) == (dataset, k) for p in table.pairs) for k in ("supported", kind)]
        assert (row["pairs"], row["check"]) == (counts, check)
        assert 0 <= row["interval"][0] <= row["auroc"] <= row["interval"][1] <= 1
        assert 0 <= row["both_interval"][0] <= row["both"] <= row["both_interval"][1] <= 1
    assert rows == report(table, scores)


def test_a_higher_threshold_withholds_more_and_a_found_contradiction_always_is() -> None:
    table = made_up()
    scores = cross_validated(table)
    points = judged(table, scores)
    for earlier, later in zip(points, points[1:], strict=False):
        assert earlier["threshold"] < later["threshold"]
        assert all(earlier[kind] <= later[kind] for kind in earlier)
    for listed in curve(table, scores).values():
        shares = [point["scifact wrong"] for point in listed]
        assert shares == sorted(shares) and 0 <= shares[0] <= shares[-1] <= 1
    all_found = Table(table.pairs, table.content, table.polarity, np.ones(len(table.pairs), dtype=bool))
    assert {point["supported"] for point in judged(all_found, scores)} == {1.0}


def test_the_tables_are_markdown_with_a_row_for_each_target_and_threshold() -> None:
    row = {"pairs": [3, 4], "check": "content", "auroc": 0.9, "interval": [0.85, 0.95], "both": 0.8}
    row |= {"both_interval": [0.75, 0.8512], "words_alone": 0.7}
    header, rule, *lines = markdown([{"against": name, **row} for name, *_ in ROWS]).splitlines()
    assert header.count("|") == rule.count("|") == 8 and set(rule) == {"|", "-"}
    assert lines[1] == (
        "| BM25's top wrong abstract | 3 / 4 | content | 0.900 (0.850–0.950) | 0.800 (0.750–0.851) | 0.700 | 0.87 |"
    )
    assert lines[-1].endswith("| 0.700 |  |") and len(lines) == len(ROWS)
    point = {"threshold": 0.15, "supported": 0.0571, "contradicting": 0.5, "no evidence": 1, "wrong": 0}
    header, rule, line = judged_markdown({"no": [point]}).splitlines()
    assert header == "| quotes given | content threshold | supported | contradicting | no evidence | wrong |"
    assert rule.count("|") == 7
    assert line == "| no | 0.15 | 5.7 % | 50.0 % | 100.0 % | 0.0 % |"


def test_the_command_prints_what_is_stored(capsys: pytest.CaptureFixture[str]) -> None:
    main(["table"])
    found = stored()
    expected = f"{markdown(found['table'])}\n\n{judged_markdown(found['judged'])}\n"
    assert capsys.readouterr().out == expected
    assert [row["against"] for row in found["table"]] == [name for name, *_ in ROWS]
    assert set(found["judged"]) == {"no", "yes"}


# --- the fit that is shipped -----------------------------------------------------------------------------


def chosen(pairs: list[Pair], each: int, kinds: tuple[str, ...]) -> list[Pair]:
    """Some SciFact pairs, as many of each kind."""
    chooser = random.Random(20)
    listed = [[pair for pair in pairs if (pair.dataset, pair.kind) == ("scifact", kind)] for kind in kinds]
    return [pair for of_kind in listed for pair in chooser.sample(of_kind, each)]


@pytest.fixture(scope="module")
def sample(pairs: list[Pair]) -> Table:
    """The features of some pairs, read by the packaged model."""
    return observe_all(chosen(pairs, BY_VECTORS, ("supported", "no evidence", "wrong")), MiniLM(threads=2))


@pytest.fixture(scope="module")
def by_words(pairs: list[Pair]) -> Table:
    """The features of more pairs, by their words alone."""
    of_kinds = chosen(pairs, BY_WORDS, ("supported", "contradicting", "no evidence", "wrong"))
    sources = [
        Source(1, Paper(p.title, p.text, paper_id="p"), tuple(sentence_spans(p.text))) for p in of_kinds
    ]
    seen = [observe(pair.claim, (), [given], None) for pair, given in zip(of_kinds, sources, strict=True)]
    content = [[one.content.get(name, 0.0) for name in CONTENT] for one in seen]
    polarity = [[one.polarity[name] for name in POLARITY] for one in seen]
    return Table(of_kinds, np.array(content), np.array(polarity), np.zeros(len(seen), dtype=bool))


def told_apart(table: Table, name: str, kind: str) -> float:
    """The AUROC of a shipped model for the supported pairs of a table against those of a kind."""
    names, rows = (POLARITY, table.polarity) if name == "polarity" else (CONTENT, table.content)
    scores = np.array([probability(name, dict(zip(names, row, strict=True))) for row in rows])
    kinds = np.array([pair.kind for pair in table.pairs])
    return auroc(scores[kinds == "supported"], scores[kinds == kind])


@pytest.mark.parametrize("kind, floor", [("no evidence", 0.75), ("wrong", 0.7)])
def test_the_content_check_tells_supported_claims_of_a_sample_from_others(
    sample: Table, kind: str, floor: float
) -> None:
    assert sample.content.shape == (3 * BY_VECTORS, len(CONTENT))
    assert np.isfinite(sample.content).all() and sample.contradicted.mean() <= 0.15
    assert told_apart(sample, "support", kind) >= floor


@pytest.mark.parametrize(
    "name, kind, floor",
    [
        ("polarity", "contradicting", 0.63),
        ("support-lexical", "no evidence", 0.78),
        ("support-lexical", "wrong", 0.66),
    ],
)
def test_words_alone_tell_supported_claims_of_a_sample_from_others(
    by_words: Table, name: str, kind: str, floor: float
) -> None:
    assert told_apart(by_words, name, kind) >= floor


def test_quoted_pairs_cite_their_evidence_or_else_what_is_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    observe = support_module.observe

    def watched(claim: str, quotes: tuple[str, ...], *rest: object) -> object:
        asked.append(tuple(quotes))
        return observe(claim, quotes, *rest)

    monkeypatch.setattr(support_module, "observe", watched)
    text = f"Night buses shorten journeys. {SENTENCE}"
    known = Pair(
        "scifact", "supported", "g", "Pears ripen slowly in the cold.", "Pears", text, ("journeys.",)
    )
    unknown = Pair("scifact", "wrong", "g", known.claim, "Pears", text)
    model = MiniLM(threads=1)
    observe_all([known, unknown], model, quoted=True)
    observe_all([known], model)
    assert asked == [("journeys.",), (SENTENCE,), ()]


def test_an_abstract_becomes_a_source_as_an_index_holds_it() -> None:
    model = MiniLM(threads=1)
    source = as_source("Pears", f"{SENTENCE} They were kept in crates.", model)
    assert source.spans == tuple(sentence_spans(source.paper.abstract)) and len(source.spans) == 2
    assert source.vectors is not None and source.vectors.shape == (2, model.dim)
