"""What people's words teach: rows for ``assistant pairs``, cases for ``assistant eval``, and which answer is better.

    feedback/CORPUS.pairs.jsonl    {"id", "instruction", "response", "context", "document", "language"}
    feedback/CORPUS.cases.jsonl    {"id", "question", "answers", "gold", "unanswerable", "kind", "language", "tags"}

Both files are made anew from ``feedback.sqlite`` whenever they are needed. The id leads back to the row there.

A correction is trained on only if the passages of one document say what it says: facts are never learnt by heart, and
a pair is in one split, so it shows nothing of a second document. It is never trained on and measured with: its pair is
in the split of its document, and ``assistant eval`` leaves out what an adapter under test may have learnt from. It
teaches nothing once a document that it stands on says otherwise or was forgotten.

Of two answers to a question the better one is a preference, with the passages that were shown:

    vote        a comparison: the answer that was chosen, and the other one
    feedback    a correction that was accepted: how the answer should read, and how it read
    thumb       an answer that was found right, or wrong: one of the two alone

Answers name the passages that they stand on as models are trained to. Nothing is learnt from what the passages do not
say, from passages that the documents no longer hold, and where people contradict each other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from assistant.artifacts.pairs import Pair, Source, evidence_of
from assistant.artifacts.row_files import write_lines
from assistant.feedback.database import ALL, TAUGHT, Feedback, FeedbackStore, PassageRecord, State
from assistant.grounding.grounder import ground
from assistant.store.index import Index
from assistant.text.printing import with_marker
from assistant.text.words import answered_in, detect, text_in, words
from assistant.types import Evidence, Passage, Sentence
from assistant.workspace import Workspace, make_folder

TAG = "feedback"
# As answer.support_coverage by default.
_LEAST_COVERAGE = 0.6
PREFERRED: tuple[Source, ...] = ("vote", "feedback", "thumb")
_HEARD: tuple[State, ...] = ("new", *TAUGHT)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one correction becomes. ``row`` is None where its passages do not say what it says."""

    row: dict[str, object] | None
    case: dict[str, object]


def lesson_of(feedback: Feedback) -> Lesson:
    """What an accepted correction teaches."""
    language = detect(feedback.standalone_question) or "en"
    question: dict[str, object] = {"id": f"feedback-{feedback.id}", "language": language, "kind": TAG, "tags": [TAG]}
    if feedback.wants_refusal:
        return Lesson(None, {**question, "question": feedback.standalone_question, "unanswerable": True})
    sources = sources_of(feedback)
    row: dict[str, object] | None = None
    if shown := _proof(feedback.wanted, sources):
        document, heading = shown[0].document, shown[0].context.partition("\n")[0]
        row = {
            "id": f"feedback-{feedback.id}",
            "instruction": feedback.standalone_question,
            "response": feedback.wanted,
            "context": f"{heading or document}\n" + "\n\n".join(one.text for one in shown),
            "document": document,
            "language": language,
        }
    # One group a quote that supports a sentence; where none does, any of the passages.
    cited = [one for sentence in _grounded(feedback.wanted, sources) for one in sentence.citations[:1]]
    quotes = dict.fromkeys((one.document, one.quote) for one in cited)
    gold = [[{"document": document, "quote": quote}] for document, quote in quotes]
    if not gold and sources:
        gold = [[{"document": one.document, "quote": one.text} for one in sources]]
    case = {"question": feedback.standalone_question, "answers": [feedback.wanted], "gold": gold}
    return Lesson(row, {**question, **case})


def is_supported(feedback: Feedback, wanted: str) -> bool:
    """Whether the passages of a correction, those of one document, say all that ``wanted`` says."""
    return bool(_proof(wanted, sources_of(feedback)))


def lessons(workspace: Workspace, catalog: Index) -> list[Lesson]:
    """What the accepted corrections of a corpus teach; the last one stands where a question was corrected twice."""
    corrections: dict[str, Feedback] = {}
    kept = FeedbackStore(workspace.whole)
    for feedback in kept.listed(states=TAUGHT, corpus=catalog.name, most=ALL):
        corrections.setdefault(feedback.standalone_question.casefold(), feedback)
    return [lesson_of(feedback) for feedback in reversed(corrections.values()) if still_stands(feedback, catalog)]


def still_stands(feedback: Feedback, catalog: Index) -> bool:
    """Whether the documents still hold the passages that a correction stands on."""
    return feedback.wants_refusal or are_said(sources_of(feedback), catalog)


def are_said(passages: Iterable[PassageRecord], catalog: Index) -> bool:
    """Whether the documents still hold some passages."""
    for one in passages:
        ids = {file.document_id for file in catalog.files(path=one.document)}
        if not any(one.text in catalog.text(id_) for id_ in ids if id_ is not None):
            return False
    return True


def pairs_file(workspace: Workspace, catalog: Index) -> Path | None:
    """The corrections of a corpus as a user's set for ``assistant pairs``, written now; None if there are none."""
    rows = [lesson.row for lesson in lessons(workspace, catalog) if lesson.row is not None]
    return _written(workspace.root / "feedback" / f"{catalog.name}.pairs.jsonl", rows)


def cases_file(workspace: Workspace, catalog: Index) -> Path | None:
    """The corrections of a corpus as evaluation cases, written now; None if there are none."""
    rows = [lesson.case for lesson in lessons(workspace, catalog)]
    return _written(workspace.root / "feedback" / f"{catalog.name}.cases.jsonl", rows)


def _proof(wanted: str, sources: list[PassageRecord]) -> list[PassageRecord]:
    """The passages of the first document that says all of a text; none where no document alone does."""
    for document in dict.fromkeys(one.document for one in sources):
        own = [one for one in sources if one.document == document]
        sentences = _grounded(wanted, own)
        if sentences and all(sentence.supported for sentence in sentences):
            return own
    return []


def _grounded(wanted: str, sources: list[PassageRecord]) -> list[Sentence]:
    passages = (Passage(one.document, one.start, one.end, one.context, one.text) for one in sources)
    hits = [evidence_of(passage, one.number, "") for passage, one in zip(passages, sources, strict=True)]
    return grounded(wanted, hits)


def grounded(text: str, hits: Sequence[Evidence]) -> list[Sentence]:
    """The sentences of what someone said; words weigh the same, since it may be older than the corpus."""
    return ground(text, hits, lambda stems: dict.fromkeys(stems, 1.0), _LEAST_COVERAGE)


def sources_of(feedback: Feedback) -> list[PassageRecord]:
    """The passages that say how it should read: those named, else those the answer cited, else all that were shown."""
    named = [one for one in feedback.evidence if one.number in feedback.judgement.sources]
    cited = [one for one in feedback.evidence if one.cited]
    return named or cited or list(feedback.evidence)


def _written(file: Path, rows: list[dict[str, object]]) -> Path | None:
    if not rows:
        file.unlink(missing_ok=True)
        return None
    make_folder(file.parent)
    write_lines(file, rows)
    return file


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
        for one in _opinions(FeedbackStore(workspace.whole), corpus, refusals)
        if one.chosen.strip() != one.rejected.strip() and (begin is None or (one.made and one.made > begin))
    )
    return {source: said[source] for source in PREFERRED if said[source]}


def preferences(
    workspace: Workspace, catalog: Index, refusals: Mapping[str, str]
) -> tuple[list[Pair], Mapping[str, int]]:
    """What people prefer about the answers of a corpus, and how much of it teaches nothing, by reason.

    ``refusals`` are those of the house, by language.
    """
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter()
    for one in _opinions(FeedbackStore(workspace.whole), catalog.name, refusals):
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
