"""What a reader is shown once a model has spoken: one policy, from the best outcome to the last.

own words   some of what the model says is supported, by places that bear on the question
quoted      else the documents' own words, where the best place answers well enough to stand for an answer (the bar
            is here), and holds a figure of the model's if it reads one there
hedged      else the places that come closest, told as no more than that
refused     no place has anything to do with the question; or the model declines in the words of the house

Of a question that joins several, each part is answered by what was said, or quoted, or stays open.

Behind own words that leave out a condition ("It is halved.") or all figures ("Yes, drones are.") stands the sentence
that has them ("If a partner garage repairs the car, the deductible is halved.", "Drones of up to 500 g are insured.").
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from assistant.grounding.grounder import CLEARLY_WORSE, cite
from assistant.grounding.quoting import Places
from assistant.text.lexicon import vocabulary, whole_words
from assistant.text.quantities import quantities
from assistant.text.sentences import sentence_spans
from assistant.text.words import content_stems, stems, words
from assistant.types import Evidence, Sentence

Outcome = Literal["own words", "quoted", "hedged", "refused"]

# Part of the question's words that the best place holds, and probability that the evidence answers, added: both are the
# same for any embedder. Chosen on questions about one half of two corpora (docs/grounding.md).
_LEAST_TO_ANSWER = 1.1
# A condition of which less is said, or was asked, is left out (docs/log.md).
_SAID = 0.5
_CLAUSE_END = re.compile(r"[,;:.](?=\s|$)|\n")


def outcome_of(
    read: str, stands: bool, declines: bool, places: Places, probability: float, *, knows_names: bool = True
) -> Outcome:
    """What becomes of an answer.

    ``read`` are the words of a model that reads; what one says that misreads has no vote here. ``stands`` says that
    what was said is supported, ``declines`` that it refuses; ``probability`` is that of the evidence to answer. Without
    ``knows_names`` the question names what no document does: then nothing stands for an answer.
    """
    if declines:
        return "refused"
    if stands and knows_names:
        return "own words"
    if not places.closest():
        return "refused"
    return "quoted" if knows_names and stands_for_an_answer(places, probability, read) else "hedged"


def stands_for_an_answer(places: Places, probability: float, read: str = "") -> bool:
    """Whether the best place may be quoted as the answer: it holds enough, and a figure that a model ``read`` there.

    A model reads no figure that the question has.
    """
    if places.is_looked_up or not places.closest():
        return bool(places.closest())
    if places.coverage + probability < _LEAST_TO_ANSWER or places.is_any_row:
        return False
    figures = set(quantities(read)) - set(quantities(places.question))
    return not figures or any(not figures.isdisjoint(quantities(quote.text)) for quote in places.quotes())


@dataclass(frozen=True, slots=True)
class QuestionPart:
    """One of the questions that a question joins."""

    asked: str
    places: Places
    """Those that fit it."""
    probability: float
    """That the evidence found for it answers."""
    knows_names: bool = True
    """Whether the documents know what it names."""


def by_parts(
    parts: Sequence[QuestionPart], said: Iterable[Sentence]
) -> tuple[tuple[Sentence, ...], tuple[Sentence, ...], tuple[QuestionPart, ...]]:
    """What was ``said`` to a question of several parts, quotations for parts that it leaves open, and what stays open.

    A sentence is not supported by a place that answers one part, if it has words of another part that are not there:
    what holds of one is easily said of the other ("Once it is settled, you must report it within 30 days").
    """
    kept: list[Sentence] = []
    answered: set[str] = set()
    for sentence in said:
        cited = " ".join(one.quote for one in sentence.citations)
        near = [part for part in parts if part.places.behind(sentence.citations) <= CLEARLY_WORSE]
        mixes = any(
            part not in near and not _own_words(part, parts, sentence.text) <= _own_words(part, parts, cited)
            for part in parts
        )
        if sentence.supported and mixes:
            reason = "the passage that says it answers another part of the question"
            sentence = replace(sentence, supported=False, reason=reason, citations=())
        kept.append(sentence)
        if sentence.supported:
            told = f"{sentence.text} {cited}"
            has_none = {part.asked for part in near if not _own_words(part, parts, part.asked)}  # "how often?"
            answered |= has_none | {part.asked for part in near if _own_words(part, parts, told)}
    quotes: list[Sentence] = []
    left: list[QuestionPart] = []
    for part in parts:
        if part.asked in answered:
            continue
        if part.knows_names and stands_for_an_answer(part.places, part.probability):
            quotes += [quote for quote in part.places.quotes(1) if quote not in quotes]
        else:
            left.append(part)
    return tuple(kept), tuple(quotes), tuple(left)


def _own_words(part: QuestionPart, parts: Sequence[QuestionPart], text: str) -> set[str]:
    """The words of a text that a part has and no other one, as stems."""
    others = (content_stems(other.asked, "") for other in parts if other is not part)
    return set(content_stems(part.asked, "")).difference(*others).intersection(stems(text, ""))


def left_out(said: Sequence[Sentence], shown: Sequence[Evidence], question: str) -> Iterator[Sentence]:
    """The sentences of the passages that say on a condition only, or with figures, what was ``said`` without.

    None that was said itself, in these words.
    """
    told = {" ".join(sentence.text.split()) for sentence in said}
    for sentence in said:
        for cited in sentence.citations:
            hit = next(hit for hit in shown if hit.rank == cited.hit)
            if hit.block_at(cited.start).kind == "table":
                continue
            its = set(content_stems(sentence.text, hit.language))
            start, end = max(
                sentence_spans(cited.quote),
                key=lambda span: len(its.intersection(stems(cited.quote[slice(*span)], hit.language))),
            )
            text = " ".join(cited.quote[start:end].split())
            case = cited.quote[start:end], sentence.text, question, hit.language
            if text not in told and (_on_a_condition(*case) or _has_the_figures(*case)):
                told.add(text)
                offset = cited.start - hit.start
                yield Sentence(text, True, "", (cite(hit, offset + start, offset + end, shown),), before="\n")


def _on_a_condition(passage: str, said: str, question: str, language: str) -> bool:
    """Whether a sentence has a condition of which what is ``said``, without any, and the question hold too little."""
    conditions = vocabulary("conditions", language)
    if not conditions or not conditions.isdisjoint(words(said)):
        return False
    known = set(stems(f"{said} {question}", language))
    for opening in whole_words("|".join(conditions)).finditer(passage):
        end = _CLAUSE_END.search(passage, opening.end())
        its = set(content_stems(passage[opening.end() : end.start() if end else None], language))
        if len(its & known) < _SAID * len(its):
            return True
    return False


def _has_the_figures(passage: str, said: str, question: str, language: str) -> bool:
    """Whether what is ``said`` has no figure where a sentence has some, beside those of the question."""
    if quantities(said, language):
        return False
    new = set(quantities(passage, language)) - set(quantities(question, language))
    return any(one[0].isdigit() for one in new)  # "(2)" and "§ 3" only name a place
