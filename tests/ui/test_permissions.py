"""What one may not read is not there for one: random people, groups and rights, and whatever they click.

Every thing of the world has its own word in all of its texts and names, so that a word in an output tells what it came
from. Who may read what is worked out here a second time, from the file alone.
"""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from apps import app_context
from cards import trained
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import evidence
from serving import EchoEngine, make_corpora
from signing import client_of, in_a_loop, make_people, sign_in
from working import as_

from assistant.artifacts.pairs import Pair, PairsHeader, write_pairs
from assistant.errors import AssistantError, UsageError
from assistant.feedback.database import Assessment, FeedbackStore, Versions
from assistant.types import Answer, Passage
from assistant.workspace import Resource, Workspace
from ui.app import create_app
from ui.context import AppContext
from ui.export import exported
from ui.jobs import Jobs, StartedJob
from ui.pages.chat import Chat
from ui.pages.chat.asking import Asking
from ui.pages.chat.parts import lay_out
from ui.pages.documents import DocumentsActions
from ui.pages.documents.view import documents_of
from ui.pages.evaluation import EvaluationActions
from ui.pages.events import telling
from ui.pages.job_forms import JobPanel, job_panel
from ui.pages.rating import RatingActions
from ui.pages.teaching import PreferenceActions, TeachingActions
from ui.pages.training import MORE, TrainingActions
from ui.pages.upkeep import HealthActions
from ui.rights import Access, made_from
from ui.scope import Scope
from ui.turns import TurnReply

PEOPLE, GROUPS = ("ana", "ben", "eve"), ("north", "south")
CORPORA = ("zircon", "basalt", "quartz")
ADAPTERS = {"feldspar": "zircon", "olivine": "basalt", "pyrite": ""}
REPORTS = {"gneiss": ("zircon", "pyrite"), "marble": ("basalt", ""), "slate": ("quartz", "olivine")}
HELD_AGAINST = {"schist": ("zircon", "marble")}
"""A report, its corpus, and the report whose figures and answers it shows, too."""
BEHIND: dict[tuple[str, str], list[tuple[str, str]]] = {
    **{("adapter", name): [("corpus", corpus)] if corpus else [] for name, corpus in ADAPTERS.items()},
    **{
        ("report", name): [("corpus", corpus), *([("adapter", adapter)] if adapter else [])]
        for name, (corpus, adapter) in REPORTS.items()
    },
    **{("report", name): [("corpus", corpus), ("report", before)] for name, (corpus, before) in HELD_AGAINST.items()},
}
THINGS = [*(("corpus", one) for one in CORPORA), *BEHIND]
TOLD: list[str] = []
"""What a click has told beside its output."""
ABSENT = "nowhere"
"""Nothing is called so."""


@dataclass(frozen=True, repr=False)
class World:
    """An app over things that each have a word of their own."""

    context: AppContext
    chat: Chat
    panels: tuple[JobPanel, ...]
    pristine: Path
    """The conversations before anyone asked."""
    jobs: frozenset[str]
    """Those of before anyone clicked."""


