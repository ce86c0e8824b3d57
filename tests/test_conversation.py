"""Follow-ups are made to stand on their own, other questions stay as they are, and a model may invent nothing."""

import json
import re
from pathlib import Path

import pytest
from citewell.chunking import count_tokens
from citewell.conversation import Standalone, accept, bounded, rewrite, transcript
from citewell.conversation.subjects import short_title
from citewell.types import Abstention, Answer, Citation, Coverage, EngineInfo, SearchResult, Sentence
from citewell_eval.cases import load_cases
from hypothesis import given
from hypothesis import strategies as st

DATASETS = Path(__file__).parents[1] / "eval" / "datasets"
NOISE = "FreeNoise: Tuning-Free Longer Video Diffusion Via Noise Rescheduling"
LONG = "FreeLong: Training-Free Long Video Generation with SpectralBlend Temporal Attention"
ASYNC = "AR-Diffusion: Asynchronous Video Generation with Auto-Regressive Diffusion"


def answered(question, *titles, quote="It is so.", standalone=None):
    """A turn that cites the titles in order; the id of a paper is its title."""
    citations = tuple(Citation(n, title, title, None, quote, 0, 9) for n, title in enumerate(titles, 1))
    return Answer(
        question,
        standalone or question,
        tuple(Sentence(quote, (citation.number,), "quoted") for citation in citations),
        citations,
        Coverage(9, 9, 9, len(titles)),
        EngineInfo("quotes", "minilm", None, None, ""),
        1.0,
    )


def refused(question, *nearest):
    found = tuple(SearchResult(title, title, 0.5, rank) for rank, title in enumerate(nearest, 1))
    abstention = Abstention("not_reported", "None of the abstracts reports this.", found)
    engine = EngineInfo("quotes", "minilm", None, None, "")
    return Answer(question, question, (), (), Coverage(9, 9, 9, 0), engine, 0.1, abstention)


ONE = [answered("How does FreeNoise extend videos?", NOISE)]
LIST = [answered("Which papers generate longer videos?", NOISE, LONG, ASYNC)]
COMPARED = [answered("Compare FreeNoise and FreeLong.", NOISE, LONG)]


@pytest.mark.parametrize(
    ("follow_up", "standalone"),
    [
        ("and how fast is it?", "How fast is FreeNoise?"),
        ("what does it do", "What does FreeNoise do?"),
        ("who made them?", "Who made FreeNoise?"),
        ("is that better than GAN training?", "Is FreeNoise better than GAN training?"),
        ("what are its limits?", "What are the limits of FreeNoise?"),
        ("is its memory cost high?", "Is FreeNoise's memory cost high?"),
        ("does this method need training?", "Does FreeNoise need training?"),
        ("what does the method reschedule?", "What does FreeNoise reschedule?"),
        ("who are the authors?", "Who are the authors of FreeNoise?"),
        ("how big is this dataset?", "How big is the dataset of FreeNoise?"),
        ("does this loss need labels?", "Does the loss of FreeNoise need labels?"),
        ("what did they find?", "What did the authors of FreeNoise find?"),
        ("what is the title of that paper?", "What is the title of FreeNoise?"),
        ("I see. But how does it keep content?", "How does FreeNoise keep content?"),
        ("what does it do and is it slow?", "What does FreeNoise do and is it slow?"),
        ("how does this work?", "How does FreeNoise work?"),
        ("and on ImageNet?", "How does FreeNoise extend videos on ImageNet?"),
        ("how about FreeLong?", "How does FreeLong extend videos?"),
        ("and FreeLong?", "How does FreeLong extend videos?"),
        ("what about the memory cost?", "What about the memory cost of FreeNoise?"),
        ("what about their code?", "What about the code of FreeNoise?"),
        ("what about ImageNet?", "What about FreeNoise on ImageNet?"),
        ("what about long videos?", "What about long videos with FreeNoise?"),
        ("why?", "Why does FreeNoise extend videos?"),
        ("how so?", "Why does FreeNoise extend videos?"),
        ("by how much?", "By how much does FreeNoise extend videos?"),
        ("since when?", "Since when does FreeNoise extend videos?"),
        ("who?", "How does FreeNoise extend videos, and who?"),
        ("more", "Tell me more about FreeNoise."),
        ("any others?", "Which other papers are like FreeNoise?"),
        ("are you sure?", "How does FreeNoise extend videos?"),
        ("explain that more simply", "Explain more simply: how does FreeNoise extend videos?"),
        ("compare it with FreeLong", "Compare FreeNoise with FreeLong."),
        ("how does that compare to FreeLong?", "How does FreeNoise compare to FreeLong?"),
        ("How does FreeLong compare with it?", "How does FreeLong compare with FreeNoise?"),
        ("faster than FreeLong?", "Is FreeNoise faster than FreeLong?"),
        ("how many parameters?", "How many parameters for FreeNoise?"),
        ("which dataset was used?", "Which dataset was used for FreeNoise?"),
    ],
)
def test_a_follow_up_gets_the_subject_of_the_last_turn(follow_up, standalone):
    assert rewrite(follow_up, ONE).text == standalone
    assert rewrite(follow_up, ONE).follows


