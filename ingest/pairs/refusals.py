"""Questions that the passages shown do not answer, with the house refusal as response.

    held-out     the passage that answers is taken out of the list of its own question
    near-miss    the question of another chunk, asked of passages that the retriever finds for it too
    other-name   What does Home Comfort pay for a stolen bicycle?    Home Comfort → Home Max
    other-number What applies under § 7 (2)?                         § 7 → § 31
    other-year   Which hours does the training of 2026 name?         2026 → 2024
    other-domain something that no document here is about

A refusal is hard when the passages are near, and clean when the answer is truly not in them; both are looked at.

A question of another name, number or year is a kept one with that changed. The new one is of the same kind: the next
number that nothing here is named by; an earlier year; a name that stands beside the old one in an enumeration, or is
put together of names that do (Home Basic, Home Comfort; Drive Plus, Drive Max: so Home Max). No passage of the corpus
may speak both of it and of what else the question names, and none that the changed question finds may support the old
answer as one about the new thing. The passages speak of the near thing. So the refusal says what is known: the answer
to the kept question, with its citation.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, partial
from itertools import count, islice

from assistant.config import PairsSettings
from assistant.store.index import StoredChunk
from assistant.text.languages import LANGUAGES, data
from assistant.text.lexicon import forms, no_subject
from assistant.text.names import Name, listed_names, names
from assistant.text.quantities import dates, ranges, without_measures
from assistant.text.words import content_stems, stems
from assistant.types import Evidence, Passage
from ingest.pairs.candidates import CandidatePair, number_of, share_of
from ingest.pairs.evidence_lists import EvidenceList, Lists, Searched, cited, folded, names_all, passage_of, says
from ingest.pairs.generated_answers import Verifier

# How the refusals are shared out among the kinds; near misses cost no list of their own.
_HELD_OUT, _NEAR_MISS = 0.45, 0.45
_HELD_OUT_TOGETHER = 3  # questions of one list, which share its prompt; more would refuse one text only
# Something can be said to such a question from any passage that is near.
_VAGUE = frozenset({"topic"})
# Something can be said to such questions from any passage that is near.
_WITHOUT_SUBJECT = frozenset({"topic", "search"})
# A passage that has the new thing and this part of the other words of a question may answer it. Not measured.
_IS_ABOUT = 0.5
_YEAR = re.compile(r"(?<![\w.,/-])(?:19|20)\d\d(?![\w/-]|[.,]\d)")
_YEARS = frozenset(range(1900, 2100))
_YEARS_BACK = 4  # further ones are no near miss
_LABELLED = (
    r"(?P<label>§{{1,2}} ?|\b(?:{references})\b\.? |(?<![\w-])[A-ZÄÖÜ][\w-]*[ -])"
    r"(?P<number>\d{{1,3}})(?![\w,%€$]|\.\d| [%€$])"
)
_NAMES_TRIED = 4
_SPELLED_ALIKE = 0.7  # "Home Komfort" is Home Comfort to whoever reads it
# Twins with the same thing changed, in one split: of a product that every question names, many would be alike.
_MOST_ALIKE = 4


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """A question with passages that do not answer it. ``asked`` is None for one of no document."""

    kind: str
    question: str
    language: str
    document: str
    passages: tuple[Passage, ...]
    known: str = ""
    """What the passages say of the near thing, with its citations."""


def unanswerable(
    lists: Lists,
    foreign: Mapping[str, Sequence[str]],
    twins: Iterable[Unanswerable],
    settings: PairsSettings,
) -> Iterator[Unanswerable]:
    """Refusals for the lists of one split, so many that they are a share of ``refusals`` of all pairs.

    ``foreign`` are questions of no document here, by language; ``twins`` are about the lists, and only so many are
    looked for as are wanted. Each question is used once a kind.
    """
    seed = settings.seed
    wanted = settings.refusals / (1 - settings.refusals) * sum(len(asked) for _, asked in lists)
    near = list(islice(twins, round(wanted * settings.twins)))
    yield from near
    wanted -= len(near)
    yield from islice(_held_out(lists, seed), round(wanted * _HELD_OUT))
    yield from islice(_near_misses(lists, seed), round(wanted * _NEAR_MISS))
    yield from islice(_other_domain(lists, foreign, seed), round(wanted * (1 - _HELD_OUT - _NEAR_MISS)))


def _held_out(lists: Lists, seed: int) -> Iterator[Unanswerable]:
    for shown, asked in sorted(lists, key=lambda one: share_of(seed, "held-out", _identity(one[0]))):
        rest = [passage for passage in shown.passages if passage is not shown.answering]
        passages = (*rest, *shown.spare[:1])
        for one in asked[:_HELD_OUT_TOGETHER]:
            candidate = one.candidate
            if passages and _is_clean(candidate, passages):
                yield Unanswerable("held-out", candidate.instruction, candidate.language, candidate.document, passages)


def _near_misses(lists: Lists, seed: int) -> Iterator[Unanswerable]:
    """One question a list, of those that the retriever finds most of the list's passages for."""
    finders: dict[tuple[str, int], list[Searched]] = defaultdict(list)
    for _, asked in lists:
        for one in asked:
            for hit in one.hits:
                finders[hit.document, hit.start].append(one)
    used: set[str] = set()
    for shown, asked in sorted(lists, key=lambda one: share_of(seed, "near-miss", _identity(one[0]))):
        scores: dict[str, float] = defaultdict(float)
        by_question: dict[str, Searched] = {}
        for passage in shown.passages:
            for one in finders.get((passage.document, passage.start), ()):
                if one.candidate.chunk != shown.chunk:
                    scores[one.candidate.instruction] += 1
                    by_question[one.candidate.instruction] = one
        near = sorted(scores, key=lambda question: (-scores[question], number_of(question)))
        own = {other.candidate.instruction for other in asked} | used
        others = (by_question[question].candidate for question in near if question not in own)
        candidate = next((one for one in others if _is_clean(one, shown.passages)), None)
        if candidate is not None:
            used.add(candidate.instruction)
            yield Unanswerable(
                "near-miss", candidate.instruction, candidate.language, candidate.document, shown.passages
            )


