"""Whether the evidence found for a question can answer it, judged before a model is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assistant.config import AnswerSettings
from assistant.grounding import weighted_coverage
from assistant.language import content_stems, detect, stems
from assistant.retriever import Retriever
from assistant.types import Evidence


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to ask the model. ``readings`` are what an unclear question may mean."""

    answerable: bool
    reason: str = ""
    readings: tuple[str, ...] = ()
    judgement: Mapping[str, float] = field(default_factory=dict)


def judge(question: str, found: Sequence[Evidence], retriever: Retriever, settings: AnswerSettings) -> Verdict:
    """Hold the evidence of a question against what is known about the corpus."""
    if not found:
        return Verdict(False, "nothing in the documents fits the question")
    coverage = max(_coverage_in(language, question, found, retriever) for language in retriever.languages or ("en",))
    if coverage < settings.min_coverage:
        return Verdict(False, f"the nearest passages hold {coverage:.0%} of what the question names")
    similarities = [hit.dense for hit in found if hit.dense is not None]
    language = detect(question, retriever.languages)
    if not similarities or not retriever.embedder.understands(language):
        return Verdict(True, judgement={"coverage": coverage})
    similarity = max(similarities)
    judgement = {"coverage": coverage, "similarity": similarity}
    if similarity < settings.min_similarity:
        return Verdict(
            False, f"the nearest passage has similarity {similarity:.2f} to the question", judgement=judgement
        )
    return Verdict(True, judgement=judgement)


def _coverage_in(language: str, question: str, found: Sequence[Evidence], retriever: Retriever) -> float:
    """Part of the weight of the question's words that the passages hold."""
    wanted = retriever.weights(content_stems(question, language))
    present = {term for hit in found for term in stems(f"{hit.context} {hit.text}", language)}
    return weighted_coverage(wanted, present)
