"""Verified answers re-told in the voice of the house: a model says the same facts as the examples of ``--tone`` speak.

    answer    The deductible for hail is €150 for each claim.
    re-told   You bear €150 of each claim. § 7 of the motor terms sets this deductible.

Examples are shown without what their own passage does not say, as a next step that somebody knew: so a model learns a
next step or a clause only where the passages give it. A re-telling takes the place of the answer when no fact was added
or lost; else the answer stays as it was read, and the re-telling is kept in ``NAME.rejected`` with the reason.

form ──▶ figures, names, conditions: the same ──▶ support, citation ──▶ each says what the other says
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

from assistant.text.languages import LANGUAGES
from assistant.text.lexicon import forms, whole_words
from assistant.text.names import names
from assistant.text.words import detect, words
from assistant.types import Message, Passage
from ingest.pairs.candidates import CandidatePair, share_of
from ingest.pairs.evidence_lists import EvidenceList, Lists, Searched, cited, folded, numbers
from ingest.pairs.generated_answers import Reject, Verifier, left_out
from ingest.pairs.model_output import Replies, TeacherPrompt
from ingest.pairs.teacher import Teacher
from ingest.pairs.user_sets import UserRow

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
