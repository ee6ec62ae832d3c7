"""What people said about answers: one SQLite file a workspace, ``feedback.sqlite``.

feedback    one row a judgement of one answer: what was asked, shown and said, by which versions, and how it
            should read; its state says what became of it: new, accepted, edited (accepted otherwise), rejected
votes       one row a vote between two answers to the same question

A judgement is kept complete, so that it can be looked at when documents and models are long gone.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from pydantic import TypeAdapter

from assistant import __version__
from assistant.errors import UsageError, WorkspaceError
from assistant.types import Answer, Message
from assistant.workspace import make_file

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


FEEDBACK_FILE = "feedback.sqlite"

_MIGRATIONS = (
    (
        """
        CREATE TABLE feedback (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            made TEXT NOT NULL,              -- ISO date and time, UTC
            user TEXT NOT NULL,
            corpus TEXT NOT NULL,
            question TEXT NOT NULL,
            standalone_question TEXT NOT NULL,
            history TEXT NOT NULL,           -- JSON
            answer TEXT NOT NULL,
            refused INTEGER NOT NULL,
            evidence TEXT NOT NULL,          -- JSON
            versions TEXT NOT NULL,          -- JSON
            verdict TEXT NOT NULL,
            faults TEXT NOT NULL,            -- JSON
            note TEXT NOT NULL,
            correction TEXT NOT NULL,        -- how it should read, as its author wrote it
            sources TEXT NOT NULL,           -- JSON: numbers of the evidence that says so
            state TEXT NOT NULL DEFAULT 'new',
            edited TEXT NOT NULL DEFAULT '', -- how it should read, as whoever looked at it wrote it
            decided_by TEXT NOT NULL DEFAULT '',
            decided TEXT NOT NULL DEFAULT ''
        )
        """,
        "CREATE INDEX feedback_state ON feedback (state, corpus)",
        """
        CREATE TABLE votes (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            made TEXT NOT NULL,
            user TEXT NOT NULL,
            corpus TEXT NOT NULL,
            question TEXT NOT NULL,
            first TEXT NOT NULL,             -- who answered: an adapter's name, or 'base'
            second TEXT NOT NULL,
            first_answer TEXT NOT NULL,
            second_answer TEXT NOT NULL,
            choice TEXT NOT NULL,
            blind INTEGER NOT NULL
        )
        """,
    ),
)


_HISTORY = TypeAdapter(tuple[Message, ...])
_EVIDENCE = TypeAdapter(tuple[PassageRecord, ...])
_VERSIONS = TypeAdapter(Versions)
_FAULTS = TypeAdapter(tuple[Fault, ...])
_NUMBERS = TypeAdapter(tuple[int, ...])


class FeedbackStore:
    """The feedback of a workspace. Bears several threads and processes."""

    def __init__(self, folder: Path) -> None:
        """``folder``: of the workspace; the file is made when something is first kept."""
        self.file = folder / FEEDBACK_FILE

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
            "history": _HISTORY.dump_json(history).decode(),
            "answer": answer.text,
            "refused": answer.refused,
            "evidence": _EVIDENCE.dump_json(shown_of(answer, hashes)).decode(),
            "versions": _VERSIONS.dump_json(versions).decode(),
            "verdict": judgement.verdict,
            "faults": _FAULTS.dump_json(judgement.faults).decode(),
            "note": judgement.note.strip(),
            "correction": judgement.correction.strip(),
            "sources": _NUMBERS.dump_json(judgement.sources).decode(),
        }
        with self._opened() as database:
            return _inserted(database, "feedback", values)

    def get(self, number: int) -> Feedback:
        """One judgement. Raises UsageError for a number that there is not."""
        row = None
        if self.file.exists():
            with self._opened() as database:
                row = database.execute("SELECT * FROM feedback WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise UsageError(f"There is no feedback {number}.", "See: assistant feedback list")
        return _feedback(row)

    def listed(
        self, *, states: tuple[State, ...] = STATES, corpus: str = "", user: str = "", most: int = 500
    ) -> list[Feedback]:
        """Assessments in some states, of one corpus or person if named; the latest first."""
        if not self.file.exists():
            return []
        conditions = [f"state IN ({', '.join('?' * len(states))})"]
        values: list[object] = [*states]
        for column, value in (("corpus", corpus), ("user", user)):
            if value:
                conditions.append(f"{column} = ?")
                values.append(value)
        with self._opened() as database:
            rows = database.execute(
                f"SELECT * FROM feedback WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?", (*values, most)
            ).fetchall()
        return [_feedback(row) for row in rows]

    def counts(self) -> dict[State, int]:
        """How many judgements are in each state."""
        counts: dict[State, int] = dict.fromkeys(STATES, 0)
        if self.file.exists():
            with self._opened() as database:
                counts.update(dict(database.execute("SELECT state, count(*) FROM feedback GROUP BY state").fetchall()))
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

    def add_vote(self, vote: Vote) -> int:
        """Keep a vote; its number."""
        values = {
            "made": _now(),
            "user": vote.user,
            "corpus": vote.corpus,
            "question": vote.question,
            "first": vote.first,
            "second": vote.second,
            "first_answer": vote.first_answer,
            "second_answer": vote.second_answer,
            "choice": vote.choice,
            "blind": vote.blind,
        }
        with self._opened() as database:
            return _inserted(database, "votes", values)

    def _decide(self, number: int, state: State, by: str, edited: str) -> Feedback:
        self.get(number)
        with self._opened() as database:
            database.execute(
                "UPDATE feedback SET state = ?, edited = ?, decided_by = ?, decided = ? WHERE id = ?",
                (state, edited, by, _now(), number),
            )
        return self.get(number)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection in one transaction. Raises WorkspaceError for a file that cannot be used."""
        try:
            with closing(sqlite3.connect(make_file(self.file), timeout=30)) as database, database:
                database.row_factory = sqlite3.Row
                _migrate(database, self.file)
                yield database
        except (OSError, sqlite3.Error) as error:
            raise WorkspaceError(f"The feedback in {self.file} cannot be used: {error}.", "Restore the file.") from None


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


