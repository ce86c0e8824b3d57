"""Stock LlamaIndex as two systems: its default query engine, and its `CitationQueryEngine`.

Both run over one `VectorStoreIndex` (see `llama_parts`) with LlamaIndex's own defaults: two nodes, "compact"
synthesis, its own prompts. With a `similarity_cutoff` its `SimilarityPostprocessor` drops nodes below that cosine,
and a question that none is left for is refused: the strongest refusal that LlamaIndex offers without code.
Earlier turns are not read: a query engine knows no conversation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from citewell.assistant import Assistant
from citewell.errors import GenerationError
from citewell.llm import LanguageModel
from citewell.llm.prices import cost
from citewell.types import Answer, Citation, Paper, Sentence, Span
from llama_index.core import VectorStoreIndex
from llama_index.core.base.response.schema import Response
from llama_index.core.llms import LLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import CitationQueryEngine, RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from citewell_eval.systems.library import NONE, Asked, LibrarySystem, Scored, citation
from citewell_eval.systems.llama_parts import SameModel
from citewell_eval.systems.wording import Said, says_it_does_not_know, split

_TOP_K = 2  # LlamaIndex's DEFAULT_SIMILARITY_TOP_K
_SPARE = 2  # chunks asked for, per paper wanted: several may be of one paper
_HEADER = re.compile(r"\ASource \d+:\n")


class LlamaIndexSystem(LibrarySystem):
    """`VectorStoreIndex.as_query_engine()`.

    A stock answer does not say which node a sentence rests on, so every sentence cites all source nodes. Without a
    language model LlamaIndex's `response_mode="no_text"` returns the nodes that are left, so each is a statement that
    quotes itself. The confidence is the cosine of the best node.

    Args:
        assistant: whose papers the index was built of.
        index: what `build_index` returned.
        model: the language model; None for nodes alone.
        similarity_cutoff: least cosine of a node that is used; None for all, which is stock.
        name: what the system is called in the table.
    """

    def __init__(
        self,
        assistant: Assistant,
        index: VectorStoreIndex,
        model: LanguageModel | None = None,
        similarity_cutoff: float | None = None,
        name: str = "LlamaIndex",
    ) -> None:
        super().__init__(assistant, name)
        self._index = index
        self._model = model
        self._cutoff = similarity_cutoff

    def search(self, question: str, k: int) -> list[str]:
        """Returns the ids of at most `k` papers in the order of their nearest nodes."""
        found = self._index.as_retriever(similarity_top_k=_SPARE * k).retrieve(self._checked(question))
        return list(dict.fromkeys(_paper_id(node) for node in found))[:k]

    def ask(self, question: str, history: Sequence[Answer] = ()) -> Answer:
        """Returns what the query engine answers, or its refusal."""
        asked = self._asked(question, NONE if self._model is None else self._model.name)
        query = QueryBundle(asked.question)
        found = self._index.as_retriever(similarity_top_k=_TOP_K).retrieve(query)
        confidence = float(found[0].score or 0.0) if found else 0.0
        scored = [Scored(self.paper(_paper_id(node)), float(node.score or 0.0)) for node in found]
        nodes = found
        if self._cutoff is not None:
            nodes = SimilarityPostprocessor(similarity_cutoff=self._cutoff).postprocess_nodes(found, query)
        if self._model is None:
            return self._quoted(asked, nodes, scored, confidence)
        return self._written(asked, self._model, query, nodes, scored)

    def _quoted(
        self, asked: Asked, nodes: list[NodeWithScore], scored: list[Scored], confidence: float
    ) -> Answer:
        if not nodes:
            return asked.refuse(scored, confidence)
        citations = self._citations(nodes)
        sentences = [Sentence(cited.quote, (cited.number,), "quoted") for cited in citations]
        return asked.tell(sentences, citations, len(nodes), confidence)

    def _written(
        self,
        asked: Asked,
        model: LanguageModel,
        query: QueryBundle,
        nodes: list[NodeWithScore],
        scored: list[Scored],
    ) -> Answer:
        confidence = scored[0].score if scored else 0.0
        llm = SameModel(model, self._assistant.settings.max_answer_tokens)
        try:
            response = self._engine(llm).synthesize(query, nodes)
        except GenerationError as error:
            return asked.fail(str(error), len(nodes), confidence, _bill(llm, model))
        text = response.response if isinstance(response, Response) else None
        if text is None or says_it_does_not_know(text):
            return asked.refuse(scored, confidence, text or "Empty Response", _bill(llm, model))
        sentences, citations = self._read(split(text), self._citations(response.source_nodes))
        return asked.tell(sentences, citations, len(nodes), confidence, _bill(llm, model))

    def _engine(self, llm: LLM) -> RetrieverQueryEngine | CitationQueryEngine:
        return RetrieverQueryEngine.from_args(self._index.as_retriever(), llm=llm)

    def _read(
        self, said: Sequence[Said], sources: Sequence[Citation]
    ) -> tuple[list[Sentence], list[Citation]]:
        """Returns the sentences, each citing every source."""
        numbers = tuple(source.number for source in sources)
        return [Sentence(one.text, numbers, "verified") for one in said], list(sources)

    def _citations(self, nodes: Sequence[NodeWithScore]) -> list[Citation]:
        """Returns a citation a node, numbered as LlamaIndex numbers them; what is not in the abstract is at 0..0."""
        citations = []
        for number, node in enumerate(nodes, 1):
            paper = self.paper(_paper_id(node))
            text = _HEADER.sub("", node.node.get_content(MetadataMode.NONE)).strip()
            citations.append(citation(number, paper, text, _place(paper, text)))
        return citations


class CitationEngineSystem(LlamaIndexSystem):
    """`CitationQueryEngine`: retrieved nodes are cut into sources of 512 tokens, and the model cites them as `[n]`.

    A number that is no source stays in `Sentence.citations`, where no citation has it. What is cited is the whole
    source: the engine knows no shorter quote.

    Args:
        assistant: whose papers the index was built of.
        index: what `build_index` returned.
        model: the language model.
        similarity_cutoff: least cosine of a node that is used; None for all, which is stock.
        name: what the system is called in the table.
    """

    def __init__(
        self,
        assistant: Assistant,
        index: VectorStoreIndex,
        model: LanguageModel,
        similarity_cutoff: float | None = None,
        name: str = "LlamaIndex CitationQueryEngine",
    ) -> None:
        super().__init__(assistant, index, model, similarity_cutoff, name)

    def _engine(self, llm: LLM) -> RetrieverQueryEngine | CitationQueryEngine:
        return CitationQueryEngine.from_args(self._index, llm=llm)

    def _read(
        self, said: Sequence[Said], sources: Sequence[Citation]
    ) -> tuple[list[Sentence], list[Citation]]:
        """Returns the sentences with the numbers of their markers, and the sources that any of these names."""
        named = {number for one in said for number in one.numbers}
        sentences = [Sentence(one.text, one.numbers, "verified") for one in said]
        return sentences, [source for source in sources if source.number in named]


def _paper_id(node: NodeWithScore) -> str:
    """Returns the id of the document that a node was cut from, which is the paper's."""
    return str(node.node.ref_doc_id)


def _place(paper: Paper, text: str) -> Span:
    start = paper.abstract.find(text)
    return Span(0, 0) if start < 0 else Span(start, start + len(text))


def _bill(llm: SameModel, model: LanguageModel) -> Mapping[str, float]:
    """Returns what the model has consumed, in the form of Citewell's own answers."""
    usage, price = llm.usage, cost(model.name, llm.usage)
    bill: dict[str, float] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "requests": usage.requests,
    }
    if usage.estimated:
        bill["estimated"] = 1
    return bill if price is None else {**bill, "cost_usd": price}