def told_of(corpus: str) -> str:
    """A document of a corpus, and what is said of it."""
    return f"## What does the {corpus} policy pay?\n\nThe {corpus} policy pays {corpus}ine for every {corpus}ite stone."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All that there is, and jobs of everything."""
    patch = pytest.MonkeyPatch()
    patch.setattr(Jobs, "_spawn", _ended_at_once)
    for notice in ("Info", "Warning"):
        patch.setattr(gr, notice, lambda message, **_: TOLD.append(str(message)))
    folder = tmp_path_factory.mktemp("permissions")
    workspace = Workspace(folder / "workspace")
    make_corpora(workspace, folder, {one: {f"{one}-terms.md": told_of(one)} for one in CORPORA})
    for corpus in CORPORA:
        passage = Passage(f"{corpus}-terms.md", 0, 9, corpus, f"The {corpus} pays.")
        pairs = [
            Pair(f"p-{corpus}", f"Who pays {corpus}?", f"{corpus} [1]", "structure", passages=(passage,), golden=1)
        ]
        write_pairs(
            workspace.pairs_file(corpus), pairs, PairsHeader(corpus, 1, "", 0, {}, {"structure": 1}, {}, {}, "1")
        )
        cases = workspace.root / "cases" / f"{corpus}-cases.jsonl"
        cases.parent.mkdir(exist_ok=True)
        case = {"id": "1", "question": f"Who pays {corpus}?", "gold": [[{"document": f"{corpus}-terms.md"}]]}
        cases.write_text(json.dumps(case) + "\n", encoding="utf-8")
    for name, corpus in ADAPTERS.items():
        trained(workspace, name, pairs=corpus, pairs_hash="", corpus=corpus, documents={f"{corpus}-terms.md": "h"})
    for name, (corpus, adapter) in REPORTS.items():
        _save_report(workspace, name, corpus, adapter)
    for name, (corpus, before) in HELD_AGAINST.items():
        _save_report(workspace, name, corpus, "", before)
    make_people(workspace.root, **dict.fromkeys(PEOPLE, "editor"), adam="admin")  # type: ignore[arg-type]
    context = app_context(workspace, EchoEngine(), {"answer": {"caution": 0}})
    for corpus in CORPORA:
        _teach(workspace, corpus)
        adam = context.of(as_("adam"))
        adam.start("ingest", corpus, ["ingest"], edits=[("corpus", corpus)])
        adam.start("pairs", corpus, ["pairs"], edits=[("corpus", corpus)])
        adam.start("train", f"{corpus}-new", ["train"], reads=[("pairs", corpus)], edits=[("adapter", f"{corpus}-new")])
    adam.start("doctor", "", ["doctor"], reads=[("workspace", "")])

    def laid_out() -> tuple[Chat, tuple[JobPanel, ...]]:
        with gr.Blocks(analytics_enabled=False):
            panels = [
                job_panel(context, ("ingest", "forget"), "editor", lambda c, s: DocumentsActions(c).result(s)),
                job_panel(context, ("train", "pairs"), "editor", lambda c, s: TrainingActions(c).result(s)),
                job_panel(context, ("doctor",), "editor", lambda c, s: HealthActions(c).result(s)),
            ]
            return Chat(context, lay_out(context), Asking(context)), tuple(panels)

    chat, panels = in_a_loop(laid_out)
    context.conversations.begin("adam", "Nothing")
    pristine = folder / "pristine.sqlite"
    shutil.copy(workspace.root / "conversations.sqlite", pristine)
    jobs = frozenset(one.name for one in (workspace.root / "jobs").iterdir())
    yield World(context, chat, panels, pristine, jobs)
    patch.undo()
    context.service.close()


def _ended_at_once(_: Jobs, folder: Path, job: StartedJob) -> None:
    everything = " ".join(name for _, name in THINGS)
    said = f"{job.about}: " + " ".join(name or everything for _, name in job.reads)
    (folder / "log").write_text(f"Error: {said}\n", encoding="utf-8")
    (folder / "ended.json").write_text(json.dumps({"status": 1, "at": job.created}), encoding="utf-8")


def _save_report(workspace: Workspace, name: str, corpus: str, adapter: str, before: str = "") -> None:
    folder = workspace.root / "reports" / name
    folder.mkdir(parents=True)
    systems = [{"name": "base+rag", "kind": "retrieval", "adapter": None}]
    systems += [{"name": f"{adapter}+rag", "kind": "retrieval", "adapter": adapter}] if adapter else []
    content = {
        "title": f"{name} of {corpus}", "systems": systems, "data": {"cases": 1, "corpus": corpus},
        "first_failures": {one["name"]: {"usable": {"none": 1}} for one in systems},
        "gate": {"status": "pass", "verdict": f"{name}, not {before}", "baseline": before, "lights": []},
    }  # fmt: skip
    if before:
        of, adapter_of = REPORTS[before]
        content["baseline"] = {"report": before, "corpus": of, "adapters": [adapter_of] if adapter_of else []}
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "report.html").write_text(f"<h1>{name} {corpus} {before}</h1>", encoding="utf-8")
    passage = {"document": f"{corpus}-terms.md", "pages": [], "heading": corpus, "text": told_of(corpus)}
    answers = {one["name"]: {"text": f"{name} {corpus}", "refused": False, "shown": [0]} for one in systems}
    row = {"case": {"id": "1", "question": f"{corpus}?"}, "passages": [passage], "answers": answers}
    (folder / "per_question.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")


def _teach(workspace: Workspace, corpus: str) -> None:
    of = Answer(f"Who pays {corpus}?", f"Who pays {corpus}?", f"The {corpus} pays.", (), _hits(corpus))
    store = FeedbackStore(workspace)
    adapter = next((name for name, made_of in ADAPTERS.items() if made_of == corpus), None)
    store.add("adam", corpus, of, Versions("bundled", adapter, 1), Assessment("right"), {})
    store.accept(store.add("adam", corpus, of, Versions("bundled", None, 1), Assessment("right"), {}), "adam")


def _hits(*corpora: str) -> Any:
    return tuple(
        evidence(told_of(corpus), rank, document=f"{corpus}-terms.md", corpus=corpus)
        for rank, corpus in enumerate(corpora, 1)
    )


# Who may read what, told once more


@dataclass(frozen=True)
class Drawn:
    """Whose groups are which, and what is set for each thing."""

    groups: dict[str, tuple[str, ...]]
    access: dict[tuple[str, str], Access]
    talks: list[tuple[str, list[tuple[str, ...]]]]
    """Whose each conversation is, and the corpora that each of its answers is from. All are shared."""

    def is_named(self, who: str, names: tuple[str, ...] | None) -> bool:
        return any(name == who or (name[1:] in self.groups[who] and name[0] == "@") for name in names or ())

    def may_read(self, who: str, thing: tuple[str, str]) -> bool:
        access = self.access.get(thing, Access())
        own = access.readers is None or self.is_named(who, access.readers) or self.is_named(who, access.editors)
        return own and all(self.may_read(who, one) for one in BEHIND.get(thing, ()))

    def may_edit(self, who: str, thing: tuple[str, str]) -> bool:
        editors = self.access.get(thing, Access()).editors
        return self.may_read(who, thing) and (editors is None or self.is_named(who, editors))

    def behind(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Of what a job names, the things of this world."""
        if kind == "workspace":
            return THINGS
        corpus = name.partition("-cases")[0] if kind == "cases" else name
        return [one for one in [("corpus" if kind in ("pairs", "cases") else kind, corpus)] if one in THINGS]

    def forbidden(self, who: str) -> list[str]:
        return [name for kind, name in THINGS if not self.may_read(who, (kind, name))]