def _is_clean(candidate: CandidatePair, passages: Sequence[Passage]) -> bool:
    """Whether a question is precise, and no passage has its answer or is about all that it names."""
    if candidate.kind in _VAGUE:
        return False
    return not any(says(passage, candidate) or names_all(passage, candidate) for passage in passages)


def _other_domain(lists: Lists, foreign: Mapping[str, Sequence[str]], seed: int) -> Iterator[Unanswerable]:
    left = {
        language: sorted(questions, key=lambda question: number_of(seed, question))
        for language, questions in foreign.items()
    }
    for shown, asked in sorted(lists, key=lambda one: share_of(seed, "other-domain", _identity(one[0]))):
        language = asked[0].candidate.language
        if left.get(language):
            yield Unanswerable("other-domain", left[language].pop(), language, "", shown.passages)


def _identity(shown: EvidenceList) -> str:
    return f"{shown.answering.document}\0{shown.answering.text}"


@dataclass(frozen=True, slots=True)
class Change:
    """What is put in the place of what in a question; ``label`` and ``number`` are those of the new thing."""

    kind: str
    old: str
    new: str
    label: str = ""
    number: int | None = None


class NamedThings:
    """What a corpus names, by numbers and by names, and where it speaks of it."""

    def __init__(self, chunks: Sequence[StoredChunk], seed: int) -> None:
        """``chunks`` are all that is live; the order of names depends on ``seed``."""
        self._share = partial(share_of, seed, "twin")
        self._texts: list[tuple[str, str]] = []
        self._numbers: set[tuple[str, int]] = set()
        written: set[str] = set()
        beside: dict[Name, set[Name]] = defaultdict(set)
        for one in chunks:
            text = folded(f"{one.document} {one.title} {one.context} {one.text}")
            self._texts.append((one.document, text.casefold()))
            written.update(re.findall(r"\w+", text))
            self._numbers |= {(match["label"].strip(), int(match["number"])) for match in labelled(text, one.language)}
            for group in listed_names(one.text, one.language):
                # Numbers are exchanged as such; "GSA-specific" says what something is like.
                some = [name for name in group if all(part[:1].isupper() for part in "-".join(name).split("-"))]
                for name in some:
                    beside[name].update(other for other in some if other != name)
        # What is also written small is no name: "Veterans", "the Board".
        small = {(word,) for word in written if word.istitle() and {word.lower(), f"{word.lower()}s"} & written}
        self._beside = {name: its - small for name, its in beside.items() if name not in small}
        pairs = {
            name
            for name, its in self._beside.items()
            if len(name) == 2 and any(len(other) == 2 and other[0] == name[0] for other in its)
        }
        heads = {name[0] for name in pairs}
        self._families = {name for name in pairs if name[1] not in heads}

    def next_number(self, label: str, number: int) -> int:
        """The next number that nothing with this label has; what goes up in tens ("Zahn 70") does so here too."""
        numbers = count(number, 1 if number % 10 else 10)
        return next(one for one in numbers if one != number and (label.strip(), one) not in self._numbers)

    def like(self, name: Name) -> list[Name]:
        """Names of the same kind, a few; first those that nothing here has."""
        own = {tail for head, tail in self._families if head == name[0]}
        others = {
            tail for _, tail in self._families - {name} if not get_close_matches(tail, own, cutoff=_SPELLED_ALIKE)
        }
        made = [(name[0], tail) for tail in others] if name in self._families else []
        beside = [one for one in self._beside.get(name, ()) if len(one) == len(name)]
        orders = (sorted(some, key=lambda one: self._share(*name, *one)) for some in (made, beside))
        return [one for order in orders for one in order[:_NAMES_TRIED]]

    def may_answer(self, question: str, new: str, near: CandidatePair) -> bool:
        """Whether a passage has ``new`` and is in the document of ``near``, or speaks of what else is asked."""
        sought = new.casefold()
        whole = re.compile(rf"(?<!\w){re.escape(sought)}(?!\w)")
        has = {document for document, text in self._texts if sought in text and whole.search(text)}
        rest = set(content_stems(question.replace(new, " "), near.language))
        return near.document in has or any(
            len(rest & set(stems(text, near.language))) >= _IS_ABOUT * len(rest)
            for document, text in self._texts
            if document in has
        )


