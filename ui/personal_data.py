"""What is kept of one person, in one place: handed out as a file, deleted, and dropped when it has come of age.

    conversations.sqlite, attached/    what they asked and were told, whom they gave links to, the files they brought
    feedback.sqlite                    what they said about answers, and decided about what others said
    reports/*/ratings.jsonl            what they said about answers of an evaluation
    jobs/*/job.json                    what they started
    audit.sqlite                       what they did
    users.json, rights.json            that they may sign in, and what they may read and change

Documents that they put into a collection are the organisation's, as is what was learnt from their corrections.
"""

import json
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from assistant.artifacts.audit import AuditLog
from assistant.artifacts.evaluations import RATINGS_FILE
from assistant.errors import UsageError
from assistant.feedback.database import FeedbackStore
from assistant.store.sql import come_of_age
from assistant.workspace import Workspace, replaced_atomically
from ui.conversations import Conversations
from ui.people import People, composed
from ui.rights import RightsFile
from ui.shared import forget


@dataclass(frozen=True, slots=True)
class PersonalCounts:
    """How much is kept of a person."""

    conversations: int
    files: int
    feedback: int
    """With votes and ratings."""
    audit_lines: int


class PersonalData:
    """What a workspace keeps of one person."""

    def __init__(self, workspace: Workspace, people: People, audit: AuditLog, name: str) -> None:
        self.name = composed(name)
        self._workspace = workspace
        self._people = people
        self._audit = audit
        self._feedback = FeedbackStore(workspace.whole)
        self._kept = Conversations(workspace.whole)

    def export(self, target: Path) -> PersonalCounts:
        """Write all of it to a ZIP file: ``data.json``, and the files they brought. Raises UsageError without any."""
        conversations = list(self._conversations())
        votes = [vote for vote in self._feedback.votes() if vote.user == self.name]
        feedback = self._feedback.listed(user=self.name, most=-1)
        ratings = [line for _, line in self._ratings() if line["rater"] == self.name]
        lines = list(self._audit.lines(user=self.name))
        line = self._people.accounts().get(self.name)
        account = line and line.user
        if not (account or conversations or feedback or votes or ratings or lines):
            raise UsageError(f"Nothing is kept of {self.name[:80]!r}.", "See: assistant users list")
        content = {
            "name": self.name, "account": account, "conversations": conversations, "feedback": feedback,
            "votes": votes, "ratings": ratings, "audit": lines,
        }  # fmt: skip
        files = [file for one in conversations for file in self._files(one["attached"])]
        with replaced_atomically(target.absolute()) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as to:
            to.writestr("data.json", json.dumps(to_jsonable_python(content), ensure_ascii=False, indent=2))
            for file in files:
                to.write(file, f"files/{file.relative_to(self._workspace.root / 'attached')}")
        return PersonalCounts(len(conversations), len(files), len(feedback) + len(votes) + len(ratings), len(lines))

    def forget(self) -> PersonalCounts:
        """Delete it, and put a made-up name where something has to stay. They may not sign in any more.

        What was accepted of their feedback has become the organisation's, and stays under the made-up name, without
        the conversation before it. Raises UsageError where nothing is kept.
        """
        stranger = f"person-{secrets.token_hex(4)}"
        has_account = self.name in self._people.accounts()
        if has_account:
            self._people.remove(self.name, stranger)
        conversations = list(self._conversations())
        files = sum(len(list(self._files(one["attached"]))) for one in conversations)
        for one in conversations:
            self._kept.delete(self.name, one["id"])
        feedback = self._feedback.forget(self.name, stranger) + self._rename_ratings(stranger)
        for file in self._workspace.root.glob("jobs/*/job.json"):
            with suppress(OSError, ValueError):  # of a job that is just being dropped
                job = json.loads(file.read_text(encoding="utf-8"))
                if job["user"] == self.name:
                    _replace(file, json.dumps({**job, "user": stranger}, ensure_ascii=False))
        RightsFile(self._workspace).forget(self.name)
        lines = self._audit.forget(self.name, stranger)
        for database in (self._kept.database, self._feedback.database, self._audit.database):
            database.compact()  # or what was deleted could still be read from the file
        if self._workspace.state is not None:
            forget(self._workspace.state, self.name)
        if not (has_account or conversations or feedback or lines):
            raise UsageError(f"Nothing is kept of {self.name[:80]!r}.", "See: assistant users list")
        return PersonalCounts(len(conversations), files, feedback, lines)

    def _conversations(self) -> Iterator[dict[str, Any]]:
        """Each with all versions of its questions."""
        with self._kept.database.opened() as database:
            for row in database.named('SELECT * FROM conversations WHERE "user" = ? ORDER BY id', (self.name,)):
                turns = database.named("SELECT * FROM turns WHERE conversation = ? ORDER BY id", (row["id"],))
                yield {**row, "turns": [{**one, "replies": json.loads(one["replies"])} for one in turns]}

    def _files(self, folder: str | None) -> Iterator[Path]:
        brought = self._workspace.root / "attached" / folder / "uploads" if folder else None
        yield from (file for file in sorted(brought.rglob("*")) if file.is_file()) if brought else ()

    def _ratings(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for file in self._workspace.root.glob(f"reports/*/{RATINGS_FILE}"):
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError):  # one that was cut
                    if isinstance(rating := json.loads(line), dict) and "rater" in rating:
                        yield file, rating

    def _rename_ratings(self, stranger: str) -> int:
        theirs = [file for file, rating in self._ratings() if rating["rater"] == self.name]
        for file in dict.fromkeys(theirs):
            ratings = [rating for where, rating in self._ratings() if where == file]
            renamed = [one | {"rater": stranger} if one["rater"] == self.name else one for one in ratings]
            _replace(file, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in renamed))
        return len(theirs)


def drop_old(workspace: Workspace, days: int) -> int:
    """Delete conversations in which nobody has asked for so many days, with their files; how many. 0 keeps all.

    They go a day after they have come of age (``come_of_age``): a clock that jumps deletes nothing.
    """
    if not days:
        return 0
    kept = Conversations(workspace.whole)
    with kept.database.opened() as database:
        before = come_of_age(database, days, datetime.now(UTC))
        old = database.execute('SELECT "user", id FROM conversations WHERE updated < ?', (before,)).fetchall()
    for user, conversation in old:
        with suppress(UsageError):  # its owner was faster
            kept.delete(user, conversation)
    return len(old)


def _replace(file: Path, text: str) -> None:
    with replaced_atomically(file) as beside:
        beside.write_text(text, encoding="utf-8")