_named = st.none() | st.lists(st.sampled_from([*PEOPLE, *(f"@{one}" for one in GROUPS)]), max_size=2).map(tuple)
_drawn = st.builds(
    Drawn,
    st.fixed_dictionaries(
        {one: st.lists(st.sampled_from(GROUPS), unique=True, max_size=2).map(tuple) for one in PEOPLE}
    ),
    st.dictionaries(st.sampled_from(THINGS), st.builds(Access, _named, _named), min_size=1, max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from(PEOPLE),
            st.lists(
                st.lists(st.sampled_from(CORPORA), min_size=1, max_size=2, unique=True).map(tuple),
                min_size=1,
                max_size=3,
            ),
        ),
        min_size=1,
        max_size=3,
    ),
)


def _settle(world: World, drawn: Drawn) -> None:
    """Have the app find these people and rights, and no conversations."""
    root = world.context.workspace.root
    people = world.context.people
    assert people is not None
    for who, groups in drawn.groups.items():
        people.set_groups(who, groups)
    (root / "rights.json").unlink(missing_ok=True)
    for (kind, name), access in drawn.access.items():
        world.context.rights.set(kind, name, access)  # type: ignore[arg-type]
    for beside in root.glob("conversations.sqlite*"):
        beside.unlink()
    shutil.copy(world.pristine, root / "conversations.sqlite")
    for turns in drawn.talks:
        kept = world.context.conversations
        owner, corpora = turns
        number = kept.begin(owner, "What does the policy pay?")
        before = ""
        for some in corpora:
            adapter = next((name for name, made_of in ADAPTERS.items() if some == (made_of,)), None)
            # An answer may say again what was said before it.
            before = said = " ".join((before, *(f"The {one} pays." for one in some)))
            reply = TurnReply(some[0], adapter, Answer("And?", "And?", said, (), _hits(*some)), scope=Scope(some))
            kept.add(owner, number, "And what does it pay?", [reply])
        kept._change(owner, number, "shared = ?", _link(number))


def _started(world: World) -> list[StartedJob]:
    """The jobs of clicks, which are taken away."""
    folders = [one for one in (world.context.workspace.root / "jobs").iterdir() if one.name not in world.jobs]
    jobs = [world.context.jobs.status(one.name).job for one in folders]
    for one in folders:
        shutil.rmtree(one)
    return jobs


# What people do


def _event(**data: object) -> gr.EventData:
    return gr.EventData(None, {key: str(value) for key, value in data.items()})


async def _asked(chat: Chat, who: gr.Request) -> list[Any]:
    question = "What does the policy pay for every stone?"
    shown = telling(chat.ask)(question, None, None, Scope(CORPORA), "", False, "", False, who)
    return [changes async for changes in shown]


