"""Where the storm's work is done: a workspace with its documents, laid out once, and what is loaded once for all work.

Small documents, toy models and quotations alone: what is lost is not the model's doing.
"""

import io
import json
import random
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assistant.artifacts.pairs import PairsHeader, write_pairs
from assistant.cli import main
from assistant.config import Settings
from assistant.engines import ReticentEngine
from assistant.retrieval.embedder import Embedder
from assistant.service import Query, Service
from assistant.store.catalog import CATALOG_FILE
from assistant.types import Answer
from assistant.workspace import DEFAULT_CORPUS, Workspace
from ingest import worker

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
OLD = TESTS / "data/workspace_79cfcfc/corpora/default"
QUESTION, ANSWER = "What sum insured does an 80 square metre flat need in Comfort?", "60,000"
TOPICS = "apple brick cloud delta ember flint grape house ivory jewel knife lemon maple north ocean pearl".split()
_DOCUMENTS = ("faq/faq-home.md", "internal/complaint-procedure.md")


class Refused(Exception):
    """The program has said in one line why it does not do something."""


class Fault(Exception):
    """Something is not as it has to be."""


@dataclass(frozen=True)
class Place:
    """A workspace with its documents in a folder of one case, and the chance by which work goes on in it."""

    folder: Path
    chance: random.Random

    @property
    def disk(self) -> Path:
        """Whatever the program writes; it may be full, or closed."""
        return self.folder / "disk"

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.disk / "workspace")

    @property
    def backup(self) -> Path:
        return self.disk / "backups" / "backup.tar.gz"

    @property
    def docs(self) -> Path:
        return self.folder / "docs"

    @property
    def toy(self) -> Path:
        """The language model that is trained."""
        return self.folder / "toy"


class Warm:
    """What is loaded once, for all the work."""

    def __init__(self) -> None:
        settings = Settings()
        self.embedder = Embedder(settings.embedder, settings.device)
        self.embedder.load()
        self.embedder.embed_question("warm")
        _ = self.embedder.fingerprint, self.embedder.dimension

    @cached_property
    def answer(self) -> Answer:
        """An answer to give feedback on and to keep in conversations."""
        from samples import evidence

        return Answer(QUESTION, QUESTION, "It is covered.", (), (evidence("It is covered."),))

    def put_in(self) -> None:
        """Have commands take the loaded embedder, read files in their own process, and speak in quotations."""
        from fakes import ScriptedEngine

        import assistant.engines.opening
        import assistant.service
        import ingest.pipeline
        import train.validation_answers
        import train.watch

        places: list[tuple[Any, str, Any]] = [
            (ingest.pipeline, "Embedder", lambda *_: self.embedder),
            (ingest.pipeline, "read_all", self.read_all),
            (ingest.pipeline, "_EMBED_WINDOWS", 4),  # several portions an ingest
            (assistant.service, "Embedder", lambda *_: self.embedder),
            (assistant.service, "open_answering", lambda *_: ReticentEngine(lambda: ScriptedEngine(""))),
            (assistant.engines.opening, "open_engine", lambda *_: ScriptedEngine("")),
            (train.validation_answers, "_LONGEST_ANSWER", 8),
            (train.watch.Curves, "plot", lambda *_: None),
        ]
        for module, name, value in places:
            setattr(module, name, value)

    def read_all(self, tasks: Iterable[worker.Task], recipe: worker.Recipe) -> Iterator[worker.ReadResult]:
        """What the reading processes give, in this one."""
        worker._recipe, worker._counter = recipe, self.embedder.tokens
        return map(worker._read, tasks)

    def said(self, workspace: Workspace) -> str:
        """What the known question is answered with."""
        from fakes import ScriptedEngine

        engine = ReticentEngine(lambda: ScriptedEngine(""))
        with closing(Service(workspace, Settings(), self.embedder, lambda: engine)) as service:
            return service.ask(Query(service.model(DEFAULT_CORPUS), QUESTION)).text


def command(workspace: Workspace, *arguments: str) -> str:
    """What ``assistant ARGUMENTS`` prints. Raises Refused with the line that it ends with, Fault for anything else."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([*arguments, "--workspace", str(workspace.root)])
        except SystemExit as ended:
            status = ended.code
    if "Traceback" in err.getvalue():
        raise Fault(f"a traceback: {err.getvalue()[-1500:]}")
    if status:
        line = (err.getvalue().strip().splitlines() or [""])[-1]
        if not line.startswith("Error: "):
            raise Fault(f"it ended with {status} and said {err.getvalue()[-300:]!r}")
        raise Refused(line)
    return out.getvalue()


def write_fact(place: Place, topic: str) -> None:
    """A document of one fact with a value of its own."""
    value = place.chance.randrange(10**6)
    text = f"# About {topic}\n\nThe limit of {topic} is {value} euros in each year.\n"
    (place.docs / f"fact-{topic}.md").write_text(text, "utf-8")


def furnish(place: Place) -> None:
    """Lay out what the first work needs: documents, pairs, cases, a toy model, and a corpus of old."""
    from toys import toy_model, toy_pair

    for name in _DOCUMENTS:
        target = place.docs / Path(name).name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "data/sample/docs" / name, target)
    for topic in TOPICS[:6]:
        write_fact(place, topic)
    toy_model(place.toy)
    rows = [toy_pair(number, "validation" if number >= 16 else "train") for number in range(20)]
    # Of a corpus that is elsewhere: an ingest takes out what shows documents that its own corpus does not have.
    header = PairsHeader("elsewhere", 3, "", 7, {"d0.md": "ab"}, {"structure": len(rows)}, {}, {}, "0.1.0")
    write_pairs(place.workspace.pairs_file("toy"), rows, header)
    case = {"question": QUESTION, "answers": [ANSWER], "must_include": [[ANSWER]], "kind": "fact"}
    cases = "".join(f"{json.dumps({'id': f'c{number}', **case})}\n" for number in range(3))
    (place.folder / "cases.jsonl").write_text(cases, "utf-8")
    shutil.copytree(OLD, place.workspace.corpus("old"))


def moved(template: Place, folder: Path, chance: random.Random) -> Place:
    """A copy of a place whose corpus knows where its documents lie now; with a corpus of old that nobody has opened."""
    place = Place(folder, chance)
    shutil.copytree(template.folder, folder, dirs_exist_ok=True)
    with closing(sqlite3.connect(place.workspace.corpus(DEFAULT_CORPUS) / CATALOG_FILE)) as database, database:
        database.execute("UPDATE files SET root = ?", (str(place.docs),))
    old = place.workspace.corpus("old")
    shutil.rmtree(old)
    shutil.copytree(OLD, old)
    return place


def tests_are_importable() -> None:
    """Their stand-ins and makers of files serve here too."""
    sys.path[:0] = [str(TESTS), str(TESTS / "ingest")]
