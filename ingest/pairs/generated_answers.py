"""Answers that a model writes, read from the passages or re-told in the voice of the house, and what is admitted.

    in full   the passage that answers, by itself, asked for every amount, deadline and condition
    alone     the same passage, with what serving tells the model
    served    all passages, in the very prompt that serving uses; asked only where the others differ

A reading that passes all checks and says what another one says is the response.
Readings are the likeliest words of each prompt and not drawn by chance: so a run can be repeated, and what a model only
reads well without other passages around it is what it learns to read among them. What is not admitted is kept in
``NAME.rejected``, one pair a line with the reason.

form ──▶ language ──▶ the fact that was asked for, with figures and conditions ──▶ support, citation

The cheapest check comes first, the first fault found is the reason. Support and citations are judged as they are when
people ask: by ``assistant.grounding``, over the passages shown. A second model may look at what passed
(``pairs.judge``).

An admitted answer may be re-told: a model says the same facts as the examples of ``--tone`` speak.

    answer    The deductible for hail is €150 for each claim.
    re-told   You bear €150 of each claim. § 7 of the motor terms sets this deductible.

Examples are shown without what their own passage does not say, as a next step that somebody knew: so a model learns a
next step or a clause only where the passages give it. A re-telling takes the place of the answer when no fact was added
or lost; else the answer stays as it was read, and the re-telling is kept in ``NAME.rejected`` with the reason.

form ──▶ figures, names, conditions: the same ──▶ support, citation ──▶ each says what the other says
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter

from assistant.artifacts.pairs import evidence_of
from assistant.config import AnswerSettings
from assistant.grounding.grounder import Grounder
from assistant.grounding.quoting import Places
from assistant.prompt import build_messages
from assistant.refusal import declines
from assistant.retrieval.embedder import Meaning
from assistant.retrieval.retriever import Retriever
from assistant.text.languages import LANGUAGES
from assistant.text.lexicon import forms, whole_words
from assistant.text.names import names
from assistant.text.sentences import has_ended
from assistant.text.words import content_stems, detect, may_be_in, words
from assistant.types import Message, Passage
from ingest.pairs.candidates import CandidatePair, Drops, share_of
from ingest.pairs.evidence_lists import EvidenceList, Lists, Searched, cited, folded, numbers
from ingest.pairs.generated_questions import mistyped
from ingest.pairs.selection import LONGEST_RESPONSE
from ingest.pairs.teacher import Replies, Teacher, TeacherPrompt
from ingest.pairs.user_sets import UserRow

_IN_FULL = (
    "Read the passage and answer the question of a customer in one or two full sentences, in the language of the "
    "question, using only what the passage says. First say what was asked, in a sentence that is understood without "
    "the question; give the amounts, deadlines and conditions that the passage sets for it. Do not mention the passage."
)
_LONGEST_ANSWER = 120
"""In tokens: a few sentences about one fact."""
_DIFFER = "readings differ"
ANSWER = "answer: "
"""Begins the reason where an answer was not admitted."""
Reject = Callable[[EvidenceList, CandidatePair, str], None]
"""Keeps an answer that is not admitted, with the reason."""
_FEWEST_WORDS = 4  # fewer are a value without its sentence
_OF_PASSAGES = re.compile(
    r"\b(?:passages?|Textstellen?|Passagen?|(?:provided|given) (?:text|information|context)|as an AI)\b|\[\d",
    re.IGNORECASE,
)
_AGREES = 0.5  # two readings choose other words; their numbers have to be equal
# Of the content words of the fact; chosen on 29 answers that were read: 15 are kept, none of them wrong (docs/log.md).
_LEAST_SAID = 0.85
_JUDGING = "You check examples for training."
_TO_JUDGE = """Question: {question}
Answer: {answer}

