"""What people said about answers: ``feedback.sqlite`` of a workspace, or the same tables at its database server.

feedback    one row a judgement of one answer: what was asked, shown and said, by which versions, and how it
            should read; its state says what became of it: new, accepted, edited (accepted otherwise), rejected
votes       one row a vote between two answers to the same question

A judgement is kept complete, so that it can be looked at when documents and models are long gone.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from assistant import __version__
from assistant.errors import UsageError
from assistant.store.database import Database, Rows, again
from assistant.store.sql import versions_in
from assistant.types import Answer, Message
from assistant.workspace import Workspace

Verdict = Literal["right", "partly", "wrong"]
Fault = Literal["not_in_source", "wrong_source", "tone", "outdated", "incomplete"]
State = Literal["new", "accepted", "edited", "rejected"]
Choice = Literal["first", "second", "both", "neither"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
FAULTS: tuple[Fault, ...] = get_args(Fault)
STATES: tuple[State, ...] = get_args(State)
CHOICES: tuple[Choice, ...] = get_args(Choice)
TAUGHT: tuple[State, ...] = ("accepted", "edited")
"""The states in which feedback is learnt from and measured with."""
ALL = 1_000_000
"""More judgements than people write."""

LONGEST_TEXT = 8000
"""Characters of a correction or a note; longer ones are a mistake."""


@dataclass(frozen=True, slots=True)
class PassageRecord:
    """A passage that was shown with an answer. Offsets count in the stored text of that version of the document."""

    number: int
    """As the reader saw it."""
    document: str
    hash: str
    """Of the file that the document was read from; empty if it was not known."""
    start: int
    end: int
    text: str
    context: str = ""
    """Title and headings above it."""
    cited: tuple[str, ...] = ()
    """The words in it that the answer was said to stand on."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What gave an answer."""

    model: str
    adapter: str | None
    generation: int
    """Of the corpus."""
    program: str = __version__


@dataclass(frozen=True, slots=True)
class Assessment:
    """What someone thinks of an answer. ``sources`` are numbers of passages that say how it should read."""

    verdict: Verdict
    faults: tuple[Fault, ...] = ()
    note: str = ""
    correction: str = ""
    sources: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """One judgement of one answer, with all that is needed to look at it again."""

    id: int
    made: datetime
    user: str
    corpus: str
    question: str
    standalone_question: str
    history: tuple[Message, ...]
    answer: str
    refused: bool
    evidence: tuple[PassageRecord, ...]
    versions: Versions
    judgement: Assessment
    state: State = "new"
    edited: str = ""
    decided_by: str = ""
    decided: datetime | None = None

    @property
    def wanted(self) -> str:
        """How the answer should read; empty where it should be a refusal, or nobody said."""
        if self.judgement.verdict == "right":
            return self.edited or ("" if self.refused else self.answer)
        return self.edited or self.judgement.correction

    @property
    def wants_refusal(self) -> bool:
        """Whether the documents do not answer the question, as people see it."""
        refused_rightly = self.judgement.verdict == "right" and self.refused
        return not self.wanted and (refused_rightly or "not_in_source" in self.judgement.faults)


@dataclass(frozen=True, slots=True)
class Vote:
    """Which of two answers to a question someone found better."""

    user: str
    corpus: str
    question: str
    first: str
    second: str
    first_answer: str
    second_answer: str
    choice: Choice
    blind: bool
    standalone_question: str = ""
    evidence: tuple[PassageRecord, ...] = ()
    """What both answers were shown; empty where that differed, and in votes of before it was kept."""
    id: int = 0
    made: datetime | None = None


FEEDBACK_FILE = "feedback.sqlite"

_MIGRATIONS = versions_in(Path(__file__).with_name("feedback.sql"))
_FEEDBACK, _VOTE, _JSON = TypeAdapter(Feedback), TypeAdapter(Vote), TypeAdapter(object)
_AS_JSON = ("history", "evidence", "versions", "faults", "sources")


