"""Proposed cases hold what the collection says, and nothing is kept or written that nobody agreed to."""

import json

import pytest
from citewell import Assistant
from citewell.errors import NoCollectionError, UsageError
from citewell.types import Listing, Paper
from citewell_eval.cases import load_cases
from citewell_eval.proposing import REVIEW, propose
from citewell_eval.reviewing import review, write_cases
from fakes import HashEmbedder
from made_up_papers import PAPERS

ABOUT_OPERATORS = (
    Paper(
        "OpNet: Learning Neural Operators From Few Examples",
        "We introduce OpNet, a sparse solver of wave equations on curved grids that needs few examples. OpNet combines "
        "neural operators with a graph encoder. In experiments OpNet reduces memory by 37% on the WaveBench data.",
        "opnet",
        listings=(Listing("first.html"),),
    ),
    Paper(
        "Stability of Neural Operators",
        "The stability of neural operators, and of their limits, is not understood. We prove that every bounded kernel "
        "of finite rank gives a stable operator. Gaussian Mixed Kernel (GMK) is the example that we treat.",
        "stability",
        listings=(Listing("second.html"),),
    ),
)


@pytest.fixture(scope="module")
def assistant():
    with Assistant.from_papers([*PAPERS.values(), *ABOUT_OPERATORS], embedder=HashEmbedder()) as opened:
        yield opened


def asked(proposals):
    return {proposal.case.question: proposal.case for proposal in proposals}


def scripted(*typed):
    """Stands for somebody who types these lines and then leaves."""
    lines = iter(typed)

    def read(prompt):
        line = next(lines, None)
        if line is None:
            raise EOFError
        return line

    return read


# --- proposing -----------------------------------------------------------------------------------------


def test_cases_of_every_kind_are_proposed_and_are_cases(assistant, tmp_path):
    proposals = propose(assistant, 60)
    kinds = {proposal.case.kind for proposal in proposals}
    assert kinds == {"fact", "number", "definition", "which", "near_topic", "far_off", "typo"}
    assert write_cases(tmp_path / "cases.jsonl", proposals) == len(proposals)
    loaded = load_cases(tmp_path / "cases.jsonl")
    assert loaded == [proposal.case for proposal in proposals]
    assert {case.source for case in loaded} == {"proposed"} and {case.tags for case in loaded} == {(REVIEW,)}


def test_facts_stand_in_the_papers_named_and_the_question_gives_none_away(assistant):
    titles = {paper.title: paper.abstract for paper in (*PAPERS.values(), *ABOUT_OPERATORS)}
    proposals = [proposal for proposal in propose(assistant, 60) if proposal.case.answerable]
    assert len(proposals) > 10
    for proposal in proposals:
        case = proposal.case
        assert (
            case.papers and case.facts and proposal.abstracts == tuple(titles[title] for title in case.papers)
        )
        assert case.states_facts([titles[title] for title in case.papers]), case
        if case.kind != "which":
            assert not case.states_facts([case.question]), case
            assert len(case.papers) == 1 and case.states_facts([proposal.sentence]), case


def test_unanswerable_cases_say_what_is_missing_and_hold_no_facts(assistant):
    for proposal in propose(assistant, 60):
        assert proposal.case.answerable is not bool(proposal.case.why)
        assert proposal.case.answerable is bool(proposal.case.facts)


def test_what_the_abstracts_say_is_asked_for(assistant):
    cases = asked(propose(assistant, 60))
    assert cases["By how much does OpNet reduce memory?"].facts == (("37%",),)
    assert cases["What does OpNet combine?"].facts == (("neural operators with a graph encoder",),)
    assert cases["What is OpNet?"].facts == (("sparse solver of wave equations on curved grids",),)
    short = [case for question, case in cases.items() if "GMK" in question]
    assert [case.facts for case in short] == [(("Gaussian Mixed Kernel",),)]


def test_a_which_question_names_all_the_papers_that_hold_its_term(assistant):
    found = [case for case in asked(propose(assistant, 60)).values() if "neural operators" in case.question]
    assert [(case.kind, case.papers) for case in found if case.kind == "which"] == [
        ("which", tuple(sorted(paper.title for paper in ABOUT_OPERATORS)))
    ]