Does the passage above fully support the answer, does the answer fit the question, and would somebody who has not seen
the passage ask it so? Reply with yes or no only."""
_LONGEST_VERDICT = 8  # tokens: a yes or no, and signs around it
_YES = frozenset({"yes", "true", "ja"})
KIND = "retold"
_EXAMPLES = 4  # a prompt of some 600 tokens, which all answers of a language share
_LONGEST = 120
"""In tokens: a few sentences about one fact."""
_SYSTEM = (
    "You put answers of an organisation into its own voice. The examples show how it speaks: answer the question in "
    "that way and in its language, in full sentences. Say all of the facts, with every amount, deadline and condition, "
    "and nothing else: no step to take and no clause unless the facts or their place name it. Write only the answer."
)
_TASK = "Place: {where}\nQuestion: {question}\nFacts: {facts}"


@dataclass(slots=True)
class _QuestionReadings:
    """A question with what was read so far."""

    shown: EvidenceList
    asked: Searched
    readings: dict[str, str] = field(default_factory=dict)
    """Each with its fault; empty for a sound one."""
    is_repeated: bool = False
    """Whether two readings are equal, word for word."""

    @property
    def admitted(self) -> str:
        """The first sound reading that another one agrees with; empty while there is none."""
        for reading, fault in self.readings.items():
            others = (other for other in self.readings if other != reading)
            if not fault and (self.is_repeated or any(agree(reading, one, self.asked.candidate) for one in others)):
                return reading
        return ""


def answered(
    lists: Lists,
    teacher: Teacher,
    replies: Replies,
    verifier: "Verifier",
    system: str,
    seed: int,
    drops: Drops,
    reject: Reject,
) -> Iterator[tuple[EvidenceList, list[Searched]]]:
    """The lists with the questions whose answers are admitted; what no model wrote stays as it is.

    ``system`` is what serving tells the model. Raises what ``Teacher.replies`` raises.
    """
    questions = [
        _QuestionReadings(shown, one) for shown, asked in lists for one in asked if one.candidate.source == "generated"
    ]
    for way, told in (("in full", _IN_FULL), ("alone", system), ("served", system)):
        # What is not read soundly from the passage that answers will not be so among others.
        left = [one for one in questions if not one.admitted and (way != "served" or "" in one.readings.values())]
        prompts = []
        for one in left:
            golden = one.shown.answering
            passages = one.shown.passages if way == "served" else (golden,)
            messages = build_messages(told, passages, [], one.asked.candidate.instruction)
            prompts.append(TeacherPrompt(golden.text, messages))
        said = replies.all(teacher, prompts, _LONGEST_ANSWER, f"Reading answers, {way}")
        for one, reading in zip(left, map(folded, said), strict=True):
            one.is_repeated |= reading in one.readings
            one.readings[reading] = verifier.fault(one.asked.candidate, one.shown, reading)
    admitted = {(one.shown.chunk, one.asked.candidate.instruction): one.admitted for one in questions}
    for one in questions:
        for reading, fault in one.readings.items():
            if reading != one.admitted and (fault or not one.admitted):
                reject(one.shown, replace(one.asked.candidate, response=reading), fault or _DIFFER)
        if not one.admitted:
            reason = _DIFFER if "" in one.readings.values() else next(iter(one.readings.values()))
            drops.add(f"{ANSWER}{reason}", replace(one.asked.candidate, response=next(iter(one.readings))))
    for shown, asked in lists:
        some = [own for own in asked if own.candidate.source != "generated"]
        for own in asked:
            if response := admitted.get((shown.chunk, own.candidate.instruction)):
                question = own.candidate.instruction
                question = mistyped(question, seed) if own.candidate.kind == "typo" else question
                some.append(replace(own, candidate=replace(own.candidate, instruction=question, response=response)))
        if some:
            yield shown, some


class Verifier:
    """Holds answers against the passages that they are read from."""

    def __init__(self, retriever: Retriever, settings: AnswerSettings) -> None:
        self._embedder = retriever.embedder
        self._weights = retriever.weights
        self._likeness = Meaning(retriever.embedder).likeness
        self._settings = settings

    def fault(self, asked: CandidatePair, shown: EvidenceList, answer: str) -> str:
        """What is wrong with ``answer``; empty if nothing is. ``asked`` holds the fact that the question is about."""
        if fault := self.form_fault(answer, asked.language) or left_out(answer, asked):
            return fault
        golden = shown.golden
        grounder = self.grounded(cited(answer, golden), asked.instruction, shown.passages, asked.language)
        if grounder.is_over or not grounder.sentences:
            return "repeats itself or says nothing"
        if not all(sentence.supported for sentence in grounder.sentences):
            return "unsupported"
        if not all(golden in {one.hit for one in sentence.citations} for sentence in grounder.sentences):
            return "another passage says it"
        if not all(sentence.to_the_point for sentence in grounder.sentences):
            return "beside the question"
        return ""

    def form_fault(self, answer: str, language: str) -> str:
        """What is wrong with the form of an answer, whatever it says; empty if nothing is."""
        if not answer or declines(answer, self._settings):
            return "declines"
        if len(answer.split()) < _FEWEST_WORDS or len(answer) > LONGEST_RESPONSE or not has_ended(answer):
            return "no whole sentence"
        if _OF_PASSAGES.search(answer):
            return "speaks of the passages"
        return "" if may_be_in(answer, language) else "other language"

    def grounded(self, said: str, question: str, passages: Sequence[Passage], language: str) -> Grounder:
        """A whole text held against passages, as when people ask ``question``."""
        hits = [evidence_of(one, rank, language) for rank, one in enumerate(passages, 1)]
        places = Places(question, hits, self._embedder, self._weights)
        least = self._settings.support_coverage
        grounder = Grounder(hits, self._weights, least, None, places.behind, question, self._likeness)
        for _ in (*grounder.feed(said), *grounder.finish()):
            pass
        return grounder


def agree(answer: str, other: str, asked: CandidatePair) -> bool:
    """Whether two readings say the same, beyond what the question says: the same figures, and half of the words."""
    known = numbers(asked.instruction)
    if numbers(answer) - known != numbers(other) - known:
        return False
    shorter, longer = sorted((set(content_stems(text, asked.language)) for text in (answer, other)), key=len)
    return not shorter or len(shorter & longer) >= _AGREES * len(shorter)


def left_out(answer: str, asked: CandidatePair) -> str:
    """What of the fact neither the answer nor its question says: figures, its conditions, or too many of its words.

    A model that answers another question than the one asked, or a part of it, is known by that (docs/log.md).
    """
    said = f"{asked.instruction} {answer}"
    if not numbers(asked.response) <= numbers(said):
        return "leaves out figures"
    condition = whole_words(forms("conditional", asked.language))
    if condition.search(asked.response) and not condition.search(answer):
        return "leaves out the condition"
    fact = set(content_stems(asked.response, asked.language))
    part = len(fact & set(content_stems(said, asked.language))) / len(fact) if fact else 1.0
    return "leaves out a part" if part < _LEAST_SAID else ""


def judged(
    lists: Lists, judge: Teacher, replies: Replies, drops: Drops
) -> Iterator[tuple[EvidenceList, list[Searched]]]:
    """Without what the judge does not find good; it is not asked of what no model wrote.

    Raises what ``Teacher.replies`` raises.
    """
    written = [(shown, one.candidate) for shown, asked in lists for one in asked if one.candidate.source == "generated"]
    prompts = []
    for shown, candidate in written:
        golden = shown.answering
        task = _TO_JUDGE.format(question=candidate.instruction, answer=candidate.response)
        prompts.append(TeacherPrompt(golden.text, build_messages(_JUDGING, [golden], [], task)))
    said = replies.all(judge, prompts, _LONGEST_VERDICT, "Judging")
    bad = {candidate for (_, candidate), reply in zip(written, said, strict=True) if _YES.isdisjoint(words(reply)[:1])}
    for candidate in bad:
        drops.add("judge", candidate)
    for shown, asked in lists:
        if some := [one for one in asked if one.candidate not in bad]:
            yield shown, some


def retold(
    lists: Lists,
    voice: Sequence[UserRow],
    teacher: Teacher,
    replies: Replies,
    verifier: Verifier,
    share: float,
    seed: int,
    reject: Reject,
) -> Iterator[tuple[EvidenceList, list[Searched]]]:
    """The lists, with re-tellings in the place of answers that a model wrote; at most ``share`` of these are asked for.

    Raises what ``Teacher.replies`` raises.
    """
    asked = [
        (shown, one.candidate)
        for shown, some in lists
        for one in some
        if one.candidate.source == "generated" and share_of(seed, KIND, one.candidate.instruction) < share
    ]
    shots = {language: examples(voice, language, verifier, seed) for language in {one.language for _, one in asked}}
    asked = [(shown, one) for shown, one in asked if shots[one.language]]
    prompts = []
    for shown, one in asked:
        golden = shown.answering
        # An answer before it is repeated; a row of a table is no sentence that could be told.
        facts = one.response if "|" in one.quote else folded(one.quote)
        task = _TASK.format(where=_line(golden.context), question=one.instruction, facts=facts)
        messages = [Message("system", _SYSTEM), *shots[one.language], Message("user", task)]
        prompts.append(TeacherPrompt(golden.text, messages))
    said = replies.all(teacher, prompts, _LONGEST, "Re-telling answers")
    admitted: dict[CandidatePair, CandidatePair] = {}
    for (shown, one), text in zip(asked, map(folded, said), strict=True):
        told = replace(one, response=text, kind=KIND)
        if fault := changed(one, shown, text, verifier):
            reject(shown, told, f"{KIND}: {fault}")
        elif text != one.response:
            admitted[one] = told
    for shown, some in lists:
        yield shown, [replace(one, candidate=admitted.get(one.candidate, one.candidate)) for one in some]


def examples(voice: Sequence[UserRow], language: str, verifier: Verifier, seed: int) -> list[Message]:
    """Examples of a language as turns: what of each its own passage supports, told from the places that say it.

    Those of which most is left come first.
    """
    found: list[tuple[int, float, list[Message]]] = []
    for row in voice:
        where, _, text = row.context.partition("\n")
        if not text or (row.language or detect(row.instruction, LANGUAGES)) != language:
            continue
        said = verifier.grounded(row.response, row.instruction, [Passage("", 0, len(text), where, text)], language)
        sound = [one for one in said.sentences if one.supported]
        if sound and said.sentences[0].supported:
            facts = " ".join(dict.fromkeys(folded(by.quote) for one in sound for by in one.citations))
            task = _TASK.format(where=where, question=row.instruction, facts=facts)
            turns = [Message("user", task), Message("assistant", " ".join(one.text for one in sound))]
            found.append((-len(sound), share_of(seed, KIND, row.instruction), turns))
    return [turn for _, _, turns in sorted(found, key=itemgetter(0, 1))[:_EXAMPLES] for turn in turns]


def changed(one: CandidatePair, shown: EvidenceList, told: str, verifier: Verifier) -> str:
    """What a re-telling adds to the answer of ``one`` or leaves out; empty where it says the same."""
    language, golden, where = one.language, shown.answering, _line(shown.answering.context)
    if fault := verifier.form_fault(told, language) or left_out(told, one):
        return fault
    known = f"{one.instruction} {one.response} {where}"
    if not numbers(told) <= numbers(known):
        return "adds figures"
    if any(set(words(" ".join(name))) - set(words(f"{known} {golden.text}")) for name in names(told, language)):
        return "adds a name"
    condition = whole_words(forms("conditional", language))
    if condition.search(told) and not condition.search(one.response):
        return "adds a condition"
    asked = one.instruction
    sentences = verifier.grounded(cited(told, shown.golden), asked, shown.passages, language).sentences
    if not all(it.supported and shown.golden in {by.hit for by in it.citations} for it in sentences):
        return "unsupported"
    if not sentences or not sentences[0].to_the_point:
        return "beside the question"
    as_told = Passage(golden.document, 0, len(told), asked, f"{asked}\n{told}")
    if not all(it.supported for it in verifier.grounded(one.response, asked, [as_told], language).sentences):
        return "leaves out a fact"
    # The place and the step that comes next stand in the passage, if not in the answer.
    given = re.compile(rf"§|\b(?:{forms('next_step', language)}):", re.IGNORECASE)
    as_read = Passage(golden.document, 0, len(one.response), where, f"{asked}\n{one.response}")
    said = verifier.grounded(told, asked, [as_read], language).sentences
    return "" if all(it.supported or given.search(it.text) for it in said) else "adds a fact"


def _line(context: str) -> str:
    """The headings that a passage stands under."""
    return folded(context.partition("\n")[0])