@pytest.mark.parametrize(
    ("history", "follow_up", "standalone", "papers"),
    [
        (LIST, "the second one", "Tell me about FreeLong.", (LONG,)),
        (LIST, "what does the first do?", "What does FreeNoise do?", (NOISE,)),
        (LIST, "does the second use attention?", "Does FreeLong use attention?", (LONG,)),
        (LIST, "explain the last paper", "Explain AR-Diffusion.", (ASYNC,)),
        (LIST, "what does number 2 say?", "What does FreeLong say?", (LONG,)),
        (LIST, "[2]", "Tell me about FreeLong.", (LONG,)),
        (LIST, "explain source 3", "Explain AR-Diffusion.", (ASYNC,)),
        (LIST, "compare the first two", "Compare FreeNoise and FreeLong.", (NOISE, LONG)),
        (LIST, "and the others?", "Tell me about FreeLong and AR-Diffusion.", (LONG, ASYNC)),
        (LIST, "is it fast?", "Is FreeNoise fast?", (NOISE,)),
        (LIST, "any other papers?", "Which other papers generate longer videos?", ()),
        (
            LIST,
            "which of these is faster?",
            "Which of FreeNoise, FreeLong and AR-Diffusion is faster?",
            (NOISE, LONG, ASYNC),
        ),
        (COMPARED, "does the latter need training?", "Does FreeLong need training?", (LONG,)),
        (COMPARED, "and the former?", "Tell me about FreeNoise.", (NOISE,)),
        (COMPARED, "which one is faster?", "Which of FreeNoise and FreeLong is faster?", (NOISE, LONG)),
        (COMPARED, "what is the difference?", "How do FreeNoise and FreeLong differ?", (NOISE, LONG)),
        (COMPARED, "are both of them training-free?", "Are FreeNoise and FreeLong training-free?", (NOISE, LONG)),
        (LIST + ONE, "and the second one?", "How does FreeLong extend videos?", (LONG,)),
        (LIST + ONE, "is it better than the second one?", "Is FreeNoise better than FreeLong?", (LONG, NOISE)),
        (LIST + ONE, "what does the other one do?", "What does FreeLong do?", (LONG,)),
    ],
)  # fmt: skip
def test_pointing_at_one_of_several_carries_its_paper(history, follow_up, standalone, papers):
    assert rewrite(follow_up, history) == Standalone(standalone, papers, True)


def test_a_paper_of_an_earlier_turn_that_is_named_again_is_carried():
    history = [answered("What is FreeLong?", LONG), *ONE]
    assert rewrite("compare it with FreeLong", history).papers == (NOISE, LONG)


def test_words_that_point_too_often_make_no_monster():
    history = [answered("Which one?", "A title of " + "many words " * 100)]
    assert rewrite("the first paper " * 35, history).follows is False


def test_things_named_in_two_turns_can_be_compared():
    history = [answered("What is FreeLong?", LONG), *ONE]
    assert rewrite("which one is faster?", history).text == "Which of FreeLong and FreeNoise is faster?"


@pytest.mark.parametrize(
    "question",
    [
        "What is NoProp?",
        "How do neural operators learn PDEs?",
        "How does FreeNoise extend videos and is it slow?",
        "Is it possible to train on one GPU?",
        "Does it take long to train a GAN?",
        "Why is it hard for networks to forget?",
        "Is it true that GANs collapse?",
        "Which papers show that attention is slow?",
        "Which models use one GPU?",
        "What lets models that use attention scale?",
        "If a model is pruned, does it keep its accuracy?",
        "I trained a classifier on noisy labels. How do I fix this classifier?",
        "What is the first layer of a network for?",
        "Who was the first emperor of Rome?",
        "Which papers in this collection are about pruning?",
        "What is a benchmark?",
        "What about methods that prune transformers?",
        "Does FreeLong or AR-Diffusion need training, and is the latter faster?",
        "the [9]th",
        "thanks",
        "",
        "  two  spaces ",
    ],
)
def test_a_question_that_stands_alone_comes_back_as_it_was(question):
    assert rewrite(question, ONE) == Standalone(question, (), False)


