"""Conversations: kept with all of an answer, found again, and nobody else's."""

import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from samples import evidence

from assistant.errors import UsageError, WorkspaceError
from assistant.types import Answer, Citation, Message, Sentence, Trace
from assistant.workspace import StateServer, Workspace
from ui.conversations import _MIGRATIONS, FILE, Conversations
from ui.pages.chat.view import conversations_html
from ui.personal_data import drop_old
from ui.scope import Scope
from ui.texts import text
from ui.turns import REPLIES, TurnReply, history_of


def answer(text: str = "Hail is covered.", question: str = "Is hail covered?") -> Answer:
    hit = evidence("Hail damage is covered.")
    citation = Citation(1, hit.document, hit.path, None, hit.start, hit.end, hit.text)
    trace = Trace((question,), "", (hit,), {"probability": 0.9}, (2,), "prompt", "said")
    return Answer(question, question, text, (Sentence(text, True, "", (citation,)),), (hit,), trace=trace)


def reply(text: str = "Hail is covered.", adapter: str | None = None) -> TurnReply:
    return TurnReply("cars", adapter, answer(text))


@pytest.fixture
def kept(tmp_path: Path, state: StateServer | None) -> Conversations:
    return Conversations(Workspace(tmp_path / "workspace", state=state))


def test_an_answer_comes_back_as_it_was_kept(kept: Conversations) -> None:
    conversation = kept.begin("ana", "Is hail covered?")
    added = kept.add("ana", conversation, "Is hail covered?", [reply(), reply("No.", "house")], blind=True)
    assert kept.turns("ana", conversation) == [added]
    assert added.replies[0].answer.trace == answer().trace


def test_nobody_reaches_what_is_anothers(kept: Conversations) -> None:
    conversation = kept.begin("ana", "Is hail covered?")
    turn = kept.add("ana", conversation, "Is hail covered?", [reply()])
    attempts: list[Callable[[], object]] = [
        lambda: kept.turns("ben", conversation),
        lambda: kept.turn("ben", turn.id),
        lambda: kept.title("ben", conversation),
        lambda: kept.add("ben", conversation, "?", [reply()]),
        lambda: kept.prefer("ben", turn.id, 0),
        lambda: kept.judge("ben", turn.id, "right"),
        lambda: kept.add("ben", conversation, "?", [reply()], replaced=turn.id),
        lambda: kept.add("ben", kept.begin("ben", "?"), "?", [reply()], replaced=turn.id),
        lambda: kept.turns("ben", kept.begin("ben", "?"), before=turn.id),
        lambda: kept.choose("ben", turn.id),
        lambda: kept.rename("ben", conversation, "mine"),
        lambda: kept.delete("ben", conversation),
    ]
    for attempt in attempts:
        with pytest.raises(UsageError):
            attempt()
    assert {one.title for one in kept.listed("ben")} == {"?"} and kept.listed("ben", "hail") == []
    assert kept.title("ana", conversation) == "Is hail covered?"
    assert kept.turns("ana", conversation) == [turn]


def test_all_searched_words_have_to_stand_in_a_conversation(kept: Conversations) -> None:
    first, second = kept.begin("ana", "Hail on the roof?"), kept.begin("ana", "Dogs?")
    kept.add("ana", first, "Hail on the roof?", [reply("It is covered up to 100%.")])
    kept.add("ana", second, "Dogs?", [reply("Dogs are insured.")])

    def found(words: str) -> list[int]:
        return [heading.id for heading in kept.listed("ana", words)]

    assert found("hail") == [first]
    assert found("COVERED roof") == [first]
    assert found("insured hail") == []
    assert found("100%") == [first]
    assert found("%") == [first] and found("_") == [] and found("\\") == []
    assert found("' OR 1=1 --") == []
    kept.rename("ana", second, "Überschwemmung")
    assert found("überschwemmung") == found("ÜBERSCHWEMMUNG") == [second]
    assert found("hail " * 5000) == [first]