def test_a_fact_that_stands_in_another_paper_of_the_name_is_not_asked_for():
    rival = Paper(
        "A Second Look at Solvers", "Others say that OpNet saves 37% of memory. We could not repeat it.", "r"
    )
    with Assistant.from_papers([ABOUT_OPERATORS[0], rival], embedder=HashEmbedder()) as assistant:
        assert "By how much does OpNet reduce memory?" not in asked(propose(assistant, 60))
    with Assistant.from_papers([ABOUT_OPERATORS[0]], embedder=HashEmbedder()) as assistant:
        assert "By how much does OpNet reduce memory?" in asked(propose(assistant, 60))


def test_a_detail_that_any_paper_of_the_name_mentions_is_not_called_missing():
    other = Paper(
        "Notes on OpNet", "The OpNet solver was funded by a grant and is written in Julia.", "notes"
    )
    with Assistant.from_papers([ABOUT_OPERATORS[0], other], embedder=HashEmbedder()) as assistant:
        missing = [proposal.case.why for proposal in propose(assistant, 60, seed=3)]
    assert "no funding is mentioned" not in missing and "no programming language is named" not in missing


def test_everyday_questions_that_the_collection_is_about_are_not_called_unanswerable():
    cook = Paper(
        "Boiling Times of Hen Eggs", "A soft yolk needs an egg to be boiled for six minutes in water.", "egg"
    )
    with Assistant.from_papers([cook], embedder=HashEmbedder()) as assistant:
        far_off = [p.case.question for p in propose(assistant, 60) if p.case.kind == "far_off"]
    assert far_off and not any("egg" in question for question in far_off)


def test_a_misspelt_question_is_a_proposed_one_with_two_letters_exchanged(assistant):
    cases = [proposal.case for proposal in propose(assistant, 60)]
    right = {tuple(sorted(case.question)): case for case in cases if case.kind != "typo"}
    for typo in (case for case in cases if case.kind == "typo"):
        case = right[tuple(sorted(typo.question))]
        assert case.question != typo.question and (case.facts, case.papers) == (typo.facts, typo.papers)
        assert sum(a != b for a, b in zip(case.question, typo.question, strict=True)) == 2


def test_proposals_are_the_same_again_and_others_with_another_seed(assistant):
    assert propose(assistant, 12, seed=4) == propose(assistant, 12, seed=4)
    assert propose(assistant, 12, seed=4) != propose(assistant, 12, seed=5)


def test_every_listing_is_asked_about():
    papers = [
        Paper(f"Zor{n} Cells", f"We introduce Zor{n}Net, a tall cell of tin and ore. It is paper {n}.", f"z{n}",
              listings=(Listing("big.html" if n else "small.html"),))
        for n in range(20)
    ]  # fmt: skip
    with Assistant.from_papers(papers, embedder=HashEmbedder()) as assistant:
        named = {title for proposal in propose(assistant, 6) for title in proposal.case.papers}
    assert "Zor0 Cells" in named


@pytest.mark.parametrize(
    "paper",
    [
        Paper("Note", "Short.", "short"),
        Paper(
            "神经网络的稳定性",
            "我们研究神经网络的稳定性，并证明了一个新的结果。准确率提高了百分之五。",
            "chinese",
        ),
        Paper(
            "Über die Dauer",
            "Wir messen die Dauer von 12 Stunden und zeigen, dass sie um 30% sinkt.",
            "german",
        ),
        Paper("A (odd [title] *with ?marks", 'It\'s 5% \\alpha^{2 "quoted" (unclosed. We show that', "marks"),
    ],
)
def test_a_collection_of_one_odd_paper_gives_few_proposals(paper):
    with Assistant.from_papers([paper], embedder=HashEmbedder()) as assistant:
        proposals = propose(assistant, 50)
    assert 5 < len(proposals) < 50
    assert all(proposal.case.states_facts([paper.abstract]) for proposal in proposals)


def test_an_empty_collection_and_a_count_of_none_are_errors(tmp_path, assistant):
    with (
        Assistant.open(tmp_path, embedder=HashEmbedder()) as empty,
        pytest.raises(NoCollectionError, match="ingest"),
    ):
        propose(empty, 10)
    with pytest.raises(UsageError, match="0"):
        propose(assistant, 0)


