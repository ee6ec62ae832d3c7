"""The page of training starts what was chosen, shows how it goes, and lets nobody slip in more."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from cards import trained
from tiny import adapted, card_for, settings_for, tiny_model
from toys import liked, write_liked
from working import ADMIN, EDITOR, EXPERT, as_, choosing, ended, run_instead, started, work_context

from assistant.artifacts.cards import unfinished_runs, write_card
from assistant.artifacts.command_reports import BadRow, CheckReport
from assistant.artifacts.pairs import Pair, PairsHeader, write_pairs
from assistant.config import setting_keys
from assistant.config.train_settings import TrainSettings
from assistant.models.catalogue import catalogue
from assistant.text.languages import data
from assistant.types import Passage
from assistant.workspace import Workspace
from ui.context import AppContext
from ui.jobs import StartedJob, Status, printed
from ui.pages.job_forms import assignments, control, shown_value, usable_base
from ui.pages.training import MORE, TrainingActions
from ui.pages.training.view import (
    AdapterView,
    LossCurves,
    adapter_line,
    adapters,
    adapters_html,
    card_html,
    check_html,
    course_of,
    other_base,
    pairs_html,
    pairs_sets,
    plot_html,
    smoothed,
)
from ui.people import User

SCRIPT = "<img src=x onerror=alert(1)>"
DEFAULTS = [shown_value(TrainSettings.model_fields[key].default) for key in MORE]


@pytest.fixture
def context(workspace: Workspace) -> AppContext:
    """The app of an empty workspace, with an expert, an editor and an admin."""
    return work_context(workspace)


@pytest.fixture
def actions(context: AppContext, monkeypatch: pytest.MonkeyPatch) -> TrainingActions:
    """What the page does; the jobs it starts do nothing."""
    run_instead(monkeypatch)
    return TrainingActions(context)


def save_card(workspace: Workspace, name: str, tmp_path: Path, **changes: Any) -> None:
    """An adapter as far as its card goes."""
    settings = settings_for(tiny_model(tmp_path / "base"))
    folder = workspace.adapter(name)
    folder.mkdir(parents=True)
    write_card(folder, card_for(settings, adapted(settings), name=name, **changes))


def write_metrics(folder: Path, *records: object, end: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records) + end, encoding="utf-8")


@pytest.mark.parametrize(
    "act",
    [
        lambda actions, who: actions.make_pairs("cars", None, None, who),
        lambda actions, who: actions.check(who, "cars", "", "once", False, *DEFAULTS),
        lambda actions, who: actions.start(who, "cars", "", "once", False, *DEFAULTS),
        lambda actions, who: actions.resume("house", who),
        lambda actions, who: actions.open(choosing("house"), who),
        lambda actions, who: actions.export("house", "gguf", who),
        lambda actions, who: actions.compose(["a", "b"], {}, "c", "cat", who),
        lambda actions, who: actions.remove("house", who),
    ],
)
def test_experts_and_strangers_train_nothing(
    actions: TrainingActions, act: Callable[[TrainingActions, Any], Any]
) -> None:
    for name in (EXPERT, "nobody", ""):
        with pytest.raises(gr.Error, match=r"role|signed in"):
            act(actions, as_(name))
    assert actions.context.jobs.all() == []


def test_only_what_differs_from_the_defaults_is_said(actions: TrainingActions) -> None:
    save_pairs(actions.context.workspace)
    chosen = dict(zip(MORE, DEFAULTS, strict=True)) | {"max_steps": 2.0, "checkpointing": True, "alpha": 0.5}
    actions.start(as_(EDITOR), "cars", "bundled", "once", True, *chosen.values())
    given = ["--", "name=cars", "pairs=cars", "alpha=0.5", "max_steps=2", "checkpointing=true"]
    assert list(started(actions.context)) == ["train", "--json", "--force", *given]


def test_how_long_it_may_take_gives_way_to_steps_and_epochs_that_were_set(actions: TrainingActions) -> None:
    save_pairs(actions.context.workspace)
    own = dict(zip(MORE, DEFAULTS, strict=True)) | {"epochs": 2.0}
    said = [("once", DEFAULTS, []), ("try", DEFAULTS, ["max_steps=20"]), ("thrice", DEFAULTS, ["epochs=3"])]
    for length, values, expected in [*said, ("try", own.values(), ["epochs=2"])]:
        actions.check(as_(EDITOR), "cars", "", length, False, *values)
        assert list(started(actions.context))[6:] == expected


def test_files_of_own_pairs_are_kept_and_named_to_the_command(actions: TrainingActions, tmp_path: Path) -> None:
    context, file = actions.context, tmp_path / "our voice.jsonl"
    file.write_text("{}", encoding="utf-8")
    (context.workspace.corpus("cars")).mkdir(parents=True)
    (context.workspace.corpus("cars") / "catalog.sqlite").touch()
    with pytest.raises(gr.Error, match="someone else"):
        actions.make_pairs("cars", None, str(file), as_(EDITOR))
    context.arrivals.note(str(file), EDITOR)
    actions.make_pairs("cars", None, str(file), as_(EDITOR))
    kept = context.workspace.root / "examples" / "tone" / "our voice.jsonl"
    assert started(context) == ("pairs", "--json", "--corpus=cars", f"--tone={kept}") and kept.exists()


def test_own_pairs_and_the_house_voice_may_come_in_files_of_one_name(actions: TrainingActions, tmp_path: Path) -> None:
    context, sent = actions.context, [tmp_path / part / "pairs.jsonl" for part in ("data", "tone")]
    (context.workspace.corpus("cars")).mkdir(parents=True)
    (context.workspace.corpus("cars") / "catalog.sqlite").touch()
    for file in sent:
        file.parent.mkdir()
        file.write_text(file.parent.name, encoding="utf-8")
        context.arrivals.note(str(file), EDITOR)
    actions.make_pairs("cars", *map(str, sent), as_(EDITOR))
    named = dict(option.removeprefix("--").split("=") for option in started(context)[3:])
    assert {name: Path(file).read_text(encoding="utf-8") for name, file in named.items()} == {
        "data": "data", "tone": "tone",
    }  # fmt: skip


def test_files_that_no_pairs_were_made_from_are_emptied(actions: TrainingActions, tmp_path: Path) -> None:
    context, file = actions.context, tmp_path / "new.jsonl"
    (context.workspace.corpus("cars")).mkdir(parents=True)
    (context.workspace.corpus("cars") / "catalog.sqlite").touch()
    folder = context.workspace.root / "examples"
    for name in ("data/used.jsonl", "tone/used.jsonl", "data/left.jsonl", "tone/left.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")
    recipe: dict[str, object] = {part: [f"/before/it/moved/{part}/used.jsonl"] for part in ("data", "tone")}
    write_pairs(context.workspace.pairs_file("cars"), [], PairsHeader("cars", 1, "", 0, {}, {}, {}, recipe, "1"))
    file.write_text("{}", encoding="utf-8")
    context.arrivals.note(str(file), EDITOR)
    actions.make_pairs("cars", str(file), None, as_(EDITOR))
    kept = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))
    assert kept == ["data/new.jsonl", "data/used.jsonl", "tone/used.jsonl"]


def test_an_adapter_that_was_made_for_another_model_says_so(context: AppContext) -> None:
    for name, base in (("own", "bundled"), ("same", "smollm2-135m"), ("other", "/models/ours")):
        trained(context.workspace, name, pairs_hash="", base=base)
    assert [other_base(context, name) for name in ("own", "same", "other", "gone")] == ["", "", "ours", ""]
    assert adapter_line(context, "other") == "other (made for “ours”, not for the model that answers)"
    assert "made for" not in adapter_line(context, "own")


def test_some_pairs_of_each_source_are_shown_and_rows_that_were_left_out(context: AppContext) -> None:
    save_pairs(context.workspace)
    html = pairs_html(context, "cars", [BadRow(f"own.csv, line 3 {SCRIPT}", "no answer")])
    assert "16 pairs: 16 read off the documents" in html and html.count("<dt>") == 1 and "Is hail 0 covered?" in html
    assert "own.csv, line 3 &lt;img" in html and "no answer" in html and "<img" not in html
    broken_off = Status(StartedJob("1", "pairs", "cars", (), "eve", 0), "failed", 1, 1, None, "")
    assert "Is hail 0 covered?" in TrainingActions(context).result(broken_off)


def test_what_is_chosen_stays_while_it_is_there(actions: TrainingActions, tmp_path: Path) -> None:
    for name in ("formal", "warm"):
        save_card(actions.context.workspace, name, tmp_path)
    shown = actions.listed("gone", None, None, ["warm", "gone"], as_(EDITOR))
    assert shown[-3].value == ["warm"] and [name for name, _ in shown[-3].choices] == ["formal", "warm"]
    assert shown[1].value is None


def test_how_pairs_are_made_lies_open_for_whoever_has_none_and_only_at_first(actions: TrainingActions) -> None:
    def is_open(chosen: str | None) -> object:
        return getattr(actions.listed(None, chosen, None, [], as_(EDITOR))[-2], "open", "as it is")

    assert is_open(None) is True
    save_pairs(actions.context.workspace)
    assert is_open(None) is False and is_open("cars") == "as it is", "someone may have opened it since"


def test_the_model_that_answers_is_trained_on_whichever_it_is_by_then(
    actions: TrainingActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, context = "qwen2.5-coder-0.5b", actions.context
    monkeypatch.setattr("ui.pages.upkeep.view.folder_here", lambda name: Path(name) if name == known else None)
    for chosen in ("bundled", known):
        engine = context.settings.engine.model_copy(update={"model": chosen})
        monkeypatch.setattr(context.service, "settings", context.settings.model_copy(update={"engine": engine}))
        bases = actions.listed(None, None, None, [], as_(EDITOR))[-1]
        (answers,) = (label for label, name in bases.choices if not name)
        assert answers.startswith(chosen) and "value" not in bases._constructor_args[0]


def test_another_base_is_a_setting_of_the_run(actions: TrainingActions, tmp_path: Path) -> None:
    save_pairs(actions.context.workspace)
    actions.check(as_(EDITOR), "cars", " owner/Model-1.5B ", "once", False, *DEFAULTS)
    assert started(actions.context)[3] == "--set=engine.model=owner/Model-1.5B"
    for known in catalogue():
        assert usable_base(known, User("eve", "editor")) == known
    here = str(tiny_model(tmp_path / "base"))
    with pytest.raises(gr.Error, match="no model to train on"):
        actions.check(as_(EDITOR), "cars", here, "once", False, *DEFAULTS)
    actions.check(as_(ADMIN), "cars", here, "once", False, *DEFAULTS)
    expected = ("train", "--check", "--json", f"--set=engine.model={here}", "--", "name=cars", "pairs=cars")
    assert started(actions.context) == expected


@pytest.mark.parametrize("name", ["../house", "--force", "a b", ".runs", "x=y", SCRIPT])
def test_names_cannot_leave_the_workspace_or_pose_as_options(actions: TrainingActions, name: str) -> None:
    values = [name, *DEFAULTS[1:]]
    acts: tuple[Callable[[], Any], ...] = (
        lambda: actions.start(as_(EDITOR), "cars", "", "once", False, *values),
        lambda: actions.start(as_(EDITOR), name, "", "once", False, *DEFAULTS),
        lambda: actions.resume(name, as_(EDITOR)),
        lambda: actions.make_pairs(name, None, None, as_(EDITOR)),
        lambda: actions.export(name, "gguf", as_(EDITOR)),
        lambda: actions.remove(name, as_(ADMIN)),
        lambda: actions.compose([name, "b"], {}, "c", "cat", as_(EDITOR)),
        lambda: actions.compose(["a", "b"], {}, name, "cat", as_(EDITOR)),
        lambda: actions.open(choosing(name), as_(EDITOR)),
    )
    for act in acts:
        with pytest.raises(gr.Error):
            act()
    assert actions.context.jobs.all() == []


def test_a_check_waits_for_a_training_and_says_so(actions: TrainingActions, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, "import time; time.sleep(600)")
    save_pairs(actions.context.workspace)
    actions.start(as_(EDITOR), "cars", "", "once", False, *DEFAULTS)
    with pytest.raises(gr.Error, match="“cars” is being trained"):
        actions.check(as_(EDITOR), "cars", "", "once", False, *DEFAULTS)
    running = actions.context.jobs.under_way("train")
    assert running is not None
    while running.is_under_way:
        actions.context.jobs.stop(running.job.id)
        running = actions.context.jobs.status(running.job.id)


def test_a_sum_has_two_parts_and_their_weights(actions: TrainingActions) -> None:
    with pytest.raises(gr.Error, match="two"):
        actions.compose(["terms"], {}, "both", "cat", as_(EDITOR))
    with pytest.raises(gr.Error, match="no adapter"):
        actions.compose(["terms", "tone"], {"tone": 0.3}, "both", "cat", as_(EDITOR))
    for name in ("terms", "tone"):
        actions.context.workspace.adapter(name).mkdir(parents=True)
    actions.compose(["terms", "tone"], {"tone": 0.3}, "both", "cat", as_(EDITOR))
    assert started(actions.context)[-3:] == ("--", "terms:1.0", "tone:0.3")


def test_controls_say_what_the_command_line_says() -> None:
    for key, field in TrainSettings.model_fields.items():
        shown = control(TrainSettings, key, "train", "en")
        assert shown.info == field.description
        assert assignments(TrainSettings, {key: shown.value}) == [], "an untouched control says nothing"
    rank = control(TrainSettings, "rank", "train", "en")
    assert (rank.minimum, rank.maximum, rank.precision) == (1, 1024, 0)


def test_every_control_has_german_words_and_the_name_of_the_command_line() -> None:
    for key in MORE:
        shown = control(TrainSettings, key, "train", "de")
        assert key in shown.label.lower() and shown.info != TrainSettings.model_fields[key].description
    known = {f"train.{key}" for key in TrainSettings.model_fields} | set(setting_keys())
    written = data("de", "fields")
    assert set(written) <= known, "no setting is called so any more"


def test_the_course_goes_on_while_a_training_writes(workspace: Workspace) -> None:
    run = workspace.adapters / ".runs" / "house"
    write_metrics(
        run,
        {"step": 1, "loss": 2.0},
        {"step": 1, "validation_loss": 1.9},
        {"step": 1, "voice_validation_loss": 2.5},
        end='{"step": 2, "lo',
    )
    assert course_of(workspace, "house") == LossCurves(((1, 2.0),), ((1, 1.9),), ((1, 2.5),))
    write_metrics(run, {"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}, [], {"step": "x", "loss": 1}, {"loss": 1})
    assert course_of(workspace, "house").losses == ((1, 2.0), (2, 1.5))
    assert course_of(workspace, "other") == LossCurves()


def test_an_interrupted_training_can_be_found(workspace: Workspace) -> None:
    run = workspace.adapters / ".runs" / "house"
    run.mkdir(parents=True)
    (run / ".lock").touch()
    assert unfinished_runs(workspace) == []
    (run / "run.json").write_text("{}")
    assert unfinished_runs(workspace) == ["house"]


def test_a_plot_shows_every_point_inside_of_its_frame(context: AppContext) -> None:
    losses = tuple((float(step), 5.0 / step) for step in range(1, 300))
    course = LossCurves(losses, ((10, 0.6), (200, 0.1)), ((250, 0.3), (290, 6.0)), base=4.0)
    svg = plot_html(context, course, SCRIPT, total=400)
    numbers = [float(number) for points in re.findall(r'points="([^"]*)"', svg) for number in re.split("[ ,]", points)]
    xs, ys = numbers[::2], numbers[1::2]
    assert min(xs) >= 0 and max(xs) <= 640 and min(ys) >= 0 and max(ys) <= 260
    assert svg.count("<circle") == 4 and 'class="base"' in svg
    assert "held back: 0.100 · house voice alone, held back: 6.000" in svg and "<img" not in svg


@pytest.mark.parametrize("losses", [(), ((1.0, 2.0),), ((1.0, 2.0), (2.0, 2.0)), ((1.0, 1e30), (2.0, 0.0))])
def test_few_and_flat_losses_can_be_drawn(context: AppContext, losses: tuple[tuple[float, float], ...]) -> None:
    svg = plot_html(context, LossCurves(losses), "house")
    assert bool(svg) == bool(losses) and "nan" not in svg and "inf" not in svg


def test_smoothing_keeps_the_number_and_the_mean_of_flat_values() -> None:
    points = [(float(step), 2.0) for step in range(50)]
    assert smoothed(points, range(50)) == points


def test_a_long_training_is_drawn_as_fast_as_a_short_one(context: AppContext) -> None:
    course = LossCurves(tuple((float(step), 2.0) for step in range(100_000)))
    began = time.process_time()
    assert plot_html(context, course, "house")
    assert time.process_time() - began < 5, "it is drawn anew every second"


def test_adapters_are_listed_with_what_is_wrong(context: AppContext, tmp_path: Path) -> None:
    save_card(context.workspace, "house", tmp_path)
    context.workspace.adapter("broken").mkdir()
    found = {view.name: view for view in adapters(context.workspace)}
    assert found["house"].card is not None and found["broken"].card is None and "damaged" in found["broken"].flags[0]
    html = adapters_html(context, list(found.values()))
    assert 'data-choice="house"' in html and "2.500 → 1.500" in html
    assert "2,500 → 1,500" in adapters_html(context.in_language("de"), list(found.values()))
    assert "bundled" not in card_html(context, found["house"], LossCurves()) and "lora" in html


def test_a_card_of_a_stranger_stays_text(context: AppContext, tmp_path: Path) -> None:
    save_card(context.workspace, "house", tmp_path)
    view = adapters(context.workspace)[0]
    assert view.card is not None
    card = replace(view.card, base=SCRIPT, method=SCRIPT, corpus=SCRIPT, pairs=SCRIPT, machine=SCRIPT, created=SCRIPT)
    hostile = AdapterView(SCRIPT, card, 1, None, (SCRIPT,))
    for html in (card_html(context, hostile, LossCurves()), adapters_html(context, [hostile])):
        assert "<img" not in html and "&lt;img" in html


CHECK: dict[str, Any] = {
    "name": "house", "method": "lora", "base": "bundled", "rows": 785, "validation_rows": 64, "steps": 198,
    "learning_rate": 2e-4, "parameters": 1, "base_parameters": 100, "window": None,
    "lengths": [[9, 785]], "longest": "p1", "tokens": 9, "packed_tokens": 9, "loss_tokens": 3, "end_of_turn": "</s>",
    "ended": 785, "memory": {"weights": 1, "training": 1, "activations": 1, "logits": 1, "passing": 1},
    "memory_total": 1 << 30, "memory_free": 1 << 31,
    "examples": [{"id": "p1", "prompt": SCRIPT, "trained": "Yes."}],
    "probe": {"tokens_per_second": 400.0, "seconds": 125.0, "layers": 2, "packed": True},
}  # fmt: skip


def test_a_check_tells_memory_and_time(context: AppContext) -> None:
    found = printed(json.dumps(CHECK), CheckReport)
    assert found is not None
    html = check_html(context, found)
    assert "1.00 GiB" in html and "at most 2 min 5 s" in html and "<img" not in html
    preferences = [{"id": "p1", "prompt": "?", "trained": "Yes [1].", "against": SCRIPT}]
    other = printed(json.dumps(CHECK | {"examples": preferences, "chosen": "Chosen for want of memory"}), CheckReport)
    assert other is not None
    html = check_html(context, other)
    assert "Chosen for want of memory" in html and "<mark" in html and "<del" in html and "<img" not in html
    short = printed(json.dumps(CHECK | {"memory_free": 1, "probe": None}), CheckReport)
    assert short is not None and "only" in check_html(context, short) and "not tried" in check_html(context, short)
    assert printed("Error", CheckReport) is None


def save_pairs(workspace: Workspace) -> None:
    passage = Passage("terms.md", 0, 23, "Terms > Hail", "Hail damage is covered.")
    pairs = [
        Pair(f"p{number}", f"Is hail {number} covered?", "Yes. [1]", "structure", passages=(passage,), golden=1)
        for number in range(16)
    ]
    write_pairs(workspace.pairs_file("cars"), pairs, PairsHeader("cars", 1, "", 0, {}, {"structure": 16}, {}, {}, "1"))


def test_a_set_of_preferences_is_shown_with_what_is_learnt_to_be_said_less(context: AppContext) -> None:
    write_liked(context.workspace, [liked(0), liked(1, source="thumb", response=""), liked(2, source="synthetic")])
    html = pairs_html(context, "liked")
    assert html.count("<del") == 3 and html.count("<dd") == 5
    assert "comparisons" in html and "thumbs" in html and "made worse" in html


@pytest.mark.slow
def test_a_real_training_is_stopped_goes_on_and_is_shown(context: AppContext, tmp_path: Path) -> None:
    base, actions, jobs = tiny_model(tmp_path / "base"), TrainingActions(context), context.jobs
    save_pairs(context.workspace)
    assert pairs_sets(context.workspace) == ["cars"]
    chosen = dict(zip(MORE, DEFAULTS, strict=True)) | {"name": "house", "max_steps": 60}
    # The base comes from a file, so that going on finds the same one.
    context.workspace.config_file.write_text(f"engine:\n  model: {base}\n", encoding="utf-8")
    actions.start(as_(EDITOR), "cars", context.settings.engine.model, "once", False, *chosen.values())
    running = jobs.newest("train")
    assert running is not None
    while running.is_under_way and not course_of(context.workspace, "house").losses:
        time.sleep(0.05)
        running = jobs.status(running.job.id)
    jobs.stop(running.job.id)
    stopped = ended(context)
    assert stopped.state == "stopped" and "Go on with" in stopped.error, jobs.log(stopped.job.id)
    done = len(course_of(context.workspace, "house").losses)
    assert unfinished_runs(context.workspace) == ["house"] and 0 < done < 60
    actions.resume("house", as_(EDITOR))
    status = ended(context)
    assert status.state == "done", jobs.log(status.job.id)
    assert status.progress and (status.progress.done, status.progress.total) == (60, 60)
    assert len(course_of(context.workspace, "house").losses) == 60
    assert "polyline" in actions.result(status) and unfinished_runs(context.workspace) == []
