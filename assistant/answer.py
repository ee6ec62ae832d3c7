"""A question and a corpus to an answer with evidence, or a refusal: the same for every screen and program.

retrieve ──▶ judge the evidence ──▶ prompt ──▶ engine ──▶ ground each sentence
                    └─▶ too weak: refuse, with the nearest passages, without asking the model
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from assistant.config import AnswerSettings, EngineSettings
from assistant.engines.base import Engine
from assistant.errors import ModelError
from assistant.grounding import ground, weighted_coverage
from assistant.language import content_stems, detect, stems, well_formed
from assistant.prompt import build_messages, fitting_evidence, without_delimiters
from assistant.quoting import quote
from assistant.retriever import Retriever
from assistant.sentences import sentence_spans
from assistant.store.catalog import Catalog
from assistant.types import Answer, Evidence, Filter, Message, Sentence

_SENTENCE_ENDS = ".!?\n"

Listener = Callable[[str], None]


class Assistant:
    """Answers questions about one corpus."""

    def __init__(
        self,
        retriever: Retriever,
        engine: Callable[[], Engine],
        answering: AnswerSettings,
        generation: EngineSettings,
    ) -> None:
        """``engine`` is called when a model is first needed: a refusal needs none."""
        self._retriever = retriever
        self._make_engine = engine
        self._engine: Engine | None = None
        self._answering = answering
        self._generation = generation

    def ask(
        self,
        question: str,
        history: Sequence[Message] = (),
        only: Filter | None = None,
        listener: Listener | None = None,
        adapter: str | None = None,
    ) -> Answer:
        """Answer one question. ``listener`` hears the words as they come; without an adapter the base model answers.

        Raises what ``Retriever.search`` raises, and what ``Engine.stream`` raises.
        """
        started = time.perf_counter()
        question = well_formed(question)
        standalone = standalone_question(question, history)
        found = self._retriever.search(standalone, self._answering.evidence, only)
        retrieved = time.perf_counter()
        reason = self._weakness(standalone, found)
        if reason:
            timings = {"retrieve": retrieved - started}
            return self._refused(question, standalone, found, reason, adapter, timings)
        shown, text = self._generate(question, history, found, listener, adapter)
        generated = time.perf_counter()
        if self._declines(text):
            timings = {"retrieve": retrieved - started, "generate": generated - retrieved}
            reason = "the model found no answer in these passages"
            return self._refused(question, standalone, shown, reason, adapter, timings)
        sentences = tuple(ground(text, shown, self._weights, self._answering.support_coverage))
        instead = self._quote_instead(question, shown, sentences)
        timings = {
            "retrieve": retrieved - started,
            "generate": generated - retrieved,
            "ground": time.perf_counter() - generated,
        }
        answer = Answer(question, standalone, text, sentences, tuple(shown), adapter=adapter, timings=timings)
        return replace(answer, text=instead.text, sentences=(instead,), quoted=True) if instead else answer

    def _declines(self, text: str) -> bool:
        """Whether the model itself refused, in the words that it was trained to refuse in."""
        return text.startswith(tuple(self._answering.refusal.values()))

    def _refused(
        self,
        question: str,
        standalone: str,
        nearest: Sequence[Evidence],
        reason: str,
        adapter: str | None,
        timings: dict[str, float],
    ) -> Answer:
        text = self._refusal(question)
        answer = Answer(question, standalone, text, (), tuple(nearest), refused=True, refusal_reason=reason)
        return replace(answer, adapter=adapter, timings=timings)

    def _quote_instead(
        self, question: str, shown: Sequence[Evidence], sentences: Sequence[Sentence]
    ) -> Sentence | None:
        """A quotation in place of an answer that nothing supports, if that is wanted."""
        if self._answering.unsupported == "show" or any(sentence.supported for sentence in sentences):
            return None
        return quote(question, shown, self._retriever.embedder, self._weights)

    def _generate(
        self,
        question: str,
        history: Sequence[Message],
        found: Sequence[Evidence],
        listener: Listener | None,
        adapter: str | None,
    ) -> tuple[list[Evidence], str]:
        engine = self._engine = self._engine or self._make_engine()
        kept = list(history)

        def messages(evidence: Sequence[Evidence]) -> list[Message]:
            return build_messages(self._answering.system, evidence, kept, question, engine.control_tokens)

        budget = min(self._answering.prompt_tokens, engine.window - self._generation.max_new_tokens)
        while kept and engine.count(messages([])) > budget // 2:
            kept.pop(0)  # the oldest turn says least about this question
        shown = fitting_evidence(found, budget, lambda evidence: engine.count(messages(evidence)))
        room = engine.window - engine.count(messages(shown))
        if room < 1:
            raise ModelError(
                f"The prompt is longer than the {engine.window} tokens that the model reads.",
                "Lower answer.evidence, or shorten the question.",
            )
        longest = min(self._generation.max_new_tokens, room)
        text = ""
        with closing(engine.stream(messages(shown), longest, self._generation.temperature, adapter)) as stream:
            for piece in stream:
                text += piece
                if listener:
                    listener(piece)
                if any(mark in piece for mark in _SENTENCE_ENDS) and repeats_itself(text):
                    break
        return shown, without_repetition(without_delimiters(text)).strip()

    def _weakness(self, question: str, found: Sequence[Evidence]) -> str:
        """Why the evidence is too weak to answer from; empty when it is not."""
        if not found:
            return "nothing in the documents fits the question"
        coverage = self._coverage(question, found)
        if coverage < self._answering.min_coverage:
            return f"the nearest passages hold {coverage:.0%} of what the question names"
        similarities = [hit.dense for hit in found if hit.dense is not None]
        language = detect(question, self._retriever.languages)
        if not similarities or not self._retriever.embedder.understands(language):
            return ""
        similarity = max(similarities)
        if similarity < self._answering.min_similarity:
            return f"the nearest passage has similarity {similarity:.2f} to the question"
        return ""

    def _coverage(self, question: str, found: Sequence[Evidence]) -> float:
        """Part of the weight of the question's words that the passages hold, in the better of the languages."""
        return max(
            (self._coverage_in(language, question, found) for language in self._retriever.languages or ("en",)),
            default=0.0,
        )

    def _coverage_in(self, language: str, question: str, found: Sequence[Evidence]) -> float:
        wanted = self._weights(content_stems(question, language))
        present = {term for hit in found for term in stems(f"{hit.context} {hit.text}", language)}
        return weighted_coverage(wanted, present)

    def _weights(self, some: Iterable[str]) -> Mapping[str, float]:
        """Inverse document frequency of terms, as BM25 counts it; unknown ones weigh most."""
        wanted = list(dict.fromkeys(some))
        catalog: Catalog = self._retriever.catalog
        frequencies, count = catalog.document_frequencies(wanted), self._retriever.size
        return {term: math.log(1 + count / (frequencies.get(term, 0) + 0.5)) for term in wanted}

    def _refusal(self, question: str) -> str:
        texts = self._answering.refusal
        return texts.get(detect(question, texts), next(iter(texts.values())))


def repeats_itself(text: str) -> bool:
    """Whether a sentence of ``text`` stands in it twice: small models that have no more to say begin again."""
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    return len(set(sentences)) < len(sentences)


def without_repetition(text: str) -> str:
    """``text`` up to the first sentence that was already said."""
    said: set[str] = set()
    for start, end in sentence_spans(text):
        if text[start:end] in said:
            return text[:start]
        said.add(text[start:end])
    return text


def standalone_question(question: str, history: Sequence[Message]) -> str:
    """The question to search for: a follow-up is searched together with the question before it."""
    before = next((message.content for message in reversed(history) if message.role == "user"), "")
    return f"{before} {question}" if before else question