class FeedbackStore:
    """The feedback of a workspace. Bears several threads and processes."""

    def __init__(self, workspace: Workspace) -> None:
        """Judgements of corpora and adapters that ``workspace`` does not show are not there.

        A file is made when something is first kept.
        """
        self.file = workspace.root / FEEDBACK_FILE
        self.database = Database(self.file, _MIGRATIONS, workspace.state)
        self._shows = workspace.shows

    @again
    def add(
        self,
        user: str,
        corpus: str,
        answer: Answer,
        versions: Versions,
        judgement: Assessment,
        hashes: Mapping[str, str],
        history: tuple[Message, ...] = (),
    ) -> int:
        """Keep a judgement; its number. ``hashes``: document → content hash, of those that were shown.

        Raises UsageError for a text that is far too long, and for sources that were not shown.
        """
        for text in (judgement.note, judgement.correction):
            _refuse_long(text)
        unknown = set(judgement.sources) - {hit.rank for hit in answer.hits}
        if unknown:
            raise UsageError(f"There is no passage {min(unknown)}.", "Name passages that were shown.")
        values = {
            "made": _now(),
            "user": user,
            "corpus": corpus,
            "question": answer.question,
            "standalone_question": answer.standalone_question,
            "history": history,
            "answer": answer.text,
            "refused": answer.refused,
            "evidence": shown_of(answer, hashes),
            "versions": versions,
            "verdict": judgement.verdict,
            "faults": judgement.faults,
            "note": judgement.note.strip(),
            "correction": judgement.correction.strip(),
            "sources": judgement.sources,
        }
        with self.database.opened() as database:
            as_json = {name: _JSON.dump_json(values[name]).decode() for name in _AS_JSON}
            return _inserted(database, "feedback", values | as_json)

    @again
    def get(self, number: int) -> Feedback:
        """One judgement. Raises UsageError for a number that there is not."""
        row = None
        if self.database.exists:
            with self.database.opened() as database:
                row = next(database.named("SELECT * FROM feedback WHERE id = ?", (number,)), None)
        if row is None or not self._is_shown(row["corpus"], json.loads(row["versions"])["adapter"]):
            raise UsageError(f"There is no feedback {number}.", "See: assistant feedback list")
        return _feedback(row)

    @again
    def listed(
        self, *, states: tuple[State, ...] = STATES, corpus: str = "", user: str = "", most: int = 500
    ) -> list[Feedback]:
        """Assessments in some states, of one corpus or person if named; the latest first. A ``most`` below 0 is all."""
        if not self.database.exists:
            return []
        conditions = [f"state IN ({', '.join('?' * len(states))})"]
        values: list[object] = [*states]
        for column, value in (("corpus", corpus), ("user", user)):
            if value:
                conditions.append(f'"{column}" = ?')
                values.append(value)
        with self.database.opened() as database:
            rows = database.named(f"SELECT * FROM feedback WHERE {' AND '.join(conditions)} ORDER BY id DESC", values)
            found = (one for one in map(_feedback, rows) if self._is_shown(one.corpus, one.versions.adapter))
            return list(islice(found, None if most < 0 else most))

    @again
    def counts(self) -> dict[State, int]:
        """How many judgements are in each state."""
        counts: dict[State, int] = dict.fromkeys(STATES, 0)
        if self.database.exists:
            with self.database.opened() as database:
                for state, corpus, versions, count in database.execute(
                    "SELECT state, corpus, versions, count(*) FROM feedback GROUP BY state, corpus, versions"
                ):
                    counts[state] += count if self._is_shown(corpus, json.loads(versions)["adapter"]) else 0
        return counts

    def accept(self, number: int, by: str, edited: str = "") -> Feedback:
        """Have it learnt from and measured with: as ``edited`` says, else as it reads by now.

        Raises UsageError when nobody has said how the answer should read, or not in words.
        """
        before = self.get(number)
        wanted = edited.strip() or before.wanted
        _refuse_long(wanted)
        if not wanted and not before.wants_refusal:
            raise UsageError("Nobody has said how this answer should read.", "Write it, then accept.")
        if wanted and not any(map(str.isalnum, wanted)):
            raise UsageError("The text has no letter or digit.", "Write how the answer should read.")
        is_edit = wanted != replace(before, edited="").wanted
        return self._decide(number, "edited" if is_edit else "accepted", by, wanted if is_edit else "")

    def reject(self, number: int, by: str) -> Feedback:
        """Have nothing learnt from it; it is kept. Raises UsageError for a number that there is not."""
        return self._decide(number, "rejected", by, "")

    @again
    def add_vote(self, vote: Vote) -> int:
        """Keep a vote; its number."""
        values = asdict(vote) | {"made": _now(), "evidence": _JSON.dump_json(vote.evidence).decode()}
        del values["id"]
        with self.database.opened() as database:
            return _inserted(database, "votes", values)

    @again
    def votes(self, corpus: str = "") -> list[Vote]:
        """Votes about answers of one corpus, or of all; the latest first."""
        if not self.database.exists:
            return []
        with self.database.opened() as database:
            rows = list(database.named("SELECT * FROM votes WHERE ? IN ('', corpus) ORDER BY id DESC", (corpus,)))
        return [_VOTE.validate_python({**row, "evidence": json.loads(row["evidence"])}) for row in rows]

    @again
    def forget(self, user: str, stranger: str) -> int:
        """Delete what a person said, unless it was accepted; what stays is that of ``stranger``. How much was theirs.

        Of what was accepted stays what is learnt from: the note and the conversation before it go.
        """
        if not self.database.exists:
            return 0
        taught = f"state IN ({', '.join('?' * len(TAUGHT))})"
        with self.database.opened() as database:
            gone = database.execute(f'DELETE FROM feedback WHERE "user" = ? AND NOT {taught}', (user, *TAUGHT)).rowcount
            change = """UPDATE feedback SET "user" = ?, note = '', history = '[]' WHERE "user" = ?"""
            stays = database.execute(change, (stranger, user)).rowcount
            votes = database.execute('UPDATE votes SET "user" = ? WHERE "user" = ?', (stranger, user)).rowcount
            database.execute("UPDATE feedback SET decided_by = ? WHERE decided_by = ?", (stranger, user))
        return gone + stays + votes

    def _is_shown(self, corpus: str, adapter: str | None) -> bool:
        return self._shows("corpus", corpus) and (adapter is None or self._shows("adapter", adapter))

    @again
    def _decide(self, number: int, state: State, by: str, edited: str) -> Feedback:
        self.get(number)
        with self.database.opened() as database:
            database.execute(
                "UPDATE feedback SET state = ?, edited = ?, decided_by = ?, decided = ? WHERE id = ?",
                (state, edited, by, _now(), number),
            )
        return self.get(number)


def shown_of(answer: Answer, hashes: Mapping[str, str]) -> tuple[PassageRecord, ...]:
    """The passages of an answer as they are kept."""
    citations = [citation for sentence in answer.sentences for citation in sentence.citations]
    shown = []
    for hit in answer.hits:
        cited = tuple(dict.fromkeys(citation.quote for citation in citations if citation.hit == hit.rank))
        known = hashes.get(hit.document, "")
        shown.append(PassageRecord(hit.rank, hit.document, known, hit.start, hit.end, hit.text, hit.context, cited))
    return tuple(shown)


def _refuse_long(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"The text has {len(text):,} characters.", f"Use at most {LONGEST_TEXT:,}.")


def _inserted(database: Rows, table: str, values: Mapping[str, object]) -> int:
    names = ", ".join(f'"{name}"' for name in values)
    return database.inserted(
        f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", list(values.values())
    )


def _feedback(row: Mapping[str, Any]) -> Feedback:
    values = {name: json.loads(value) if name in _AS_JSON else value for name, value in row.items()}
    return _FEEDBACK.validate_python(values | {"judgement": values, "decided": values["decided"] or None})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