def test_without_earlier_turns_nothing_follows():
    assert rewrite("and how fast is it?", []) == Standalone("and how fast is it?", (), False)


@pytest.mark.parametrize(
    ("last", "follow_up", "standalone"),
    [
        (refused("What is Sora?", NOISE), "who made it?", "Who made Sora?"),
        (refused("What is Sora?", NOISE), "and FreeNoise?", "What is FreeNoise?"),
        (refused("How fast is FreeNoise?", NOISE), "why?", "How fast is FreeNoise, and why?"),
        (refused("how do I cook pasta quickly?"), "is it hard?", "Is “cook pasta quickly” hard?"),
        (refused("what is it?"), "is it hard?", "is it hard?"),
        (refused("What is Sora?", LONG, NOISE), "what does [2] do?", "What does FreeNoise do?"),
    ],
)
def test_after_a_refusal_the_subject_is_the_questions_own(last, follow_up, standalone):
    assert rewrite(follow_up, [last]).text == standalone


def test_a_paper_that_a_refused_question_names_is_carried_on_and_the_others_are_not():
    last = refused("How fast is FreeNoise?", LONG, NOISE)
    assert rewrite("is it free?", [last]).papers == (NOISE,)


def test_the_subject_is_what_was_asked_about_or_else_the_paper_cited_most():
    asked = "Which network was tested on ImageNet?"
    assert rewrite("is it small?", [answered(asked, LONG, NOISE, NOISE)]).text == "Is FreeNoise small?"
    defined = answered("What is the Discriminative Kalman Filter?", "A Discriminative Approach to Filtering")
    assert rewrite("who used it?", [defined]).text == "Who used the Discriminative Kalman Filter?"


def test_standalone_questions_of_follow_ups_do_not_grow_from_turn_to_turn():
    history = list(ONE)
    for follow_up in [
        "who?",
        "who?",
        "explain that more simply",
        "explain that more simply",
        "more",
        "more",
    ] * 3:
        written = rewrite(follow_up, history)
        history.append(answered(follow_up, NOISE, standalone=written.text))
        assert len(written.text) < 80


@pytest.mark.parametrize(
    ("title", "name"),
    [
        (NOISE, "FreeNoise"),
        ("Superfiltering: Weak-to-Strong Data Filtering", "Superfiltering"),
        ("Gradient is All You Need?", "“Gradient is All You Need”"),
        ("Soft Mixture Denoising: Beyond the Bottleneck", "“Soft Mixture Denoising”"),
        (
            "A Very Long Title of a Paper That Goes on for Pages and Pages",
            "“A Very Long Title of a Paper That Goes”",
        ),
        ("One two three four five six seven eight nine ten", "“One two three four five six seven eight nine ten”"),
        ("One two three four five six seven eight and the eleventh", "“One two three four five six seven eight”"),
    ],
)  # fmt: skip
def test_short_title(title, name):
    assert short_title(title) == name


@given(st.text(max_size=80), st.lists(st.text(max_size=60), max_size=3), st.booleans())
def test_any_text_gives_one_line_or_the_question_itself(text, words, cited):
    history = [answered(word, word, word + ": x") if cited else refused(word, word) for word in words]
    found = rewrite(text, history)
    if found.follows:
        assert found.text == " ".join(found.text.split()) != ""
    else:
        assert (found.text, found.papers) == (text, ())


def test_questions_that_nobody_asked_before_are_hardly_ever_taken_for_follow_ups():
    cases = load_cases(DATASETS / "pages-dev.jsonl")
    taken = [
        case.question
        for number, case in enumerate(cases)
        if rewrite(case.question, [answered(cases[number - 1].question, NOISE, LONG)]).follows
    ]
    assert len(taken) <= 0.01 * len(cases), taken