DEFAULTS: list[Any] = [None] * len(MORE)
LOOKS: dict[str, Callable[[World, gr.Request], Any]] = {
    "load": lambda w, who: telling(w.chat.load)("", who),
    "begin": lambda w, who: telling(w.chat.begin)(Scope(CORPORA, documents=("zircon-terms.md",)), "", None, who),
    "search": lambda w, who: telling(w.chat.search)(None, "policy", who),
    "ask": lambda w, who: asyncio.run(_asked(w.chat, who)),
    "models": lambda w, who: telling(w.chat.show_model)(who),
    "documents": lambda w, who: [
        DocumentsActions(w.context).corpora(None, who),
        DocumentsActions(w.context).listed("", "", who),
    ],
    "reports": lambda w, who: EvaluationActions(w.context).listed(
        "", None, None, None, None, [], None, None, None, None, who
    ),
    "rating": lambda w, who: RatingActions(w.context).open(None, 20, who),
    "teaching": lambda w, who: [TeachingActions(w.context).listed(state, who) for state in ("new", "all", "outdated")],
    "preferences": lambda w, who: PreferenceActions(w.context).listed(None, who),
    "training": lambda w, who: TrainingActions(w.context).listed(None, None, None, [], who),
    "jobs": lambda w, who: [panel.refresh(who) for panel in w.panels],
    "health": lambda w, who: HealthActions(w.context).start(who),
    "conversations": lambda w, who: _opened_all(w, who),
}
OPENS: dict[str, Callable[[World, gr.Request, str], Any]] = {
    "cite": lambda w, who, name: asyncio.run(
        telling(w.chat.cite)(_event(corpus=name, document=f"{name}-terms.md", start=0, end=9, quote=""), who)
    ),
    "narrow": lambda w, who, name: telling(w.chat.narrow)(None, gr.EventData(None, {"corpora": [name]}), who),
    "ask_only": lambda w, who, name: telling(w.chat.ask_only)(
        None, _event(corpus=name, document=f"{name}-terms.md"), who
    ),
    "document": lambda w, who, name: w.context.of(who).library.document(name, 1, who.username or ""),
    "documents": lambda w, who, name: DocumentsActions(w.context).listed(name, "", who),
    "preview": lambda w, who, name: DocumentsActions(w.context).open(_event(choice=f"{name}/{_key(w, name)}"), who),
    "look": lambda w, who, name: DocumentsActions(w.context).look(name, False, who),
    "forget": lambda w, who, name: DocumentsActions(w.context).forget(name, _key(w, name), who),
    "make pairs": lambda w, who, name: TrainingActions(w.context).make_pairs(name, None, None, who),
    "pairs": lambda w, who, name: TrainingActions(w.context).describe_pairs(name, who),
    "train": lambda w, who, name: TrainingActions(w.context).check(who, name, "", "once", False, *DEFAULTS),
    "draft": lambda w, who, name: EvaluationActions(w.context).draft(name, 20, who),
    "evaluate": lambda w, who, name: EvaluationActions(w.context).start(
        f"{name}-cases.jsonl", "", ["base"], 0, False, None, None, who
    ),
    "ask model": lambda w, who, name: w.context.of(who).service.model(name),
    "adapter": lambda w, who, name: TrainingActions(w.context).open(_event(choice=name), who),
    "export": lambda w, who, name: TrainingActions(w.context).export(name, "gguf", who),
    "compose": lambda w, who, name: TrainingActions(w.context).compose([name, name], {}, "new", "cat", who),
    "preferences": lambda w, who, name: PreferenceActions(w.context).train(name, who),
    "resume": lambda w, who, name: TrainingActions(w.context).resume(name, who),
    "report": lambda w, who, name: EvaluationActions(w.context).open(_event(choice=name), who),
    "draw": lambda w, who, name: EvaluationActions(w.context).draw(name, who),
    "compare": lambda w, who, name: EvaluationActions(w.context).compare(name, name, who),
    "rate": lambda w, who, name: RatingActions(w.context).begin(name, 20, who),
    "baseline": lambda w, who, name: EvaluationActions(w.context).start(
        _visible_cases(w, who), "", ["base"], 0, False, name, None, who
    ),
}


def _visible_cases(world: World, who: gr.Request) -> str | None:
    names = EvaluationActions(world.context).listed("", None, None, None, None, [], None, None, None, None, who)[5]
    return names.value if hasattr(names, "value") else None