def test_the_latest_conversation_stands_first(kept: Conversations) -> None:
    first, second = kept.begin("ana", "one"), kept.begin("ana", "two")
    kept.add("ana", first, "one", [reply()])
    assert [heading.id for heading in kept.listed("ana")] == [first, second]


def test_a_question_asked_anew_stands_beside_the_one_of_before(
    kept: Conversations, tmp_path: Path, state: StateServer | None
) -> None:
    conversation = kept.begin("ana", "one")

    def shown() -> list[int]:
        another = Conversations(Workspace(tmp_path / ("elsewhere" if state else "workspace"), state=state))
        return [turn.id for turn in another.turns("ana", conversation)]

    turns = [kept.add("ana", conversation, question, [reply()]) for question in ("one", "two", "three")]
    one, two, three = (turn.id for turn in turns)
    anew = kept.add("ana", conversation, "two, anew", [reply()], replaced=two)
    assert anew.versions == (two, anew.id) and kept.turn("ana", two).versions == (two, anew.id)
    last = kept.add("ana", conversation, "and then?", [reply()])
    assert shown() == [one, anew.id, last.id] and last.versions == ()
    assert kept.choose("ana", two) == conversation and shown() == [one, two, three]
    assert [turn.id for turn in kept.turns("ana", conversation, before=last.id)] == [one, anew.id]
    kept.share("ana", conversation)
    copy = kept.taken("ben", kept.listed("ana")[0].shared)
    assert [turn.question for turn in kept.turns("ben", copy)] == ["one", "two", "three"]
    kept.choose("ana", anew.id)
    assert shown() == [one, anew.id, last.id]
    first = kept.add("ana", conversation, "one, anew", [reply()], replaced=one)
    assert first.versions == (one, first.id) and shown() == [first.id]
    kept.delete("ana", conversation)
    assert kept.listed("ana") == []
    with pytest.raises(UsageError):
        kept.turn("ana", turns[0].id)


def test_what_was_asked_last_is_shown_though_another_page_shows_another_branch(kept: Conversations) -> None:
    conversation = kept.begin("ana", "one")
    one, two = (kept.add("ana", conversation, question, [reply()]).id for question in ("one", "two"))
    kept.add("ana", conversation, "one, anew", [reply()], replaced=one)  # on another page
    anew = kept.add("ana", conversation, "two, anew", [reply()], replaced=two).id
    assert [turn.id for turn in kept.turns("ana", conversation)] == [one, anew]
    kept.choose("ana", kept.turn("ana", one).versions[1])
    kept.choose("ana", two)
    assert [turn.id for turn in kept.turns("ana", conversation)] == [one, two]


def test_a_conversation_of_any_length_is_deleted(kept: Conversations) -> None:
    conversation = kept.begin("ana", "one")
    first = kept.add("ana", conversation, "one", [reply()]).id
    with kept.database.opened() as database:
        for id_ in range(first + 1, first + 1500):
            database.execute(
                "INSERT INTO turns (id, conversation, question, replies, blind, words, parent)"
                " VALUES (?, ?, 'more', '[]', 0, '', ?)",
                (id_, conversation, id_ - 1),
            )
    kept.delete("ana", conversation)
    assert kept.listed("ana") == []


def test_every_question_of_before_stays_within_reach(kept: Conversations) -> None:
    chance, conversation, turns = random.Random(3), kept.begin("ana", "one"), list[int]()
    for number in range(15):
        replaced = chance.choice(kept.turns("ana", conversation)).id if turns and chance.random() < 0.5 else None
        turns.append(kept.add("ana", conversation, str(number), [reply()], replaced=replaced).id)
        if chance.random() < 0.3:
            kept.choose("ana", chance.choice(turns))
    for turn in turns:
        for before in (*kept.turns("ana", conversation, before=turn), kept.turn("ana", turn)):
            shown = {one.id: one.versions for one in kept.turns("ana", conversation)}
            assert before.id in shown or any(before.id in versions for versions in shown.values()), (
                "an arrow leads there"
            )
            kept.choose("ana", before.id)
        assert turn in [one.id for one in kept.turns("ana", conversation)]


