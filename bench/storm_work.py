"""The work that the storm disturbs: what it does to a workspace, and what has to be true of it afterwards.

Each piece of work runs in a process that may die at any instant. It says what it is about to do (``wanted``) and what
it was told is done (``kept``). Whoever checks holds the workspace against that: what was kept is there, and what was
under way is there whole or not at all.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from assistant.artifacts.cards import adapter_names, check_files, read_card, unfinished_runs
from assistant.artifacts.pairs import read_header, read_pairs
from assistant.feedback.database import Assessment, FeedbackStore, Versions
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.store.vectors import open_index
from assistant.work.backup import restore
from assistant.workspace import DEFAULT_CORPUS, Workspace
from bench.storm_place import ANSWER, QUESTION, TOPICS, Fault, Place, Warm, command, write_fact
from eval.results import read_rows
from ui.conversations import Conversations
from ui.pages.evaluation.view import reports
from ui.people import People
from ui.turns import TurnReply

_CHEAP = (10, 8, 1)
_WHO = "ana"

Facts = dict[str, str]
Told = Sequence[tuple[str, Any]]
"""(``wanted`` or ``kept``, what), in order."""
Say = Callable[[str, Any], None]


# Ingest: the corpus is what the folder was when an ingest ended, or when one was begun since


def on_disk(place: Place) -> Facts:
    """Topic → value, as the files say."""
    return {file.stem: _value(file.read_text("utf-8")) for file in sorted(place.docs.glob("fact-*.md"))}


def in_corpus(workspace: Workspace) -> Facts:
    """Topic → value, as the corpus says."""
    with closing(Catalog(workspace.corpus(DEFAULT_CORPUS))) as catalog, catalog.snapshot():
        files = [row for row in catalog.files() if row.path.startswith("fact-")]
        return {Path(row.path).stem: _value(catalog.text(row.document_id or 0)) for row in files}


def _value(text: str) -> str:
    found = re.search(r"is (\d+) euros", text)
    return found[1] if found else ""


def ingest(place: Place, say: Say) -> None:
    """Change several files, and ingest them."""
    _change(place, 5)
    _ingest(place, say)


def publish(place: Place, say: Say) -> None:
    """Change a file and ingest it, several times: generations, and indexes, follow each other."""
    for _ in range(4):
        _change(place, 1)
        _ingest(place, say, "--set", "ingest.calibrate=false")


def _change(place: Place, number: int) -> None:
    for topic in place.chance.sample(TOPICS, number):
        file = place.docs / f"fact-{topic}.md"
        if file.exists() and place.chance.random() < 0.2:
            file.unlink()
        else:
            write_fact(place, topic)


def _ingest(place: Place, say: Say, *options: str) -> None:
    facts = on_disk(place)
    say("wanted", facts)
    command(place.workspace, "ingest", str(place.docs), "--yes", *options)
    say("kept", facts)


def check_ingest(place: Place, told: Told) -> None:
    """The corpus holds what was kept last, or what was wanted since; and it is whole."""
    allowed: list[Facts] = []
    for how, facts in told:
        allowed = [facts] if how == "kept" else [*allowed, facts]
    if (now := in_corpus(place.workspace)) not in allowed:
        raise Fault(f"the corpus holds {now}, not one of {allowed}")
    folder = place.workspace.corpus(DEFAULT_CORPUS)
    with closing(sqlite3.connect(f"file:{folder / CATALOG_FILE}?mode=ro", uri=True)) as database:
        for pragma, good in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
            if (found := database.execute(f"PRAGMA {pragma}").fetchall()) != good:
                raise Fault(f"{pragma}: {found[:3]}")
    with closing(Catalog(folder)) as catalog, catalog.snapshot():
        index, chunks = open_index(catalog, catalog.generation()), catalog.counts().chunks
        if len(index) != chunks:
            raise Fault(f"the index has {len(index)} chunks, the catalog {chunks}")


# Pairs, training, evaluation


def pairs(place: Place, say: Say) -> None:
    """Make a set of pairs anew, with another seed."""
    seed = place.chance.randrange(1000)
    say("wanted", seed)
    command(place.workspace, "pairs", "--name", "house", "--set", f"pairs.seed={seed}", "--set", "pairs.reading=0")
    say("kept", seed)


def check_pairs(place: Place, told: Told) -> None:
    """The set is there, whole, and of a seed that was kept last, or wanted since."""
    file = place.workspace.pairs_file("house")
    header, found = read_header(file), read_pairs(file)
    allowed: list[int] = []
    for how, seed in told:
        allowed = [seed] if how == "kept" else [*allowed, seed]
    if header is None or header.seed not in allowed or not found:
        raise Fault(f"{len(found)} pairs with header {header and header.seed}, not of a seed in {allowed}")


def train(place: Place, say: Say) -> None:
    """Train an adapter, or go on with its training."""
    name = "killed"
    if name in unfinished_runs(place.workspace):
        values = [f"name={name}", "--resume"]
    else:
        values = ["pairs=toy", f"name={name}", "max_steps=4", "batch=6", "evaluate_every=2", "rank=4", "--force"]
    model = ("--set", f"engine.model={place.toy}", "--set", "device.name=cpu", "--set", "device.dtype=float32")
    command(place.workspace, "train", *values, *model)
    say("kept", name)


def check_train(place: Place, told: Told) -> None:
    """Adapters that were kept are there, and each that is there is whole."""
    names = adapter_names(place.workspace.adapters)
    if missing := {name for _, name in told} - set(names):
        raise Fault(f"no adapter {missing}")
    for name in names:
        folder = place.workspace.adapter(name)
        check_files(folder, read_card(folder))


def evaluate(place: Place, say: Say) -> None:
    """Ask some cases, and write a report."""
    cases = place.folder / "cases.jsonl"
    told = command(place.workspace, "eval", str(cases), "--systems", "extractive")
    say("kept", Path(told.strip().splitlines()[-1].removeprefix("Report: ")).name)


def check_evaluate(place: Place, told: Told) -> None:
    """Reports that were kept are listed and have their page and rows; what is broken off does not stop the list."""
    listed = {view.name for view in reports(place.workspace)}
    for _, name in told:
        folder = place.workspace.root / "reports" / name
        if name not in listed or not list(read_rows(folder)) or not (folder / "report.html").read_text("utf-8"):
            raise Fault(f"report {name} is not among {listed}")


# What people say and keep


def feedback(place: Place, say: Say, warm: Warm) -> None:
    """Judge answers, and accept or reject what was said."""
    store, versions = FeedbackStore(place.workspace.whole), Versions("toy", None, 1)
    for _ in range(12):
        note = f"note {place.chance.randrange(10**9)}"
        judgement = Assessment("wrong", ("incomplete",), note, "It is covered up to 100 euros.")
        number = store.add(_WHO, DEFAULT_CORPUS, warm.answer, versions, judgement, {})
        say("kept", [number, note, ["new", "accepted", "rejected"]])
        state = place.chance.choice(["accepted", "rejected"])
        if state == "accepted":
            store.accept(number, _WHO)
        else:
            store.reject(number, _WHO)
        say("kept", [number, note, [state]])


def check_feedback(place: Place, told: Told) -> None:
    """Each judgement is there, in the state that was kept last."""
    found = {one.id: one for one in FeedbackStore(place.workspace.whole).listed(most=-1)}
    for number, note, states in {what[0]: what for _, what in told}.values():
        if number not in found or found[number].judgement.note != note or found[number].state not in states:
            raise Fault(f"feedback {number} ({note}, {states}) is {found.get(number)}")


def conversations(place: Place, say: Say, warm: Warm) -> None:
    """Begin conversations, add turns, rename, and delete some."""
    kept, reply = Conversations(place.workspace.whole), TurnReply(DEFAULT_CORPUS, None, warm.answer)
    for number in range(6):
        question = f"Question {place.chance.randrange(10**9)}?"
        conversation = kept.begin(_WHO, question)
        say("kept", [conversation, None, []])
        asked: list[str] = []
        for turn in range(3):
            question = f"{turn}: {place.chance.randrange(10**9)}?"
            kept.add(_WHO, conversation, question, [reply])
            asked.append(question)
            say("kept", [conversation, None, asked])
        kept.rename(_WHO, conversation, f"Title {number}")
        say("kept", [conversation, f"Title {number}", asked])
        kept.pin(_WHO, conversation)
        if number % 3 == 2:
            say("wanted", [conversation, "", []])
            kept.delete(_WHO, conversation)


def check_conversations(place: Place, told: Told) -> None:
    """Each conversation that nobody wanted to delete has its title and turns, with what was replied."""
    kept = Conversations(place.workspace.whole)
    deleted = {what[0] for how, what in told if how == "wanted"}
    for conversation, title, asked in {what[0]: what for how, what in told if how == "kept"}.values():
        if conversation in deleted:
            continue
        turns = kept.turns(_WHO, conversation)
        questions = [turn.question for turn in turns]
        if questions[: len(asked)] != asked or title not in (None, kept.title(_WHO, conversation)):
            raise Fault(f"conversation {conversation} has {questions}, not {asked} ({title})")
        if any(turn.replies[0].answer.text != "It is covered." for turn in turns):
            raise Fault(f"conversation {conversation} lost a reply")
    kept.listed(_WHO)


def people(place: Place, say: Say) -> None:
    """Let people in, and some no more."""
    known = People(place.workspace.root / "users.json", _CHEAP)
    for _ in range(6):
        name = f"p{place.chance.randrange(10**9)}"
        known.add(name, "expert", "a long password")
        say("kept", [name, True])
        if place.chance.random() < 0.3:
            say("wanted", [name, False])
            known.remove(name)


def check_people(place: Place, told: Told) -> None:
    """Whoever was let in, and was not removed, is let in."""
    known = People(place.workspace.root / "users.json", _CHEAP)
    there = {user.name for user in known.users()}
    removed = {name for how, (name, _) in told if how == "wanted"}
    if missing := {name for _, (name, _) in told} - removed - there:
        raise Fault(f"{missing} may not sign in any more")


# Backups, and workspaces of old


def back_up(place: Place, say: Say) -> None:
    """Write a backup over an older one."""
    command(place.workspace, "backup", str(place.backup))
    say("kept", True)


def check_backup(place: Place, told: Told, warm: Warm) -> None:
    """The older backup or the new one is whole, and a workspace made of it answers."""
    if told:
        with TemporaryDirectory() as folder:
            restored = Workspace(Path(folder) / "workspace")
            restore(place.backup, restored)
            _check_answer(restored, warm)


def restore_elsewhere(place: Place, say: Say) -> None:
    """Make another workspace from the backup."""
    name = f"other-{place.chance.randrange(10**9)}"
    say("wanted", name)
    command(Workspace(place.disk / name), "restore", str(place.backup))
    say("kept", name)


def check_restored(place: Place, told: Told, warm: Warm) -> None:
    """Another workspace is not there, or answers; it does where that was kept."""
    for how, name in told:
        other = Workspace(place.disk / name)
        if how == "kept" or other.root.exists():
            _check_answer(other, warm)


def migrate(place: Place, say: Say) -> None:
    """Open a corpus as an ingest of old has left it."""
    with closing(Catalog(place.workspace.corpus("old"))):
        say("kept", True)


def check_migrated(place: Place, _: Told) -> None:
    """It opens, and has its documents, blocks and passages."""
    with closing(Catalog(place.workspace.corpus("old"))) as catalog, catalog.snapshot():
        titles = {one.title for one in catalog.document_summaries()}
        chunks = list(catalog.live_chunks())
        if titles != {"General terms", "fees", "Hail"} or not all(chunk.blocks for chunk in chunks):
            raise Fault(f"the old corpus holds {titles} in {len(chunks)} passages")
        if not catalog.match(["hail"], 3):
            raise Fault("the old corpus finds nothing")


def _check_answer(workspace: Workspace, warm: Warm) -> None:
    if ANSWER not in (said := warm.said(workspace)):
        raise Fault(f"{QUESTION} is answered with {said!r}")


Work = Callable[..., None]
"""Takes a place and who to tell; some take what is warm, too. Checks take a place and what was told."""

WORK: dict[str, tuple[Work, Work]] = {
    "ingest": (ingest, check_ingest),
    "publish": (publish, check_ingest),
    "pairs": (pairs, check_pairs),
    "train": (train, check_train),
    "evaluate": (evaluate, check_evaluate),
    "feedback": (feedback, check_feedback),
    "conversations": (conversations, check_conversations),
    "people": (people, check_people),
    "backup": (back_up, check_backup),
    "restore": (restore_elsewhere, check_restored),
    "migrate": (migrate, check_migrated),
}


def called(work: Work, *arguments: Any) -> None:
    """Call some work, or a check, with as much as it takes."""
    work(*arguments[: len(signature(work).parameters)])


def check(place: Place, works: Sequence[str], told: Sequence[tuple[str, str, Any]], warm: Warm) -> None:
    """The known question is answered right, and nothing that was kept is gone. Raises Fault, or what a check raises.

    ``told``: (work, how, what) since the workspace was made.
    """
    _check_answer(place.workspace, warm)
    for one in dict.fromkeys(WORK[name][1] for name in works):
        called(one, place, [(how, what) for name, how, what in told if WORK[name][1] is one], warm)