def _migrate(database: sqlite3.Connection, file: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_MIGRATIONS):
        raise WorkspaceError(
            f"{file} has version {version}; this program knows versions up to {len(_MIGRATIONS)}.",
            "Update domain-assistant.",
        )
    if version == len(_MIGRATIONS):
        return
    database.execute("BEGIN IMMEDIATE")
    # Asked again under the write lock: another process may have migrated meanwhile.
    version = database.execute("PRAGMA user_version").fetchone()[0]
    for statements in _MIGRATIONS[version:]:
        for statement in statements:
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _inserted(database: sqlite3.Connection, table: str, values: Mapping[str, object]) -> int:
    places = ", ".join(f":{name}" for name in values)
    row = database.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", dict(values))
    return int(row.lastrowid or 0)


def _feedback(row: sqlite3.Row) -> Feedback:
    return Feedback(
        id=row["id"],
        made=datetime.fromisoformat(row["made"]),
        user=row["user"],
        corpus=row["corpus"],
        question=row["question"],
        standalone_question=row["standalone_question"],
        history=_HISTORY.validate_json(row["history"]),
        answer=row["answer"],
        refused=bool(row["refused"]),
        evidence=_EVIDENCE.validate_json(row["evidence"]),
        versions=_VERSIONS.validate_json(row["versions"]),
        judgement=Assessment(
            row["verdict"],
            _FAULTS.validate_json(row["faults"]),
            row["note"],
            row["correction"],
            _NUMBERS.validate_json(row["sources"]),
        ),
        state=row["state"],
        edited=row["edited"],
        decided_by=row["decided_by"],
        decided=datetime.fromisoformat(row["decided"]) if row["decided"] else None,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