def _key(world: World, corpus: str) -> str:
    return next((row.key for row in documents_of(world.context.workspace, corpus)), "")


def _opened_all(world: World, who: gr.Request) -> list[Any]:
    theirs, name = world.context.of(who), who.username or ""
    shown: list[Any] = [telling(world.chat.search)(None, "policy", who)]
    for one in range(1, 12):
        for look in (
            lambda one=one: telling(world.chat.open)("", None, _event(conversation=one), who),
            lambda one=one: exported(theirs, name, one, "md"),
            lambda one=one: telling(world.chat.why)(_event(turn=one), who),
            lambda one=one: telling(world.chat.load)(f"shared/{_link(one)}", who),
        ):
            shown.append(_outcome(look))
    return shown


def _link(number: int) -> str:
    return f"{number:016}"


def _outcome(act: Callable[..., Any], *of: Any) -> str:
    """All that comes of a click, as text."""
    TOLD.clear()
    try:
        shown = text_of(act(*of))
    except (AssistantError, gr.Error) as error:
        shown = f"{type(error).__name__} {error}"
    return " ".join((shown, *TOLD))


def text_of(shown: Any) -> str:
    """Everything in what goes to a browser."""
    if isinstance(shown, dict):
        return " ".join(text_of(one) for one in shown.values())
    if isinstance(shown, list | tuple):
        return " ".join(map(text_of, shown))
    if isinstance(shown, gr.components.Component) or hasattr(shown, "get_config"):
        return json.dumps(shown.get_config(), default=str)
    return str(shown)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.slow
@given(
    drawn=_drawn,
    name=st.sampled_from(PEOPLE),
    clicks=st.lists(st.sampled_from([*LOOKS, *OPENS, *["conversations", "jobs"] * 3]), min_size=3, max_size=5),
    given_back=st.sampled_from([name for _, name in THINGS]),
)
def test_nobody_is_told_of_what_they_may_not_read(
    world: World, drawn: Drawn, name: str, clicks: list[str], given_back: str
) -> None:
    _settle(world, drawn)
    who, hidden = as_(name), drawn.forbidden(name)
    for click in clicks:
        if click in LOOKS:
            shown = [_outcome(LOOKS[click], world, who)]
        else:
            things = [*hidden, ABSENT, given_back]
            tries = {thing: _outcome(OPENS[click], world, who, thing) for thing in things}
            for thing in hidden:
                assert tries[thing].replace(thing, ABSENT) == tries[ABSENT], (name, click, thing)
            shown = [text for thing, text in tries.items() if thing not in hidden]
        told = [word for word in hidden if any(word in text.casefold() for text in shown)]
        assert not told, (name, click, told, shown)
        for job in _started(world):
            assert all(drawn.may_read(name, one) for about in job.reads for one in drawn.behind(*about)), job
            assert all(drawn.may_edit(name, one) for about in job.edits for one in drawn.behind(*about)), job


def test_who_may_read_everything_is_shown_everything(world: World) -> None:
    talks = [("ana", [("zircon",), ("basalt", "quartz")])]
    _settle(world, Drawn(dict.fromkeys(PEOPLE, ()), {}, talks))
    shown = {click: _outcome(LOOKS[click], world, as_("ana")).casefold() for click in LOOKS}
    for kind, name in THINGS:
        assert any(name in text for text in shown.values()), (kind, name)
    looks = {"load", "documents", "conversations"}
    assert all(word in shown[click] for word in CORPORA for click in looks)
    assert all(name in shown["reports"] for name in REPORTS) and all(name in shown["training"] for name in ADAPTERS)
    assert all(word in shown["teaching"] for word in CORPORA) and "doctor" in shown["jobs"]
    _started(world)


def test_what_a_report_was_held_against_is_behind_it_though_it_is_gone_and_unknown_where_nobody_kept_it(
    workspace: Workspace,
) -> None:
    _save_report(workspace, "schist", "zircon", "", "slate")
    behind: frozenset[Resource] = frozenset(
        {("corpus", "zircon"), ("report", "slate"), ("corpus", "quartz"), ("adapter", "olivine")}
    )
    assert made_from(workspace, "report", "schist") == behind
    file = workspace.root / "reports" / "schist" / "results.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "baseline": {**content["baseline"], "report": "schist"}}))
    assert made_from(workspace, "report", "schist") == behind - {("report", "slate")}, "or it would be asked for ever"
    file.write_text(json.dumps({name: value for name, value in content.items() if name != "baseline"}))
    assert made_from(workspace, "report", "schist") is None


