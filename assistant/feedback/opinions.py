"""What people prefer: of two answers to a question the better one, as pairs with the passages that were shown.

    vote        a comparison: the answer that was chosen, and the other one
    feedback    a correction that was accepted: how the answer should read, and how it read
    thumb       an answer that was found right, or wrong: one of the two alone

Answers name the passages that they stand on as models are trained to. Nothing is learnt from what the passages do not
say, from passages that the documents no longer hold, and where people contradict each other.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from assistant.artifacts.pairs import Pair, Source, evidence_of
from assistant.feedback.database import ALL, TAUGHT, FeedbackStore, PassageRecord, State
from assistant.feedback.lessons import are_said, grounded
from assistant.store.catalog import Catalog
from assistant.text.printing import with_marker
from assistant.text.words import answered_in, detect, text_in, words
from assistant.types import Passage, Sentence
from assistant.workspace import Workspace

PREFERRED: tuple[Source, ...] = ("vote", "feedback", "thumb")
_HEARD: tuple[State, ...] = ("new", *TAUGHT)


@dataclass(frozen=True, slots=True)
class _Opinion:
    """What someone said of one or two answers to a question; of these one may be empty."""

    source: Source
    made: datetime | None
    question: str
    evidence: Sequence[PassageRecord]
    chosen: str
    rejected: str


def waiting(workspace: Workspace, corpus: str, refusals: Mapping[str, str], since: str = "") -> dict[Source, int]:
    """How often people have said which answer is better, by source; ``since`` is an ISO date and time."""
    begin = datetime.fromisoformat(since) if since else None
    said = Counter(
        one.source
        for one in _opinions(FeedbackStore(workspace.root), corpus, refusals)
        if one.chosen.strip() != one.rejected.strip() and (begin is None or (one.made and one.made > begin))
    )
    return {source: said[source] for source in PREFERRED if said[source]}


def preferences(
    workspace: Workspace, catalog: Catalog, refusals: Mapping[str, str]
) -> tuple[list[Pair], Mapping[str, int]]:
    """What people prefer about the answers of a corpus, and how much of it teaches nothing, by reason.

    ``refusals`` are those of the house, by language.
    """
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter()
    for one in _opinions(FeedbackStore(workspace.root), catalog.folder.name, refusals):
        if not one.chosen and not one.rejected:
            dropped["neither is better"] += 1
        elif one.chosen.strip() == one.rejected.strip():
            dropped["chosen equals rejected"] += 1
        elif words(one.chosen) == words(one.rejected):
            dropped["they differ in signs alone"] += 1
        elif not one.evidence:
            dropped["passages were not kept, or differed"] += 1
        elif not are_said(one.evidence, catalog):
            dropped["a document has changed"] += 1
        elif pair := _pair(one, refusals):
            pairs.append(pair)
        else:
            dropped["the passages do not say what was chosen"] += 1
    said = {(pair.instruction, pair.passages, pair.response, pair.rejected) for pair in pairs}
    agreed = [one for one in pairs if (one.instruction, one.passages, one.rejected, one.response) not in said]
    dropped["people contradict each other"] = len(pairs) - len(agreed)
    return agreed, {reason: count for reason, count in dropped.most_common() if count}


def _opinions(store: FeedbackStore, corpus: str, refusals: Mapping[str, str]) -> Iterator[_Opinion]:
    for vote in store.votes(corpus):
        answers = vote.first_answer, vote.second_answer
        chosen, rejected = {"first": answers, "second": answers[::-1]}.get(vote.choice, ("", ""))
        question = vote.standalone_question or vote.question
        yield _Opinion("vote", vote.made, question, vote.evidence, chosen, rejected)
    for one in store.listed(states=_HEARD, corpus=corpus, most=ALL):
        wanted = one.wanted if one.state in TAUGHT else ""
        if one.state in TAUGHT and one.wants_refusal:
            wanted = text_in(refusals, answered_in(one.standalone_question, refusals))
        about = one.made, one.standalone_question, one.evidence
        is_same = wanted.strip() == one.answer.strip()
        if wanted and not (is_same and one.judgement.verdict == "right"):
            yield _Opinion("feedback", *about, wanted, one.answer)
        elif one.judgement.verdict == "right":
            yield _Opinion("thumb", *about, one.answer, "")
        elif one.judgement.verdict == "wrong":
            yield _Opinion("thumb", *about, "", one.answer)


def _pair(one: _Opinion, refusals: Mapping[str, str]) -> Pair | None:
    """An opinion as a pair; None where the passages do not say what is to be learnt."""
    language = detect(one.question) or "en"
    passages = tuple(Passage(own.document, own.start, own.end, own.context, own.text) for own in one.evidence)
    hits = [evidence_of(passage, place, language) for place, passage in enumerate(passages, 1)]
    chosen, rejected = (grounded(text, hits) for text in (one.chosen, one.rejected))
    golden = next((citation.hit for sentence in chosen for citation in sentence.citations), None)
    if one.chosen.startswith(tuple(refusals.values())):
        golden = None
    elif one.chosen and not (golden and all(sentence.supported for sentence in chosen)):
        return None
    return Pair(
        id="",
        instruction=one.question,
        response=_marked(chosen) or one.chosen,
        rejected=_marked(rejected) or one.rejected,
        source=one.source,
        kind=one.source,
        passages=passages,
        golden=golden,
        language=language,
        document=passages[golden - 1].document if golden else "",
    )


def _marked(sentences: Sequence[Sentence]) -> str:
    """An answer with the markers of what supports its sentences."""
    return "".join(
        one.before
        + (with_marker(one.text, dict.fromkeys(cited.hit for cited in one.citations)) if one.citations else one.text)
        for one in sentences
    ).strip()