@pytest.mark.parametrize(("name", "least"), [("dev", 0.95), ("held", 0.85)])
def test_rewritten_follow_ups_name_what_they_are_about(name, least):
    path = DATASETS / f"follow-ups-{name}.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(load_cases(path)) == len(rows) == len({row["id"] for row in rows}) == 40
    missing = []
    for row in rows:
        history = [
            answered(earlier, *cited) for earlier, cited in zip(row["history"], row["cited"], strict=True)
        ]
        written = rewrite(row["question"], history)
        if not named(row["keywords"], written.text):
            missing.append(f"{row['question']} -> {written.text}")
        assert named(row["keywords"], row["standalone"]), row["id"]
        assert not named(row["keywords"], row["question"]), row["id"]
    assert len(missing) <= (1 - least) * len(rows), missing


def named(keywords, text):
    return all(any(word.casefold() in text.casefold() for word in group) for group in keywords)


# --- for a language model ------------------------------------------------------------------------------


def test_a_transcript_holds_questions_answers_and_titles_one_line_each():
    turn = answered("and  it?", NOISE, quote="It is\nfast.", standalone="How fast is\nFreeNoise?")
    assert transcript([turn, refused("What is Sora?", NOISE)]).splitlines() == [
        "Q: How fast is FreeNoise?",
        "A: It is fast. [1]",
        f"Cited: [1] {NOISE}",
        "Q: What is Sora?",
        "A: None of the abstracts reports this.",
    ]
    assert transcript([]) == ""


def test_history_is_bounded_to_the_newest_whole_turns():
    history = [answered(f"Question {number}?", NOISE) for number in range(5)]
    one = count_tokens(transcript(history[:1]))
    assert list(bounded(history, 2 * one)) == history[3:]
    assert list(bounded(history, 2 * one - 1)) == history[4:]
    assert list(bounded(history, one - 1)) == []
    assert list(bounded(history, 0)) == []
    assert list(bounded(history, 100 * one)) == history
    assert list(bounded([], 100)) == []


def test_a_turn_too_long_for_the_budget_hides_the_turns_before_it():
    history = [answered("Short?", NOISE), answered("Long? " * 500, NOISE), answered("Short?", LONG)]
    assert list(bounded(history, 200)) == history[2:]


@pytest.mark.parametrize(
    ("reply", "accepted"),
    [
        ('{"question": "How fast is FreeNoise?"}', "How fast is FreeNoise?"),
        ("How fast is FreeNoise?", "How fast is FreeNoise?"),
        ("  Compare FreeNoise's cost with GAN training.\n", "Compare FreeNoise's cost with GAN training."),
        ("How does FreeNoise reach 128 frames?", "How does FreeNoise reach 128 frames?"),
        ("Which videos can I make with FreeNoise?", "Which videos can I make with FreeNoise?"),
    ],
)
def test_a_plain_question_about_what_was_said_is_accepted(reply, accepted):
    history = [answered("How does FreeNoise extend videos?", NOISE, quote="It reaches 128 frames.")]
    assert accept(reply, "and against GAN training?", history, 100) == accepted


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        "{}",
        '{"question": ""}',
        '{"question": 3}',
        '{"question": "How fast is FreeNoise?"} And more.',
        '{"question": "How fast\\nis FreeNoise?"}',
        "How fast is FreeNoise?\nHow slow is it?",
        "How fast is FreeLong?",
        "Sora is how fast?",
        "Does FreeNoise reach 129 frames?",
        "Does FreeNoise take 17% more time?",
        "How fast is **FreeNoise**?",
        "How fast is `FreeNoise`?",
        "How fast is [FreeNoise](x)?",
        "<b>How fast is FreeNoise?</b>",
        "# How fast is FreeNoise?",
        "How fast is FreeNoise? See https://evil.example/x",
        "How fast is FreeNoise? See evil.example for more",
        "How fast is Free\u200bNoise?",
        "How fast is FreeNoise?\u202e",
        "How fast is\u2028FreeNoise?",
        "How fast is FreeNoise" + " or slow" * 20,
    ],
)
def test_what_a_model_must_not_write_is_refused(reply):
    history = [answered("How does FreeNoise extend videos?", NOISE, quote="It reaches 128 frames.")]
    assert accept(reply, "and how fast is it?", history, 100) is None


def test_a_name_of_an_abstention_or_of_the_question_may_be_used():
    assert accept("How fast is FreeLong?", "how fast is it?", [refused("What is it?", LONG)], 100)
    assert accept("How fast is FreeLong?", "how fast is freelong?", [], 100)
    assert not re.search("freelong", transcript(ONE).casefold())