@pytest.mark.slow
def test_two_people_who_sign_in_find_what_each_may_read_at_its_address(world: World) -> None:
    talks: list[tuple[str, list[tuple[str, ...]]]] = [(who, [("basalt",), ("zircon",)]) for who in ("ana", "ben")]
    only_north = Access(("@north",))
    access = {("corpus", "zircon"): only_north, ("report", "marble"): only_north}
    _settle(world, Drawn({"ana": ("north",), "ben": ("south",), "eve": ()}, access, talks))
    paths = [
        *(f"/sources/{{}}/1/{what}" for what in ("original", "pages/1", "pages/1/view")),
        *("/reports/{}", "/sources/{}/2/original"),
    ]
    app = create_app(world.context)
    seen: dict[str, str] = {}
    for who, talk in (("ana", 2), ("ben", 3)):
        with closing(client_of(app)) as client:
            sign_in(client, who)
            page = client.get("/en/").text + client.get("/en/config").text
            assert not [name for _, name in THINGS if name in page], "what is laid out is the same for all"
            for name in ("zircon", "gneiss", "marble"):
                for path in paths:
                    found, absent = client.get(path.format(name)), client.get(path.format(ABSENT))
                    if who == "ben":
                        assert (found.status_code, found.text.replace(name, ABSENT)) == (
                            absent.status_code,
                            absent.text,
                        )
            original, report = client.get("/sources/zircon/1/original"), client.get("/reports/gneiss")
            assert (original.status_code, report.status_code) == ((200, 200) if who == "ana" else (404, 404))
            seen[who] = client.get(f"/conversations/{talk}/export.md").text
            other = {2: 3, 3: 2}[talk]
            assert client.get(f"/conversations/{other}/export.md").status_code == 404
    assert "zircon" in seen["ana"] and "basalt" in seen["ben"] and "zircon" not in seen["ben"]


def test_a_conversation_ends_before_the_first_answer_that_one_may_not_read(world: World) -> None:
    talks: list[tuple[str, list[tuple[str, ...]]]] = [
        ("ana", [("basalt",), ("zircon",), ("basalt",)]),
        ("ana", [("zircon",), ("quartz",)]),
    ]
    _settle(world, Drawn(dict.fromkeys(PEOPLE, ()), {("corpus", "zircon"): Access(("ben",))}, talks))
    kept = world.context.of(as_("ana")).conversations
    everything = world.context.conversations
    assert [one.id for one in kept.listed("ana")] == [2] and len(everything.listed("ana")) == 2
    assert kept.listed("ana", "zircon") == [] and [one.id for one in kept.listed("ana", "basalt")] == [2]
    assert kept.turns("ana", 3) == [] and [one.id for one in kept.turns("ana", 2)] == [1]
    for hidden in (2, 3, 4, 5):
        for act in (kept.turn, kept.choose, lambda who, turn: kept.prefer(who, turn, 0)):
            with pytest.raises(UsageError, match="not there any more"):
                act("ana", hidden)
    copies = world.context.of(as_("eve")).conversations
    taken = copies.taken("eve", _link(2))
    assert [one.question for one in everything.turns("eve", taken)] == ["And what does it pay?"]
    assert everything.title("eve", taken) == "And what does it pay?", "its title may be about what is not there"
    with pytest.raises(UsageError, match="leads nowhere"):
        copies.taken("eve", _link(3))
    assert [one.id for one in everything.listed("eve")] == [taken], "no empty copy stays behind"


def test_a_follow_up_is_told_only_what_those_who_read_its_answer_may_know(world: World) -> None:
    talks: list[tuple[str, list[tuple[str, ...]]]] = [("ana", [("basalt",), ("zircon",), ("basalt", "quartz")])]
    asked: dict[tuple[str, ...], list[int]] = {}
    for access in ({}, {("report", "marble"): Access(())}):
        _settle(world, Drawn(dict.fromkeys(PEOPLE, ()), access, talks))
        asking = Asking(world.context.of(as_("ana")))
        turns = asking.context.conversations.turns("ana", 2)
        for corpora in (("basalt",), ("basalt", "quartz"), ("zircon",)):
            told = asking.told_with(turns, {("corpus", one) for one in corpora})
            asked[corpora] = [turns.index(one) for one in told]
        if not access:
            assert set(map(tuple, asked.values())) == {(0, 1, 2)}, "where nothing is set, all is as it was"
    assert asked == {("basalt",): [0], ("basalt", "quartz"): [0, 2], ("zircon",): [1]}