# --- reviewing -----------------------------------------------------------------------------------------


@pytest.fixture
def memory(assistant):
    """The proposal about OpNet's memory, twice."""
    return [
        p for p in propose(assistant, 60) if p.case.question == "By how much does OpNet reduce memory?"
    ] * 2


def test_what_is_accepted_is_kept_and_no_longer_waits_for_review(memory):
    shown = []
    kept = review(memory, scripted("n", "y"), shown.append)
    assert [proposal.case.tags for proposal in kept] == [()]
    said = "\n".join(shown)
    for part in ("By how much", ABOUT_OPERATORS[0].title, "OpNet reduces memory by 37% on", "37%", "2 of 2"):
        assert part in said


@pytest.mark.parametrize("typed", [("y", "q"), ("y",), ("y", "Q ")])
def test_leaving_keeps_what_was_accepted(memory, typed):
    assert len(review(memory, scripted(*typed), lambda line: None)) == 1


def test_a_question_can_be_edited_but_not_to_say_its_answer(memory):
    shown = []
    typed = ("e", "Does it save 37% of memory?", "e", "", "e", "How much memory does OpNet save?", "y")
    (kept,) = review(memory, scripted(*typed), shown.append)
    assert kept.case.question == "How much memory does OpNet save?"
    assert any("which is its answer" in line for line in shown)


def test_edited_facts_have_to_stand_in_an_abstract(memory):
    shown = []
    typed = ("f", "73%", "f", " ; ", "f", "37% | reduces memory by 37%; wavebench", "?", "y")
    (kept,) = review(memory, scripted(*typed), shown.append)
    assert kept.case.facts == (("37%", "reduces memory by 37%"), ("wavebench",))
    assert any("73%" in line and "stay" in line for line in shown)


def test_an_unanswerable_question_gets_no_facts(assistant):
    proposal = next(p for p in propose(assistant, 60) if p.case.kind == "near_topic")
    (kept,) = review([proposal], scripted("f", "y"), lambda line: None)
    assert kept.case.facts == () and not kept.case.answerable


# --- writing -------------------------------------------------------------------------------------------


def test_an_existing_file_is_never_overwritten(tmp_path, memory):
    path = tmp_path / "cases.jsonl"
    path.write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="exists already"):
        write_cases(path, memory[:1])
    assert path.read_text("utf-8") == "mine" and list(tmp_path.iterdir()) == [path]


def test_appended_cases_get_ids_of_their_own(tmp_path, assistant):
    path = tmp_path / "cases.jsonl"
    proposals = propose(assistant, 5)
    write_cases(path, proposals)
    with path.open("a", encoding="utf-8") as file:  # no newline at the end, and a field of the user's own
        file.write(
            json.dumps({**json.loads(path.read_text("utf-8").splitlines()[0]), "id": "mine", "note": "é"})
        )
    assert write_cases(path, proposals, append=True) == 5
    cases = load_cases(path)
    assert len(cases) == 11 and len({case.id for case in cases}) == 11
    assert '"note"' in path.read_text("utf-8") and list(tmp_path.iterdir()) == [path]


def test_a_new_file_can_be_appended_to_and_a_link_stays_one(tmp_path, memory):
    (tmp_path / "link").symlink_to(tmp_path / "real.jsonl")
    assert write_cases(tmp_path / "link", memory[:1], append=True) == 1
    assert (tmp_path / "link").is_symlink() and len(load_cases(tmp_path / "real.jsonl")) == 1


def test_nothing_is_appended_to_a_file_that_holds_no_cases(tmp_path, memory):
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n", "utf-8")
    with pytest.raises(UsageError, match=r"notes\.txt:1"):
        write_cases(path, memory[:1], append=True)
    assert path.read_text("utf-8") == "buy milk\n"


def test_a_folder_that_is_not_there_is_named(tmp_path, memory):
    with pytest.raises(UsageError, match="Cannot write the cases .*none"):
        write_cases(tmp_path / "none" / "cases.jsonl", memory[:1])


def test_nothing_kept_writes_nothing(tmp_path):
    assert write_cases(tmp_path / "cases.jsonl", []) == 0 and not list(tmp_path.iterdir())
