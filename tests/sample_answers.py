"""Two answers that tests keep and read again."""

from dataclasses import replace

from citewell.types import (
    Abstention,
    Answer,
    Citation,
    Coverage,
    EngineInfo,
    Rejected,
    SearchResult,
    Sentence,
)

ANSWER = Answer(
    "How fast is it?",
    "How fast is FreeNoise?",
    (Sentence("It is 1.2 times as fast.", (1, 2), "verified"), Sentence("It is so.", (1,), "quoted")),
    (
        Citation(1, "p1", "FreeNoise", "https://arxiv.org/abs/1", "It is so.", 3, 12),
        Citation(2, "p2", "FreeLong", None, "1.2 times", 0, 9),
    ),
    Coverage(532, 40, 8, 2),
    EngineInfo("gpt-4o-mini", "minilm", "answer/1", "ab" * 32, "cd" * 16),
    0.75,
    rejected=(Rejected("It is 9 times as fast.", "9 is not in source 1.", "number"),),
    usage={"prompt_tokens": 812, "completion_tokens": 40, "requests": 1, "cost_usd": 0.00015},
    timings={"retrieve": 0.01, "total": 1.25},
    notice="One line.",
)
REFUSAL = replace(
    ANSWER,
    sentences=(),
    citations=(),
    abstention=Abstention("not_reported", "None reports it.", (SearchResult("p1", "FreeNoise", 0.5, 1),)),
)