def test_a_migration_that_is_broken_off_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.executescript("".join(_MIGRATIONS[:3]))
        told = REPLIES.dump_json((reply(),)).decode()
        for conversation, user in enumerate(("ana", "ben"), 1):
            row = (conversation, user, user, "2026-01-01T00:00:00+00:00")
            database.execute("INSERT INTO conversations (id, user, title, updated) VALUES (?, ?, ?, ?)", row)
        for question in ("one", "two", "three"):
            for conversation in (1, 2):
                values = (conversation, question, told, question)
                database.execute(
                    "INSERT INTO turns (conversation, question, replies, blind, words) VALUES (?, ?, ?, 0, ?)", values
                )
        database.execute("PRAGMA user_version = 3")

    def content() -> list[str]:
        with closing(sqlite3.connect(tmp_path / FILE)) as database:
            return list(database.iterdump())

    before = content()
    broken = (*_MIGRATIONS[:-1], f"{_MIGRATIONS[-1]}SELECT no_such_column FROM turns;\n")
    monkeypatch.setattr("ui.conversations._MIGRATIONS", broken)
    with pytest.raises(WorkspaceError):
        Conversations(Workspace(tmp_path)).listed("ana")
    assert content() == before
    monkeypatch.undo()
    kept = Conversations(Workspace(tmp_path))
    for user, conversation in (("ana", 1), ("ben", 2)):
        turns = kept.turns(user, conversation)
        assert [turn.question for turn in turns] == ["one", "two", "three"] and not turns[1].versions
        assert kept.add(user, conversation, "two, anew", [reply()], replaced=turns[1].id).versions[0] == turns[1].id


def test_a_conversation_is_called_by_its_first_question_and_not_by_a_greeting(kept: Conversations) -> None:
    def said(conversation: int, question: str, small_talk: bool = False) -> str:
        kept.add("ana", conversation, question, [replace(reply(), answer=replace(answer(), small_talk=small_talk))])
        return kept.title("ana", conversation)

    greeted = kept.begin("ana", "Hello!")
    assert said(greeted, "Hello!", small_talk=True) == "Hello!"
    assert said(greeted, "Good morning!", small_talk=True) == "Hello!", "until something is asked"
    assert said(greeted, "Is hail covered?") == "Is hail covered?"
    assert said(greeted, "And dogs?") == "Is hail covered?"
    named = kept.begin("ana", "Hello!")
    said(named, "Hello!", small_talk=True)
    kept.rename("ana", named, "My claims")
    assert said(named, "Is hail covered?") == "My claims", "a name that a person gave stays"


def test_titles_are_one_line_and_never_empty(kept: Conversations) -> None:
    conversation = kept.begin("ana", "Is hail\n\n covered?" + " and so on" * 40)
    assert (
        kept.title("ana", conversation).startswith("Is hail covered? and")
        and len(kept.title("ana", conversation)) <= 80
    )
    kept.rename("ana", conversation, " \n ")
    assert kept.title("ana", conversation).startswith("Is hail")
    kept.rename("ana", conversation, " My  claims ")
    assert kept.title("ana", conversation) == "My claims"


def test_a_conversation_goes_on_with_the_better_answer(kept: Conversations) -> None:
    conversation = kept.begin("ana", "Is hail covered?")
    one, other = (
        kept.add("ana", conversation, "Is hail covered?", [reply("First."), reply("Second.", "house")])
        for _ in range(2)
    )
    assert history_of([one])[1] == Message("assistant", "First.")
    assert history_of([kept.prefer("ana", one.id, 1)])[1] == Message("assistant", "Second.")
    for reply_ in (2, -2):
        with pytest.raises(UsageError):
            kept.prefer("ana", other.id, reply_)
    assert history_of([kept.prefer("ana", other.id, -1)])[1] == Message("assistant", "First.")


