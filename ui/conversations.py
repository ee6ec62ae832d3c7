"""What each person asked and was told, pinned and shared by link: every row belongs to a user.

    conversations    one row a conversation, with its title
    turns            one row a question, with the replies to it as JSON
    attached/NAME    files that one conversation alone asks, in a workspace of their own; its row has the name
    attached/.NAME   holds a lock while files are read into it

Nobody reaches a conversation by its number: whatever is asked for is looked up together with the user, and what
belongs to someone else is not there. So it is with its files: no list of corpora, no search and no program knows them.
"""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from assistant.errors import UsageError, WorkspaceBusy
from assistant.feedback.database import Verdict
from assistant.store.database import Database, Rows, again
from assistant.store.sql import versions_in
from assistant.text.printing import excerpt
from assistant.workspace import Workspace, size_of, write_lock
from ui.scope import EVERYTHING, Scope, kept, written
from ui.turns import REPLIES, Branches, ListedConversation, Turn, TurnReply, TurnRow, gone, is_small_talk, said_already

FILE = "conversations.sqlite"
FILES = "files"
"""The corpus of the files of a conversation, in their own workspace."""
_OF_CONVERSATION = "@"
"""Begins what a reply calls that corpus, ``@12``; so begins the name of none that a workspace lists."""
_LONGEST_TITLE, _LONGEST_FOLDER = 80, 40  # characters; the list cuts them where its line ends
_MOST_SEARCHED = 20
"""Words; a text that was pasted into the box is more than SQLite takes."""
MOST_LISTED = 60
"""Conversations in a list; more would stand in the way of who goes through the page by keyboard."""
_SHOW = """
    WITH RECURSIVE branch (id, parent) AS (
        SELECT id, parent FROM turns WHERE id = ?
        UNION ALL SELECT turns.id, turns.parent FROM turns JOIN branch ON turns.id = branch.parent
    )
    UPDATE turns SET seen = (SELECT max(seen) + 1 FROM turns WHERE conversation = ?)
    WHERE id IN (SELECT id FROM branch) AND EXISTS (
        SELECT 1 FROM turns AS other WHERE other.conversation = turns.conversation
        AND coalesce(other.parent, 0) = coalesce(turns.parent, 0) AND (other.seen, other.id) > (turns.seen, turns.id)
    )
"""
"""A turn, and those that lead to it: another page may show another branch meanwhile. No row is written in vain."""
_TURN_WITH = "SELECT 1 FROM turns WHERE conversation = conversations.id AND instr(folded(words), ?) > 0"
_MIGRATIONS = versions_in(Path(__file__).with_name("conversations.sql"))