class Twins:
    """Makes the questions for lists of one corpus."""

    def __init__(
        self,
        chunks: Sequence[StoredChunk],
        search: Callable[[str], Sequence[Evidence]],
        verifier: Verifier,
        seed: int,
    ) -> None:
        """``chunks`` are all that is live; ``search`` asks the retriever, ``verifier`` holds answers against passages.

        What the corpus names is gone through once a question is asked for.
        """
        self._chunks = chunks
        self._seed = seed
        self._search = search
        self._verifier = verifier
        self._share = partial(share_of, seed, "twin")

    @cached_property
    def things(self) -> NamedThings:
        """What the corpus names."""
        return NamedThings(self._chunks, self._seed)

    def of(self, lists: Lists) -> Iterator[Unanswerable]:
        """At most one a list, in an order that depends on the seed; each is looked for when it is asked for."""
        alike, used = Counter[str](), set[str]()
        for shown, asked in sorted(lists, key=lambda one: self._share(one[0].answering.text)):
            candidates = sorted((one.candidate for one in asked), key=lambda one: self._share(one.instruction))
            some = (one for one in candidates if one.kind not in _WITHOUT_SUBJECT)
            for candidate, change in ((one, change) for one in some for change in self.changes(one, shown)):
                question = candidate.instruction.replace(change.old, change.new)
                if question in used or alike[change.old] == _MOST_ALIKE:
                    continue
                if known := self.known(question, change, candidate, shown):
                    alike[change.old] += 1
                    used.add(question)
                    of = candidate.language, candidate.document
                    yield Unanswerable(change.kind, question, *of, shown.passages, known)
                    break

    def changes(self, candidate: CandidatePair, shown: EvidenceList) -> Iterator[Change]:
        """What can be changed in a question, of what it has once and the passage that answers it has too."""
        question, language = candidate.instruction, candidate.language
        there = folded(f"{shown.answering.context} {shown.answering.text}")
        # Of two things that a question joins, one would still have its answer.
        joined = {" ".join(name) for group in listed_names(question, language) for name in group}

        def is_alone(old: str) -> bool:
            return old in there and question.count(old) == 1 and old not in joined

        undated = dates(question, language)[1]
        for match in _YEAR.finditer(question):
            if is_alone(match[0]) and match[0] in undated:
                for year in islice(count(int(match[0]) - 1, -1), _YEARS_BACK):
                    yield Change("other-year", match[0], str(year), number=year)
        unmeasured = without_measures(undated, language)
        for match in labelled(question, language):
            label = match["label"]
            if is_alone(match[0]) and match[0] in unmeasured:
                number = self.things.next_number(label, int(match["number"]))
                yield Change("other-number", match[0], f"{label}{number}", label, number)
        for name in names(question, language):
            if is_alone(" ".join(name)):
                others = (" ".join(other) for other in self.things.like(name))
                yield from (Change("other-name", " ".join(name), one) for one in others if one not in question)

    def known(self, question: str, change: Change, near: CandidatePair, shown: EvidenceList) -> str:
        """What the passages say of the old thing, with citations; empty where they may say it of the new one too."""
        if self.things.may_answer(question, change.new, near):
            return ""
        passages = list(dict.fromkeys((*shown.passages, *map(passage_of, self._search(question)))))
        label = change.label.strip(" -.§").casefold()
        if change.number is not None and any(
            one.low <= change.number <= one.high
            and one.low != one.high
            # "Class 3 to class 7"; of a year, from one to another one.
            and (label in one.words if label else not _YEARS.isdisjoint((one.low, one.high)))
            for passage in passages
            for one in ranges(f"{passage.context}\n{passage.text}")
        ):
            return ""
        said, language = near.response, near.language
        claim = said.replace(change.old, change.new) if change.old in said else f"{change.new}: {said}"
        sentences = self._verifier.grounded(claim, question, passages, language).sentences
        if any(one.supported for one in sentences if change.new in one.text):
            return ""
        known = cited(said, shown.golden)
        if change.old not in said:
            about: str = data(language if language in LANGUAGES else LANGUAGES[0], "answers")["known"]
            known = f"{about.format(old=change.old)} {known}"
        sentences = self._verifier.grounded(known, near.instruction, shown.passages, language).sentences
        return known if sentences and all(one.supported for one in sentences) else ""


def labelled(text: str, language: str) -> Iterator[re.Match[str]]:
    """Numbers that name something, with its label: ``§ 7``, ``Zahn 70``, ``C-123``; but not "Within 14"."""
    found = re.compile(_LABELLED.format(references=forms("references", language))).finditer(text)
    return (match for match in found if match["label"].strip(" -.").casefold() not in no_subject(language))
