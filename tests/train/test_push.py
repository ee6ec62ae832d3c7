"""An adapter goes to the Hub with a card that the Hub reads, without what is private, and comes back whole."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import run
from hub import hub_here
from tiny import adapted, card_for, edited, save_random, settings_for, tiny_model

from assistant.artifacts.cards import AdapterScores, read_card, write_scores
from assistant.artifacts.hub import push_rows
from assistant.config import Settings
from assistant.errors import AdapterError, AssistantError, PairsError
from assistant.workspace import Workspace
from train.adapter_export import export, push
from train.foreign import import_adapter
from train.modelcard import model_card

SCORES = AdapterScores(
    "2026-12-01-house", 76, "house+rag", "x", {"usable": (0.5, 0.4, 0.6), "tokens": (3.0, None, None)}
)

# Two of the Hub, and what lies in folders of the house and looks as if it were.
PUBLIC = ("someone/chats", "openai/gsm8k/main")
NAMED = ["/home/me/mine.jsonl", "clients/acme-claims", "sets/house.jsonl", *PUBLIC]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for(tiny_model(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture
def place(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(workspace.root))
    monkeypatch.setenv("ASSISTANT_ENGINE__MODEL", settings.engine.model)
    data: dict[str, Any] = {"config": {"rank": 4, "data": NAMED, "columns": {"instruction": "ssn"}}}
    data |= {"hub_data": PUBLIC, "origin": "acme-claims"}
    save_random(settings, workspace.adapter("house"), card=data)
    write_scores(workspace.adapter("house"), SCORES)
    return workspace


def test_what_is_pushed_is_private_and_comes_back_with_its_lineage(
    settings: Settings, place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_here(monkeypatch) as hub:
        sent = push(settings.engine, place.adapters, "house", "me/house")
    assert hub.created[0]["name"] == "house" and hub.created[0]["visibility"] == "private"
    assert sent.address and sent.files == {name: len(content) for name, content in hub.files.items()}
    for private in (
        b"secret-host",
        b"policy.md",
        b"/home/me",
        b"acme",
        b"sets/house",
        b"ssn",
        str(Path(settings.engine.model).parent).encode(),
    ):
        assert not any(private in content for content in hub.files.values())
    for name, content in hub.files.items():
        (tmp_path / "sent").mkdir(exist_ok=True)
        (tmp_path / "sent" / name).write_bytes(content)
    card = import_adapter(settings, str(tmp_path / "sent"), place.adapter("again"), base=settings.engine.model)
    assert (card.pairs_counts, card.steps, card.origin) == ({"structure": 12, "refusal": 3}, 3, "sent")
    assert "data" not in card.config, "a stranger names no files that an evaluation reads"


def test_the_card_is_read_by_the_hubs_own_library(settings: Settings) -> None:
    from huggingface_hub import ModelCard

    card = card_for(settings, adapted(settings), config={"data": NAMED}, hub_data=PUBLIC)
    card = replace(card, name="house", base="qwen2.5-coder-0.5b")
    header: Any = ModelCard(model_card(card, 10, ["peft"], scores=SCORES)).data
    assert (header.base_model, header.license) == ("Qwen/Qwen2.5-Coder-0.5B-Instruct", "apache-2.0")
    assert (header.library_name, header.datasets, header.tags) == (
        "peft",
        ["someone/chats", "openai/gsm8k"],
        ["lora"],
    )
    usable, tokens = header.eval_results
    assert (usable.metric_type, usable.metric_value, usable.metric_args) == (
        "usable",
        0.5,
        {"95 % interval": [0.4, 0.6]},
    )
    assert usable.dataset_name == "76 questions of its owner" and tokens.metric_args is None
    stated = replace(card, base="/home/me/model", licence='mit"\n---\nx: ["', config={})
    odd: Any = ModelCard(model_card(stated, 10, ["peft"])).data
    assert odd.base_model is None and odd.license == stated.licence and odd.eval_results is None


def test_a_card_that_names_sets_outside_the_workspace_is_not_taken(
    settings: Settings, place: Workspace, tmp_path: Path
) -> None:
    export(settings.engine, "", place.adapters, "house", tmp_path / "sent", "hub")
    edited(tmp_path / "sent/card.json", lambda text: text.replace('"pairs": "default"', '"pairs": "../default"'))
    with pytest.raises(AssistantError, match=r"'\.\./default'"):
        import_adapter(settings, str(tmp_path / "sent"), place.adapter("again"), base=settings.engine.model)


def test_without_a_token_nothing_is_sent(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub_here(monkeypatch, token=None) as hub:
        status, out, err = run(capsys, "adapters", "push", "house", "me/house")
        assert (status, err) == (0, "") and "adapter_model.safetensors" in out and "no token: hf auth login" in out
    with hub_here(monkeypatch) as asked:
        sent = json.loads(run(capsys, "adapters", "push", "house", "me/house", "--dry-run", "--json")[1])
        assert sent["address"] == "" and "README.md" in sent["files"]
        status, out, _ = run(capsys, "adapters", "push", "house", "me/house", "--public")
    assert not hub.created and len(asked.created) == 1 and asked.created[0]["visibility"] == "public"
    assert status == 0 and "Sent to http" in out and read_card(place.adapter("house")).name == "house"


def test_a_repository_that_is_public_gets_nothing_unless_that_is_asked_for(
    settings: Settings, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_here(monkeypatch) as hub:
        hub.is_public = True
        with pytest.raises(AdapterError, match=r"me/house is there and public.*--public"):
            push(settings.engine, place.adapters, "house", "me/house")
        with pytest.raises(PairsError, match=r"me/toy is there and public"):
            push_rows({"train": [{"prompt": "x", "completion": "y"}]}, "me/toy", "Toy", "")
        assert not hub.files
        assert push(settings.engine, place.adapters, "house", "me/house", public=True).address
    assert hub.files


def test_a_card_for_everyone_names_no_private_set_and_no_adapter_of_the_house(
    settings: Settings, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = read_card(place.adapter("house"))
    own: dict[str, Any] = {"started_from": "mueller-gmbh", "components": (("mueller-ag", 0.5),), "hub_data": PUBLIC}
    config = {"rank": 4, "name": "mueller-letters", "adapter": "mueller-gmbh", "data": NAMED}
    save_random(settings, place.adapter("mueller-letters"), card={**own, "config": config, "corpus": card.corpus})
    with hub_here(monkeypatch) as hub:
        hub.is_public, hub.private_sets = True, ("someone/chats",)
        push(settings.engine, place.adapters, "mueller-letters", "me/letters", public=True)
        sent = json.loads(hub.files["card.json"])
        assert not any(b"mueller" in content or b"someone/chats" in content for content in hub.files.values())
        assert (sent["name"], sent["hub_data"]) == ("letters", ["openai/gsm8k/main"])
        assert sent["config"]["data"] == ["openai/gsm8k/main", "private data set"]
        assert b"# letters" in hub.files["README.md"] and b"another adapter" in hub.files["README.md"]
        hub.is_public = False
        push(settings.engine, place.adapters, "mueller-letters", "me/letters")
        assert json.loads(hub.files["card.json"])["hub_data"] == list(PUBLIC), "its owner alone sees it"


def test_the_card_of_what_learnt_from_data_does_not_say_that_it_answers_from_passages(settings: Settings) -> None:
    card = card_for(settings, adapted(settings), pairs="", pairs_counts={"data": 12}, documents={})
    text = model_card(card, 10, ["peft"])
    assert "conversations as they are" in text and "without passages" in text
    assert "answering from documents" not in text and "not trained to know facts" not in text


@pytest.mark.parametrize(
    ("repository", "status"), [("house", 200), ("me/house/x", 200), ("me/--", 200), ("me/house", 403)]
)
def test_what_the_hub_does_not_take_is_told_in_one_line(
    settings: Settings, place: Workspace, monkeypatch: pytest.MonkeyPatch, repository: str, status: int
) -> None:
    with hub_here(monkeypatch, status=status) as hub, pytest.raises(AssistantError) as caught:
        push(settings.engine, place.adapters, "house", repository)
    assert repository in str(caught.value) and "\n" not in str(caught.value) and caught.value.remedy
    assert not hub.files