class Conversations:
    """The conversations of a workspace. Bears several threads and processes."""

    def __init__(self, workspace: Workspace) -> None:
        """What ``workspace`` does not show is not there. Its folder is made when the first question is kept."""
        self.database = Database(workspace.root / FILE, _MIGRATIONS, workspace.state, with_log=True)
        self._shows = workspace.shows
        self._attached = workspace.root / "attached"

    @again
    def listed(self, user: str, searched: str = "", most: int = MOST_LISTED) -> list[ListedConversation]:
        """A user's conversations: the pinned, those in folders, then the latest; only those with all searched words.

        Of more than ``most``, old ones that are pinned or in folders leave half of the places to the latest.
        """
        words = searched.casefold().split()[:_MOST_SEARCHED]
        conditions = " AND (instr(folded(title), ?) > 0 OR EXISTS (" + _TURN_WITH + "))"
        values = [word for word in words for _ in range(2)]
        with self.database.opened() as database:
            listed = database.execute(
                "SELECT id, title, updated, pinned, shared, folder FROM conversations"
                f' WHERE "user" = ?{conditions * len(words)} ORDER BY row_number() OVER ('
                "PARTITION BY pinned = 1 OR folder != '' ORDER BY pinned DESC, updated DESC, id DESC)",
                (user, *values),
            )
            is_whole, rows = self._shows("workspace", ""), listed.fetchall()
            there = (row for row in rows if is_whole or self._branches(database, row[0]).fit(row[1], words))
            rows = list(islice(there, None if most < 0 else most))
        found = [
            ListedConversation(id_, title, datetime.fromisoformat(updated), bool(pinned), shared or "", folder)
            for id_, title, updated, pinned, shared, folder in rows
        ]
        return sorted(found, key=lambda one: (not one.is_pinned, not one.folder))

    @again
    def latest(self, user: str) -> int | None:
        """The conversation in which the user asked last; None without any."""
        with self.database.opened() as database:
            row = database.execute(
                'SELECT id FROM conversations WHERE "user" = ? ORDER BY updated DESC, id DESC LIMIT 1', (user,)
            ).fetchone()
        return int(row[0]) if row else None

    @again
    def turns(self, user: str, conversation: int, before: int | None = None) -> list[Turn]:
        """The questions and replies that are shown of a conversation, in order; or those that lead to a turn.

        Raises UsageError for a conversation that the user has not, and for a turn that is not in it.
        """
        with self.database.opened() as database:
            _owned(database, user, conversation)
            branches = self._branches(database, conversation)
        rows = branches.shown() if before is None else branches.before(before)
        return [branches.turn(row) for row in rows]

    @again
    def turn(self, user: str, turn: int) -> Turn:
        """One of a user's turns. Raises UsageError for one that the user has not."""
        with self.database.opened() as database:
            branches = self._branches(database, _conversation_of(database, user, turn))
        return branches.turn(branches.row(turn))

    @again
    def choose(self, user: str, turn: int) -> int:
        """Show a turn, and what followed it, in place of its other versions; returns its conversation.

        Raises UsageError for a turn that the user has not.
        """
        with self.database.opened() as database:
            conversation = _conversation_of(database, user, turn)
            self._branches(database, conversation).row(turn)  # or it is not there for them
            database.execute(_SHOW, (turn, conversation))
        return conversation

    @again
    def title(self, user: str, conversation: int) -> str:
        """What a conversation is called. Raises UsageError for one that the user has not."""
        with self.database.opened() as database:
            return _owned(database, user, conversation)

    @again
    def begin(self, user: str, question: str, scope: Scope = EVERYTHING) -> int:
        """A new conversation, called by its first question."""
        with self.database.opened() as database:
            return database.inserted(
                'INSERT INTO conversations ("user", title, updated, scope) VALUES (?, ?, ?, ?)',
                (user, _title(question), _now(), written(scope)),
            )

    @again
    def scope(self, user: str, conversation: int) -> Scope:
        """Which documents a conversation asks. Raises UsageError for one that the user has not."""
        with self.database.opened() as database:
            return kept(_owned(database, user, conversation, "scope"))

    def narrow(self, user: str, conversation: int, scope: Scope) -> None:
        """Keep which documents a conversation asks from now on."""
        self._change(user, conversation, "scope = ?", written(scope))

    @again
    def files(self, user: str, conversation: int) -> Workspace | None:
        """What holds a conversation's own files; None without any. Raises UsageError for one that the user has not."""
        with self.database.opened() as database:
            name = _owned(database, user, conversation, "attached")
        folder = self._attached / name
        return Workspace(folder) if name and folder.is_dir() else None

    def new_files(self) -> Workspace:
        """What may hold the files of a conversation, once it is attached to one."""
        return Workspace(self._attached / secrets.token_hex(16))

    @again
    def attached_sizes(self, user: str) -> list[tuple[str, int]]:
        """The titles of a user's conversations with files, each with the bytes on disk, the most first."""
        with self.database.opened() as database:
            rows = database.execute(
                'SELECT title, attached FROM conversations WHERE "user" = ? AND attached IS NOT NULL', (user,)
            ).fetchall()
        sizes = [(title, size_of(self._attached / name)) for title, name in rows]
        return sorted(sizes, key=lambda one: -one[1])

    @contextmanager
    def reading(self, files: Workspace) -> Iterator[None]:
        """While files are read into ``files``, they are somebody's; afterwards they go, unless a conversation has them.

        Raises WorkspaceBusy where others are being read into it.
        """
        lock = self._lock_of(files.root)
        try:
            with write_lock(lock):
                yield
        finally:
            shutil.rmtree(lock, ignore_errors=True)
            self.clear_files(files)

    def attach(self, user: str, conversation: int | None, files: Workspace, scope: Scope) -> int:
        """Give a conversation files of its own, which it asks from now on; a new one, called by them, where it is None.

        Raises UsageError for a conversation that the user has not.
        """
        if conversation is None:
            conversation = self.begin(user, ", ".join(scope.files))
        self._change(user, conversation, "attached = ?, scope = ?", files.root.name, written(scope))
        return conversation

    def corpus(self, user: str, name: str) -> Path | None:
        """Where the corpus lies that a reply calls ``@12``; None for a name of another kind.

        Raises UsageError for the files of a conversation that the user has not.
        """
        if not is_private(name):
            return None
        number = name.removeprefix(_OF_CONVERSATION)
        with suppress(UsageError):
            if number.isdecimal() and len(number) < 16 and (files := self.files(user, int(number))):
                return files.corpus(FILES)
        raise UsageError("Only the person who brought this file can open it.", "Ask them for it, or bring your own.")

    def clear_files(self, files: Workspace | None = None) -> None:
        """Delete files of no conversation, as of a reading or deletion that was broken off; all such, or ``files``.

        What is being read just now stays, whichever process reads it.
        """
        if not self._attached.is_dir():
            return
        folders = [files.root] if files else [one for one in self._attached.iterdir() if one.name[0] != "."]
        for folder in folders:
            if self._is_attached(folder):
                continue
            lock = self._lock_of(folder)
            with suppress(WorkspaceBusy), write_lock(lock):
                if not self._is_attached(folder):  # its reading may have ended meanwhile
                    shutil.rmtree(folder, ignore_errors=True)
                shutil.rmtree(lock, ignore_errors=True)

    @again
    def add(
        self,
        user: str,
        conversation: int,
        question: str,
        replies: Sequence[TurnReply],
        blind: bool = False,
        replaced: int | None = None,
    ) -> Turn:
        """Keep a question and what was replied, behind what is shown or in place of the turn ``replaced``, which stays.

        The first one after greetings names the conversation. Raises UsageError for one that the user has not.
        """
        words = "\n".join([question, *(reply.answer.text for reply in replies)])
        with self.database.opened() as database:
            title = _owned(database, user, conversation)
            first = database.execute(
                "SELECT question, replies FROM turns WHERE conversation = ? ORDER BY id LIMIT 1", (conversation,)
            ).fetchone()
            was_greeting = first and is_small_talk(REPLIES.validate_json(first[1])) and title == _title(first[0])
            if was_greeting and not is_small_talk(replies):
                database.execute("UPDATE conversations SET title = ? WHERE id = ?", (_title(question), conversation))
            branches = self._branches(database, conversation)
            shown = branches.shown() if replaced is None else branches.before(replaced)
            parent = shown[-1].id if shown else None
            written_replies = REPLIES.dump_json(tuple(replies)).decode()
            turn = database.inserted(
                "INSERT INTO turns (conversation, question, replies, blind, words, parent) VALUES (?, ?, ?, ?, ?, ?)",
                (conversation, question, written_replies, blind, words, parent),
            )
            if replaced is not None:
                database.execute(_SHOW, (turn, conversation))
            database.execute("UPDATE conversations SET updated = ? WHERE id = ?", (_now(), conversation))
        versions = branches.versions(parent)
        return Turn(turn, question, tuple(replies), blind, versions=(*versions, turn) if versions else ())

    def prefer(self, user: str, turn: int, reply: int) -> Turn:
        """Keep which of two replies is better; -1: neither.

        Raises UsageError for a turn that the user has not, that has one reply, or whose vote is kept already.
        """
        known = self.turn(user, turn)
        if len(known.replies) < 2 or not -1 <= reply < len(known.replies):
            raise UsageError(f"There is no reply {reply} to choose.", "Choose one of those shown.")
        self._say_once(turn, "preferred", reply)
        return self.turn(user, turn)

    def judge(self, user: str, turn: int, verdict: Verdict) -> None:
        """Keep that something was said of an answer.

        Raises UsageError for a turn that the user has not, and for one of which something was said already.
        """
        self.turn(user, turn)
        self._say_once(turn, "verdict", verdict)

    def rename(self, user: str, conversation: int, title: str) -> None:
        """Call a conversation something else; an empty title changes nothing."""
        if _title(title):
            self._change(user, conversation, "title = ?", _title(title))

    def move(self, user: str, conversation: int, folder: str) -> None:
        """Lay a conversation into a folder, which is there from then on; into none where its name is empty."""
        self._change(user, conversation, "folder = ?", excerpt(folder, _LONGEST_FOLDER))

    @again
    def refolder(self, user: str, folder: str, name: str) -> None:
        """Call a folder something else; without a name it is taken away, and its conversations stay."""
        with self.database.opened() as database:
            values = (excerpt(name, _LONGEST_FOLDER), user, folder)
            database.execute('UPDATE conversations SET folder = ? WHERE "user" = ? AND folder = ?', values)

    def pin(self, user: str, conversation: int) -> None:
        """Have a conversation stand before the others, or no more."""
        self._change(user, conversation, "pinned = 1 - pinned")

    def share(self, user: str, conversation: int) -> None:
        """Let whoever has its link, and may use the app, take a copy of a conversation; or no more, for a new link."""
        link = secrets.token_urlsafe(16)
        self._change(user, conversation, "shared = CASE WHEN shared IS NULL THEN ? END", link)

    @again
    def taken(self, user: str, link: str) -> int:
        """The user's own copy of a conversation that someone shares, made once; for the sharer, the original.

        What was said of its answers stays with the original. Raises UsageError for a link that holds no more.
        """
        nowhere = UsageError("This link leads nowhere any more.", "Ask whoever sent it for a new one.")
        with self.database.opened() as database:
            # First of all, since it locks what it makes: of two pages that are opened at the same time, one makes it.
            made = database.execute(
                'INSERT INTO conversations ("user", title, updated, scope, origin)'
                ' SELECT ?, title, ?, scope, shared FROM conversations WHERE shared = ? AND "user" != ?'
                " ON CONFLICT DO NOTHING",
                (user, _now(), link, user),
            )
            row = database.execute('SELECT id, "user" FROM conversations WHERE shared = ?', (link,)).fetchone()
            if row is None:
                raise nowhere
            original, owner = row
            if owner == user:
                return int(original)
            (copy,) = database.execute(
                'SELECT id FROM conversations WHERE "user" = ? AND origin = ?', (user, link)
            ).fetchone()
            if made.rowcount:
                turns = self._branches(database, original).shown()
                is_whole = turns == Branches(_rows(database, original)).shown()
                if not turns and not is_whole:
                    raise nowhere
                if not is_whole:  # what it is called may be about the rest
                    title = _title(turns[0].question)
                    database.execute("UPDATE conversations SET title = ? WHERE id = ?", (title, copy))
                (scope,) = database.execute("SELECT scope FROM conversations WHERE id = ?", (copy,)).fetchone()
                shared = written(replace(kept(scope), files=()))
                database.execute("UPDATE conversations SET scope = ? WHERE id = ?", (shared, copy))
                last = None
                for row in turns:
                    replies = tuple(one.as_shared for one in REPLIES.validate_json(row.replies))
                    last = database.inserted(
                        "INSERT INTO turns (conversation, parent, replies, question, blind, preferred, words)"
                        " SELECT ?, ?, ?, question, blind, preferred, words FROM turns WHERE id = ?",
                        (copy, last, REPLIES.dump_json(replies).decode(), row.id),
                    )
            return int(copy)

    @again
    def delete(self, user: str, conversation: int) -> None:
        """Delete a conversation with all in it, and its files."""
        files = self.files(user, conversation)
        with self.database.opened() as database:
            # One after the other: SQLite deletes no more than a thousand turns of which each follows another.
            database.execute("UPDATE turns SET parent = NULL WHERE conversation = ?", (conversation,))
            database.execute("DELETE FROM conversations WHERE id = ?", (conversation,))
        if files:
            self.clear_files(files)

    def _branches(self, database: Rows, conversation: int) -> Branches:
        return Branches(_rows(database, conversation), self._shows)

    def _lock_of(self, folder: Path) -> Path:
        """Beside a folder of files: it is there before the folder is."""
        return folder.with_name(f".{folder.name}")

    @again
    def _is_attached(self, folder: Path) -> bool:
        with self.database.opened() as database:
            found = database.execute("SELECT 1 FROM conversations WHERE attached = ?", (folder.name,)).fetchone()
        return found is not None

    @again
    def _change(self, user: str, conversation: int, change: str, *values: str) -> None:
        """Change a conversation. Raises UsageError for one that the user has not."""
        with self.database.opened() as database:
            statement = f'UPDATE conversations SET {change} WHERE id = ? AND "user" = ?'
            if not database.execute(statement, (*values, conversation, user)).rowcount:
                raise gone()

    @again
    def _say_once(self, turn: int, column: str, value: int | str) -> None:
        """Of two clicks at the same time, one counts."""
        with self.database.opened() as database:
            kept = database.execute(f"UPDATE turns SET {column} = ? WHERE id = ? AND {column} IS NULL", (value, turn))
        if not kept.rowcount:
            raise said_already()


