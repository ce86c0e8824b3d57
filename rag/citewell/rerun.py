"""Computing an answer again from its trace, without the language model that wrote it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from citewell.answering import compose, notice, understand, write
from citewell.author import Author, Stop
from citewell.embedding import open_embedder
from citewell.settings import Settings, load_settings
from citewell.trace import Recorder, ReplayError, replay
from citewell.types import Answer, Citation, Failed, Rejected, Sentence, SentenceReady, SentenceRejected


def rerun(trace: Path) -> Answer:
    """Returns the answer that drafting and verifying come to again, given the recorded sources and replies.

    Raises:
        UsageError: the file cannot be read, is no trace, or no language model was asked.
        ReplayError: what comes of it is not what was recorded.
    """
    model = replay(trace)
    recorded = model.recorded
    if recorded.answer is None or recorded.fence is None:
        raise ReplayError(f"The trace {trace} ends before an answer. Ask the question again.")
    settings = load_settings(
        {name: value for name, value in recorded.settings.items() if name in Settings.model_fields}
    )
    author = Author(model, settings, open_embedder(settings.embedding), Stop(), Recorder(), recorded.fence)
    alone = understand(recorded.question, recorded.history, author, settings.history_tokens)
    sentences: list[Sentence] = []
    citations: list[Citation] = []
    rejected: list[Rejected] = []
    error = None
    drafts = write(author, alone.text, recorded.sources, lambda: recorded.quotes) if recorded.sources else ()
    for event in compose(drafts):
        if isinstance(event, SentenceReady):
            sentences.append(event.sentence)
            citations += event.citations
        elif isinstance(event, SentenceRejected):
            rejected.append(event.rejected)
        elif isinstance(event, Failed):
            error = event.message
    answer = replace(
        recorded.answer,
        standalone_question=alone.text,
        sentences=tuple(sentences),
        citations=tuple(citations),
        rejected=tuple(rejected),
        usage=author.bill(),
        error=error,
        notice=notice(author, sentences, error),
    )
    model.check(answer)
    return answer