def test_what_was_said_of_an_answer_is_said_once(kept: Conversations) -> None:
    conversation = kept.begin("ana", "Is hail covered?")
    both = kept.add("ana", conversation, "Is hail covered?", [reply("First."), reply("Second.", "house")])
    only = kept.add("ana", conversation, "Is hail covered?", [reply()])
    kept.prefer("ana", both.id, 1)
    kept.judge("ana", both.id, "right")
    for again in (lambda: kept.prefer("ana", both.id, 0), lambda: kept.judge("ana", both.id, "wrong")):
        with pytest.raises(UsageError, match="already"):
            again()
    with pytest.raises(UsageError, match="no reply"):
        kept.prefer("ana", only.id, 0)
    now = kept.turn("ana", both.id)
    assert (now.preferred, now.verdict, kept.turn("ana", only.id).preferred) == (1, "right", None)


def test_many_may_write_at_once(kept: Conversations) -> None:
    def talk(user: str) -> None:
        conversation = kept.begin(user, user)
        for number in range(5):
            kept.add(user, conversation, f"{user} {number}", [reply(user)])

    threads = [threading.Thread(target=talk, args=(f"user{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(6):
        user = f"user{number}"
        (only,) = kept.listed(user)
        assert [turn.question for turn in kept.turns(user, only.id)] == [f"{user} {count}" for count in range(5)]


def test_what_is_pinned_stands_first(kept: Conversations) -> None:
    old, new = (kept.begin("ana", text) for text in ("Old?", "New?"))
    kept.pin("ana", old)
    assert [(one.id, one.is_pinned) for one in kept.listed("ana")] == [(old, True), (new, False)]
    assert kept.latest("ana") == new and kept.latest("ben") is None
    kept.pin("ana", old)
    assert [one.id for one in kept.listed("ana")] == [new, old]


def test_a_folder_holds_conversations_and_is_taken_away_from_around_them(kept: Conversations) -> None:
    one, two, three = (kept.begin("ana", text) for text in ("One?", "Two?", "Three?"))
    theirs = kept.begin("ben", "Theirs?")
    for user, conversation in (("ana", one), ("ana", two), ("ben", theirs)):
        kept.move(user, conversation, "  Claims  2026 ")
    with pytest.raises(UsageError):
        kept.move("ben", one, "Mine")

    def folders(user: str = "ana") -> dict[int, str]:
        return {listed.id: listed.folder for listed in kept.listed(user)}

    assert folders() == {one: "Claims 2026", two: "Claims 2026", three: ""}
    kept.refolder("ana", "Claims 2026", "<b>' OR 1=1 --")
    kept.move("ana", two, "")
    assert folders() == {one: "<b>' OR 1=1 --", two: "", three: ""}
    soup = BeautifulSoup(conversations_html(kept.listed("ana"), two, partial(text, language="en"), "en"), "html.parser")
    assert [part.text for part in soup.select(".folder .title")] == ["<b>' OR 1=1 --"]
    assert [part.text for part in soup.select("li .title span")] == ["One?", "Three?", "Two?"]
    kept.refolder("ana", "<b>' OR 1=1 --", "")
    assert folders() == dict.fromkeys((one, two, three), "") and folders("ben") == {theirs: "Claims 2026"}


def test_full_folders_and_pins_leave_places_to_the_latest(kept: Conversations) -> None:
    for number in range(6):
        kept.move("ana", kept.begin("ana", f"Old {number}?"), "Claims")
    pinned, *_, before, latest = (kept.begin("ana", f"New {number}?") for number in range(4))
    kept.pin("ana", pinned)
    found = kept.listed("ana", most=4)
    assert [(one.id, one.folder) for one in found if not one.folder] == [(pinned, ""), (latest, ""), (before, "")]
    assert [one.title for one in found if one.folder] == ["Old 5?"]


def test_a_link_gives_a_copy_of_its_own_to_each_who_has_it(kept: Conversations) -> None:
    shared = kept.begin("ana", "Is hail covered?", Scope(("cars",)))
    turn = kept.add("ana", shared, "Is hail covered?", [reply()])
    kept.judge("ana", turn.id, "wrong")
    kept.share("ana", shared)
    (link,) = [one.shared for one in kept.listed("ana")]
    copy = kept.taken("ben", link)
    assert copy == kept.taken("ben", link) != kept.taken("cleo", link) and kept.taken("ana", link) == shared
    (copied,) = kept.turns("ben", copy)
    assert copied.replies == turn.replies and copied.verdict is None and kept.scope("ben", copy) == Scope(("cars",))
    kept.add("ben", copy, "And water?", [reply()])
    kept.delete("ana", shared)
    assert len(kept.turns("ben", copy)) == 2


def test_a_link_that_is_opened_many_times_at_once_gives_one_copy(kept: Conversations) -> None:
    shared = kept.begin("ana", "Is hail covered?")
    kept.add("ana", shared, "Is hail covered?", [reply()])
    kept.share("ana", shared)
    (link,) = [one.shared for one in kept.listed("ana")]
    begin, copies = threading.Barrier(8), set[int]()

    def open_it() -> None:
        begin.wait()
        copies.add(kept.taken("ben", link))

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (copy,) = copies
    assert [one.id for one in kept.listed("ben")] == [copy] and len(kept.turns("ben", copy)) == 1


def test_what_is_not_or_no_longer_shared_is_given_to_nobody(kept: Conversations) -> None:
    conversation = kept.begin("ana", "Is hail covered?")
    kept.share("ana", conversation)
    (before,) = [one.shared for one in kept.listed("ana")]
    assert len(before) >= 20
    for attack in (kept.share, kept.pin):
        with pytest.raises(UsageError):
            attack("ben", conversation)
    kept.share("ana", conversation)
    kept.share("ana", conversation)
    (link,) = [one.shared for one in kept.listed("ana")]
    assert link != before
    for wrong in (before, "", str(conversation), "%", "' OR 1=1 --", link[:-1], link.swapcase()):
        with pytest.raises(UsageError, match="leads nowhere"):
            kept.taken("ben", wrong)
    assert kept.listed("ben") == []


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    kept = Conversations(Workspace(tmp_path))
    kept.begin("ana", "Is hail covered?")
    with closing(sqlite3.connect(tmp_path / "conversations.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(WorkspaceError, match="version 99"):
        kept.listed("ana")


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "conversations.sqlite").write_text("nonsense " * 100)
    with pytest.raises(WorkspaceError, match="cannot be used"):
        Conversations(Workspace(tmp_path)).listed("ana")


def without_room(folder: Path) -> Path:
    """What stands in the way of all that SQLite would put beside conversations, as a full disk does."""
    in_the_way = folder / f"{FILE}-shm"
    in_the_way.symlink_to(folder / "nowhere" / "shm")
    return in_the_way


def test_on_a_full_disk_conversations_can_be_read(tmp_path: Path) -> None:
    kept = Conversations(Workspace(tmp_path / "workspace"))
    conversation = kept.begin("ana", "Is hail covered?")
    turn = kept.add("ana", conversation, "Is hail covered?", [reply()])
    in_the_way = without_room(tmp_path / "workspace")
    assert kept.turns("ana", conversation) == [turn] and [one.id for one in kept.listed("ana")] == [conversation]
    for write in (partial(kept.begin, "ana", "?"), partial(kept.delete, "ana", conversation)):
        with pytest.raises(WorkspaceError, match="Check rights and free space"):
            write()
    with pytest.raises(WorkspaceError, match="Check rights and free space"):
        drop_old(Workspace(tmp_path / "workspace"), 30)
    in_the_way.unlink()
    assert kept.begin("ana", "?") > conversation
