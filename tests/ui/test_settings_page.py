"""The page of settings tells what holds and why, and only an admin changes it."""

from collections.abc import Callable

import gradio as gr
import pytest
from fakes import ScriptedEngine
from serving import service_of
from signing import make_people
from working import ADMIN, EDITOR, EXPERT, ROLES, as_, choosing, run_instead, started

from assistant import config
from assistant.models.catalogue import catalogue
from assistant.workspace import Workspace
from ui.context import AppContext, make_context
from ui.pages.upkeep import SettingsActions
from ui.pages.upkeep.view import settings_html


@pytest.fixture
def context(workspace: Workspace) -> AppContext:
    """The app started with ``--set retrieval.k=7``, over a workspace whose file says something else too."""
    make_people(workspace.root, **ROLES)
    workspace.config_file.write_text("retrieval:\n  k: 3\nengine:\n  url: ''  # none\n", encoding="utf-8")
    settings, origins = config.load(workspace.config_file, environment={}, assignments=["retrieval.k=7"])
    service = service_of(workspace, ScriptedEngine(""))
    service.settings = settings
    return make_context(workspace, settings, origins, service)


def test_every_setting_is_shown_with_value_origin_and_description(context: AppContext) -> None:
    html = SettingsActions(context).shown(as_(ADMIN))
    for key in config.setting_keys():
        assert f"<code>{key}</code>" in html
    assert "<code>retrieval.k</code> = <code>7</code>" in html and "command line" in html and "config.yaml" in html
    assert "Budget of a conversation" in html


@pytest.mark.parametrize("name", [EXPERT, EDITOR, "nobody", ""])
def test_only_an_admin_sees_and_changes_settings(context: AppContext, name: str) -> None:
    actions = SettingsActions(context)
    before = context.workspace.config_file.read_text(encoding="utf-8")
    assert actions.shown(as_(name)) == ""
    with pytest.raises(gr.Error, match=r"role|signed in"):
        actions.save("retrieval.k", "5", as_(name))
    with pytest.raises(gr.Error, match=r"role|signed in"):
        actions.chosen("retrieval.k", as_(name))
    assert context.workspace.config_file.read_text(encoding="utf-8") == before


def test_a_change_is_written_with_comments_and_told_to_need_a_start(context: AppContext) -> None:
    html = SettingsActions(context).save("answer.history_tokens", "99", as_(ADMIN))
    text = context.workspace.config_file.read_text(encoding="utf-8")
    assert "history_tokens: 99" in text and "# none" in text
    assert "<code>99</code>" in html and "after the next start" in html


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("retrieval.k", "0"),
        ("retrieval.k", "many"),
        ("retrieval.kk", "5"),
        ("", "5"),
        (None, ""),
        ("k=1 engine.url", "x"),
        ("engine.model", "/nope/model.gguf"),
        ("engine.model", "qwen2.5-0.5b-instruct-that-is-none"),
        ("embedder.model", "/nope"),
        ("retrieval.reranker", "/nope"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_written(context: AppContext, key: str | None, value: str) -> None:
    before = context.workspace.config_file.read_text(encoding="utf-8")
    with pytest.raises(gr.Error):
        SettingsActions(context).save(key, value, as_(ADMIN))
    assert context.workspace.config_file.read_text(encoding="utf-8") == before


def test_the_models_of_a_server_need_not_be_here(context: AppContext) -> None:
    actions = SettingsActions(context)
    for address, name in (("embedder.url", "embedder.model"), ("retrieval.reranker_url", "retrieval.reranker")):
        actions.save(address, "http://127.0.0.1:9/v1", as_(ADMIN))
        actions.save(name, "theirs", as_(ADMIN))
    assert context.workspace.config_file.read_text(encoding="utf-8").count('"theirs"') == 2


def test_a_file_that_was_broken_meanwhile_is_told(context: AppContext) -> None:
    context.workspace.config_file.write_text("answer: {history_tokens: many}", encoding="utf-8")
    actions = SettingsActions(context)
    with pytest.raises(gr.Error, match="history_tokens"):
        actions.shown(as_(ADMIN))
    with pytest.raises(gr.Error, match="history_tokens"):
        actions.chosen("retrieval.k", as_(ADMIN))


@pytest.mark.slow
def test_values_are_shown_so_that_they_can_be_typed_again(context: AppContext) -> None:
    actions = SettingsActions(context)
    before, _ = config.load(context.workspace.config_file, environment={})
    for key in config.setting_keys():
        if key != "retrieval.k":  # which the command line holds
            actions.save(key, actions.chosen(key, as_(ADMIN)).value, as_(ADMIN))
    after, _ = config.load(context.workspace.config_file, environment={})
    assert after == before


def test_values_of_strangers_stay_text(context: AppContext) -> None:
    settings, origins = config.load(environment={"ASSISTANT_ANSWER__SYSTEM": "<img src=x onerror=alert(1)>"})
    html = settings_html(context, settings, origins)
    assert "<img" not in html and "ASSISTANT_ANSWER__SYSTEM" in html


def test_models_of_the_catalogue_are_listed_and_shown(context: AppContext) -> None:
    actions = SettingsActions(context)
    html = actions.listed(as_(ADMIN))
    names = [name for name, model in catalogue().items() if model.kind == "language model"]
    assert all(f'data-choice="{name}"' in html for name in names) and html.count("in use") == 1
    shown, _, fetch, use, name = actions.open(choosing("qwen2.5-coder-1.5b"), as_(ADMIN))
    assert "2.9 GiB of memory · about 6 s an answer" in shown and name == "qwen2.5-coder-1.5b"
    assert fetch.visible is not use.visible


def test_a_model_is_fetched_in_a_process_of_its_own(context: AppContext, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch)
    SettingsActions(context).fetch("qwen2.5-coder-0.5b", as_(ADMIN))
    assert started(context) == ("models", "get", "--", "qwen2.5-coder-0.5b")


def test_a_model_that_is_here_is_used_from_the_next_start_on(
    context: AppContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.pages.upkeep.check_engine", lambda _: None)
    html, _ = SettingsActions(context).use("qwen2.5-coder-0.5b", as_(ADMIN))
    assert "after the next start" in html
    assert config.load(context.workspace.config_file, environment={})[0].engine.model == "qwen2.5-coder-0.5b"


@pytest.mark.parametrize(
    "name", ["", "--help", "all-minilm-l6-v2", "../x", "bundled", "x\0", "HuggingFaceTB/SmolLM2-135M"]
)
def test_only_language_models_of_the_catalogue_are_fetched_and_used(context: AppContext, name: str) -> None:
    actions, before = SettingsActions(context), context.workspace.config_file.read_text(encoding="utf-8")
    for act in (actions.fetch, actions.use):
        with pytest.raises(gr.Error, match="no language model"):
            act(name, as_(ADMIN))
    assert context.jobs.newest() is None
    assert context.workspace.config_file.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", [EXPERT, EDITOR, "nobody", ""])
def test_only_an_admin_fetches_and_uses_models(context: AppContext, name: str) -> None:
    actions, model = SettingsActions(context), "qwen2.5-coder-0.5b"
    assert actions.listed(as_(name)) == ""
    attacks: tuple[Callable[[], object], ...] = (
        lambda: actions.fetch(model, as_(name)),
        lambda: actions.use(model, as_(name)),
        lambda: actions.open(choosing(model), as_(name)),
        lambda: actions.opened(model, as_(name)),
    )
    for attack in attacks:
        with pytest.raises(gr.Error, match=r"role|signed in"):
            attack()
    assert context.jobs.newest() is None
