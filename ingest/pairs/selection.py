"""Which candidates become pairs: those without a fault, asked of one chunk alone, that the retriever finds again.

form ──▶ length ──▶ quote ──▶ facts ──▶ stands alone ──▶ language ──▶ one chunk ──▶ round trip

The cheap filters look at one candidate alone, the first fault found is the reason it is dropped; only what is left
costs a search. Whether somebody understands a question and its answer who does not have the page before them is told by
what points to the page ("this section", "Absatz 2"), what leads on to what is not
there ("listed below"), and pronouns for something that was said before.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, takewhile

from assistant.config import PairsSettings
from assistant.store.index import StoredChunk
from assistant.text.lexicon import vocabulary, whole_words
from assistant.text.words import content_stems, may_be_in, stems
from assistant.types import Evidence
from assistant.work.progress import progress_bar
from ingest.pairs.candidates import CandidatePair, Drops, number_of, pattern_of, share_of, wordings, words_of
from ingest.pairs.evidence_lists import Searched, folded, numbers

# So many times more questions are asked of the retriever than are wanted, since some will not find their chunk.
_SPARE = 1.5
# What people wrote as questions comes first, word searches last.
_PRIORITY: Mapping[str, int] = {"faq": -2, "definition": -1, "search": 1, "topic": 1}
# What a rule finds in nearly every sentence would crowd out the rest.
_MOST_OF_A_KIND: Mapping[str, int] = {"search": 1, "topic": 1}
# So many questions are wanted about a chunk even if they are of one kind: they share their prompt.
_FEWEST = 3
Search = Callable[[str], Sequence[Evidence]]
_LONGEST_QUESTION = 220  # characters; about as many as so many words have
_MOST_QUESTION_WORDS = 32  # longer ones are paragraphs of a page with questions; not measured
LONGEST_RESPONSE = 420
"""Characters: a few sentences; the assistant is to answer, not to copy a section. Not measured."""
_FIRST_WORDS = 6  # where a heading that was not told apart ends
# A capital within a sentence: a name in most languages. German writes nouns so; they have to be in the chunk too.
_NAME = re.compile(r"(?<=[a-zäöüß,;] )[A-ZÄÖÜ][\w&-]+")
_MARKER = re.compile(r"\[\s*\d{1,3}\s*\]")
_DELIMITER = re.compile(r"<\s*(?:/\s*)?passage\b|<\|", re.IGNORECASE)
# Words that are written small within a sentence.
_SMALL_WORDS = vocabulary("stopwords") - words_of("large_words") | words_of("small_words")
# Kinds that give what is written, whatever its grammar.
_AS_WRITTEN = frozenset({"faq", "entry", "table", "definition"})
_WITHOUT_LANGUAGE = frozenset({"search", "table", "entry", "definition"})
_POINTS_TO_PAGE, _POINTS_ON, _CALLS_TO_ACTION, _LEANS_BACK = (
    whole_words(pattern_of(kind)) for kind in ("points_to_page", "points_on", "calls_to_action", "leans_back")
)
# A pronoun further back may stand for something in the question itself.
_EARLY_WORDS = 6


def sound_candidates(
    candidates: Iterable[CandidatePair], chunks: Mapping[int, StoredChunk], drops: Drops
) -> list[CandidatePair]:
    """The candidates without a fault, each question once, and none that chunks answer in different ways."""
    same: dict[frozenset[str], list[CandidatePair]] = defaultdict(list)
    for candidate in candidates:
        chunk = chunks[candidate.chunk]
        if reason := fault(candidate, chunk.text, chunk.context):
            drops.add(reason, candidate)
            continue
        same[frozenset(content_stems(candidate.instruction, candidate.language))].append(candidate)
    kept = []
    for group in same.values():
        is_ambiguous = len({candidate.chunk for candidate in group}) > 1
        if not is_ambiguous:
            kept.append(group[0])
        for candidate in group if is_ambiguous else group[1:]:
            drops.add("asked of several chunks" if is_ambiguous else "near-duplicate", candidate)
    return kept


def in_turn(chunks: Iterable[StoredChunk], seed: int) -> list[StoredChunk]:
    """Chunks in the order in which they are asked about: evenly from everywhere, whatever number is reached."""
    return sorted(chunks, key=lambda chunk: share_of(seed, chunk.document, chunk.text))


def ask(
    candidates: Iterable[CandidatePair],
    chunks: Sequence[StoredChunk],
    most: int | None,
    search: Search,
    settings: PairsSettings,
    drops: Drops,
) -> dict[int, list[Searched]]:
    """The questions about each chunk that find it again, at most ``per_chunk``, and about ``most`` in all."""
    by_chunk: dict[int, list[CandidatePair]] = defaultdict(list)
    for candidate in candidates:
        by_chunk[candidate.chunk].append(candidate)
    wanted = [chunk.id for chunk in chunks if chunk.id in by_chunk]
    tries = round(settings.per_chunk * _SPARE)
    taken: dict[int, list[Searched]] = {}
    count = 0
    with progress_bar("Asking the retriever", len(wanted)) as bar:
        for chunk in wanted:
            if most is not None and count >= most:
                break
            finding: dict[str, Searched] = {}
            for candidate in chosen(by_chunk[chunk], tries, settings.seed):
                hits = tuple(search(candidate.instruction))
                if settings.round_trip and chunk not in {hit.chunk for hit in hits[: settings.round_trip]}:
                    drops.add("does not find its chunk", candidate)
                else:
                    finding[candidate.instruction] = Searched(candidate, hits)
            few = chosen([one.candidate for one in finding.values()], settings.per_chunk, settings.seed)
            taken[chunk] = [finding[candidate.instruction] for candidate in few]
            count += len(taken[chunk])
            bar.advance()
    return {chunk: asked for chunk, asked in taken.items() if asked}


def chosen(candidates: Iterable[CandidatePair], most: int, seed: int) -> list[CandidatePair]:
    """At most ``most`` of the questions about a chunk, of as many kinds as there are."""
    by_kind: dict[str, list[CandidatePair]] = defaultdict(list)
    for one in sorted(candidates, key=lambda one: number_of(seed, one.instruction)):
        by_kind[one.kind].append(one)
    order = sorted(by_kind, key=lambda kind: (_PRIORITY.get(kind, 0), number_of(seed, by_kind[kind][0].instruction)))
    taken: list[CandidatePair] = []
    spare: list[CandidatePair] = []
    quoted: Counter[str] = Counter()
    while len(taken) < most and any(by_kind.values()):
        for kind in order:
            if by_kind[kind] and len(taken) < most:
                # Rather about something else than the same again in other words.
                one = min(by_kind[kind], key=lambda one: quoted[one.quote])
                by_kind[kind].remove(one)
                quoted[one.quote] += 1
                taken.append(one)
                if sum(other.kind == kind for other in taken) == _MOST_OF_A_KIND.get(kind, most):
                    spare += by_kind[kind]
                    by_kind[kind].clear()
    return taken + spare[: max(0, min(_FEWEST, most) - len(taken))]


def fault(candidate: CandidatePair, chunk: str, context: str) -> str:
    """The reason to drop a candidate, given the text and context of its chunk; empty if there is none."""
    question, response, kind = candidate.instruction, candidate.response, candidate.kind
    is_generated = candidate.source == "generated"
    shown = folded(f"{context}\n{chunk}")
    if _has_bad_form(question, response, kind):
        return "form"
    words = len(question.split())
    is_short = words < 3 or len(response.split()) < 3
    is_long = words > _MOST_QUESTION_WORDS or len(question) > _LONGEST_QUESTION or len(response) > LONGEST_RESPONSE
    if is_short or is_long:
        return "length"
    if not candidate.quote.strip() or folded(candidate.quote) not in shown:
        return "quote not in chunk"
    if not numbers(response) <= numbers(shown) or any(name not in shown for name in _NAME.findall(response)):
        return "number or name not in chunk"
    if is_generated:  # half of what a model's question names has to be there
        wanted = set(content_stems(question, candidate.language))
        there = wanted & set(stems(shown, candidate.language))
        if not numbers(question) <= numbers(shown) or len(there) * 2 < len(wanted):
            return "asks of something else"
    if not stands_alone(question, response, candidate.language, by_people=kind == "faq"):
        return "does not stand alone"
    # Names and cells have no language that could be told; what is found in a chunk is answered in its own words.
    said = [] if kind in _WITHOUT_LANGUAGE else [question, response] if is_generated else [question]
    return "" if all(may_be_in(text, candidate.language) for text in said) else "other language"


def _has_bad_form(question: str, response: str, kind: str) -> bool:
    both = f"{question}\n{response}"
    if not question.strip() or not response.strip() or "|" in both or "\ufffd" in both:
        return True
    if _MARKER.search(both) or _DELIMITER.search(both) or not re.search(r"[^\W\d_]{2}", response):
        return True
    if any(text.count("(") != text.count(")") or text.count('"') % 2 for text in (question, response)):
        return True
    # A heading runs into the sentence behind it where a small word of its first few is written large.
    sentence = takewhile(lambda word: not word.endswith((".", ":", "!", "?")), response.split()[:_FIRST_WORDS])
    runs_on = any(word[0].isupper() and word.lower() in _SMALL_WORDS for word in islice(sentence, 1, None))
    if (runs_on and kind not in _AS_WRITTEN) or (response.endswith("?") and kind != "faq"):
        return True
    return not response.rstrip().endswith((".", "!", "?", "…", '"', "”", "“", ")", "’", "'")) or not (
        response[0].isupper() or response[0].isdigit() or kind == "search"
    )


def stands_alone(question: str, response: str, language: str, by_people: bool) -> bool:
    """Whether both are understood by themselves.

    ``by_people``: somebody wrote the question for this answer, so that "It depends" answers it.
    """
    if _POINTS_TO_PAGE.search(question) or _POINTS_ON.search(response) or _CALLS_TO_ACTION.match(response):
        return False
    if by_people:
        return True
    if _POINTS_TO_PAGE.search(response) or _LEANS_BACK.match(response):
        return False
    early = " ".join(question.split()[:_EARLY_WORDS])
    pronouns = wordings("early_pronouns", language) or wordings("early_pronouns", "en")
    last = question[:-1].lower().split()[-1:] if question.endswith("?") else []
    return words_of("last_pronouns").isdisjoint(last) and not re.search(rf"\b(?:{pronouns})\b", early)