def corpus_of(conversation: int) -> str:
    """What the replies of a conversation call the corpus of its files."""
    return f"{_OF_CONVERSATION}{conversation}"


def is_private(corpus: str) -> bool:
    """Whether a name stands for the files of a conversation."""
    return corpus.startswith(_OF_CONVERSATION)


def _owned(database: Rows, user: str, conversation: int, column: str = "title") -> str:
    """A text of a conversation, empty for none. Raises UsageError for a conversation that the user has not."""
    statement = f'SELECT {column} FROM conversations WHERE id = ? AND "user" = ?'
    row = database.execute(statement, (conversation, user)).fetchone()
    if row is None:
        raise gone()
    return str(row[0] or "")


def _conversation_of(database: Rows, user: str, turn: int) -> int:
    row = database.execute(
        "SELECT conversation FROM turns JOIN conversations ON conversations.id = conversation"
        ' WHERE turns.id = ? AND "user" = ?',
        (turn, user),
    ).fetchone()
    if row is None:
        raise gone()
    return int(row[0])


def _rows(database: Rows, conversation: int) -> list[TurnRow]:
    """All turns of a conversation in the order in which they were asked."""
    columns = ", ".join(TurnRow._fields)
    rows = database.execute(f"SELECT {columns} FROM turns WHERE conversation = ? ORDER BY id", (conversation,))
    return list(map(TurnRow._make, rows))


def _title(text: str) -> str:
    return excerpt(text, _LONGEST_TITLE)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
