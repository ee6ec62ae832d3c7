"""``assistant adapters``, ``ask --adapter`` and the doctor: what a person sees of adapters."""

import json
from pathlib import Path

import pytest
from commands import run
from tiny import save_random, settings_for, tiny_model

from assistant.artifacts.cards import Staleness, adapter_names, compared, joined_documents, read_card, staleness
from assistant.workspace import Workspace

POLICY = "# Cover\n\nHail damage to the roof is covered. The deductible for hail damage is 150 euros for each claim.\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def place(base: Path, tmp_path: Path, docs: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace by environment with the adapter ``house``, and a document that can be taken in."""
    workspace = Workspace(tmp_path / "workspace")
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(workspace.root))
    monkeypatch.setenv("ASSISTANT_ENGINE__MODEL", str(base))
    monkeypatch.setenv("ASSISTANT_DEVICE__DTYPE", "float32")
    monkeypatch.setenv("ASSISTANT_INGEST__WORKERS", "1")
    save_random(settings_for(base), workspace.adapter("house"))
    (docs / "policy.md").write_text(POLICY)
    return workspace


def hashes(workspace: Workspace) -> dict[str, str]:
    from contextlib import closing

    from assistant.store.catalog import Catalog

    with closing(Catalog(workspace.corpus("default"))) as catalog:
        return {row.path: row.hash for row in catalog.files()}


def test_list_shows_what_one_chooses_by(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (place.adapters / "broken").mkdir()
    status, out, _ = run(capsys, "adapters", "list")
    lines = out.splitlines()
    assert status == 0 and lines[0].split()[:3] == ["name", "method", "base"]
    assert "2.500 → 1.500" in out and "2026-11-01 10:00" in out and "broken" in lines[1]
    assert any(line.startswith("! broken: ") and "card.json is damaged" in line for line in lines)
    rows = {row["name"]: row for row in json.loads(run(capsys, "adapters", "list", "--json")[1])["adapters"]}
    house = rows["house"]
    assert house["pairs"] == 15 and house["rank"] == 4 and house["share"] == 1000 / 400_000 and house["flags"] == []
    assert house["size"] == sum(path.stat().st_size for path in place.adapter("house").iterdir())


def test_an_empty_workspace_is_told_how_to_get_an_adapter(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(tmp_path))
    status, out, _ = run(capsys, "adapters", "list")
    assert status == 0 and "assistant train" in out
    assert json.loads(run(capsys, "adapters", "list", "--json")[1]) == {"adapters": []}


def test_show_tells_how_an_adapter_was_made(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "adapters", "show", "house")
    assert status == 0
    for said in ("0.25% of the base", "12 structure, 3 refusal", "2.500 → 1.500", "rank = 4"):
        assert said in out
    shown = json.loads(run(capsys, "adapters", "show", "house", "--json")[1])
    assert shown["canary"]["precision"] == "float32" and shown["path"] == str(place.adapter("house"))


def test_compose_makes_an_adapter_that_can_be_asked(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    save_random(settings_for(Path(read_card(place.adapter("house")).base)), place.adapter("tone"), seed=2)
    status, out, err = run(capsys, "adapters", "compose", "house:0.7", "tone:0.3", "--name", "both")
    assert (status, err) == (0, "") and "rank 8" in out and "relative error" in out
    made = json.loads(
        run(capsys, "adapters", "compose", "house:0.7", "tone:0.3", "--name", "lossy", "--method", "linear", "--json")[
            1
        ]
    )
    assert made["error"] > 0.1 and made["components"] == [["house", 0.7], ["tone", 0.3]]
    assert adapter_names(place.adapters) == ("both", "house", "lossy", "tone")


def test_export_and_remove(
    place: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = run(capsys, "adapters", "export", "house", "--to", str(tmp_path / "out"), "--format", "gguf")
    assert (status, err) == (0, "") and (tmp_path / "out/Modelfile").exists() and "README.md" in out
    monkeypatch.setattr("click.confirm", lambda _: False)
    assert run(capsys, "adapters", "remove", "house")[0] == 0 and adapter_names(place.adapters) == ("house",)
    assert run(capsys, "adapters", "remove", "house", "--yes")[0] == 0 and adapter_names(place.adapters) == ()


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("show", "none"), 1, "there are: house"),
        (("show", "../house"), 2, "'../house'"),
        (("remove", "house", "none", "--yes"), 1, "no adapter 'none'"),
        (("compose", "house", "--name", "x"), 2, "'house' is no adapter with a weight"),
        (("compose", "house:much", "--name", "x"), 2, "NAME:WEIGHT"),
        (("compose", "house:1", "--name", "../x"), 2, "'../x'"),
        (("compose", "house:1", "--name", "house"), 1, "exists"),
        (("compose", "house:1", "--name", "base"), 1, "stands for the base model"),
        (("compose", "house:1", "--name", "x", "--method", "mean"), 1, "Choose one of cat"),
        (("export", "none", "--to", "x"), 1, "no adapter 'none'"),
        (("export", "house", "--to", "x", "--format", "onnx"), 2, "gguf-lora"),
        (("export", "house"), 2, "--to"),
    ],
)
def test_wrong_words_are_answered_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, said: str
) -> None:
    got, out, err = run(capsys, "adapters", *arguments)
    assert (got, out) == (status, "") and said in err and "Traceback" not in err
    assert err.strip().count("\n") == 0


@pytest.mark.usefixtures("place")
def test_ask_answers_with_the_adapter_and_says_so(
    docs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, "ingest", str(docs))
    question = "What is the deductible for hail damage to the roof?"
    sure = (
        "--set",
        "answer.unsupported=show",
        "--set",
        "engine.max_new_tokens=32",
        "--set",
        "answer.prompt_tokens=900",
    )
    answers = {}
    for adapter in ("house", "base"):
        status, out, _ = run(capsys, "ask", question, "--adapter", adapter, "--json", *sure)
        answers[adapter] = json.loads(out)
        assert status == 0 and not answers[adapter]["refused"]
    assert answers["house"]["adapter"] == "house" and answers["base"]["adapter"] is None
    assert answers["house"]["answer"] != answers["base"]["answer"]
    (tmp_path / "questions.txt").write_text(f"{question}\n")
    _, out, _ = run(capsys, "ask", "--batch", str(tmp_path / "questions.txt"), "--adapter", "house", *sure)
    assert json.loads(out)["answer"] == answers["house"]["answer"]
    status, _, err = run(capsys, "ask", question, "--adapter", "none")
    assert status == 1 and "there are: house" in err
    assert run(capsys, "ask", question, "--adapter", "../x")[0] == 2


def test_documents_that_were_forgotten_or_changed_flag_their_adapters(
    place: Workspace, base: Path, docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (docs / "other.md").write_text("# Fire\n\nFire is covered up to the sum insured, smoke is covered as well.\n")
    run(capsys, "ingest", str(docs))
    save_random(settings_for(base), place.adapter("fresh"), card={"documents": hashes(place)})
    assert not staleness(read_card(place.adapter("fresh")), place)
    (docs / "policy.md").rename(docs / "renamed.md")  # is still there
    (docs / "other.md").write_text("# Fire\n\nFire is not covered any more, and smoke is not covered either.\n")
    run(capsys, "ingest")
    assert staleness(read_card(place.adapter("fresh")), place) == Staleness((), ("other.md",))
    (docs / "renamed.md").unlink()
    run(capsys, "ingest", "--yes")
    rows = {row["name"]: row for row in json.loads(run(capsys, "adapters", "list", "--json")[1])["adapters"]}
    assert rows["fresh"]["flags"] == ["1 document was forgotten since, 1 document was changed since"]
    assert "! fresh: 1 document was forgotten since" in run(capsys, "adapters", "list")[1]
    findings = {one["name"]: one for one in json.loads(run(capsys, "doctor", "--json")[1])}
    assert findings["adapter fresh"]["severity"] == "warning" and "policy.md" in findings["adapter fresh"]["message"]
    assert "assistant train" in findings["adapter fresh"]["remedy"]


def test_an_adapter_from_elsewhere_is_not_called_stale(place: Workspace) -> None:
    assert not staleness(read_card(place.adapter("house")), place)  # there is no corpus here
    assert (
        str(compared({"a": "1", "b": "2", "c": "3"}, {("b", "9")}))
        == "2 documents were forgotten since, 1 document was changed since"
    )


def test_of_a_composed_adapter_each_version_of_a_document_has_to_be_there() -> None:
    documents = joined_documents([{"a": "1", "b": "2"}, {"a": "9", "b": "2"}])
    assert compared(documents, {("a", "9"), ("b", "2")}) == Staleness((), ("a",))
    assert not compared(joined_documents([documents, {"c": "3"}]), {("a", "9"), ("z", "1"), ("b", "2"), ("c", "3")})


def test_the_doctor_names_what_is_wrong_with_an_adapter(
    place: Workspace, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_random(settings_for(base), place.adapter("lost"))
    (place.adapter("lost") / "adapter_model.safetensors").unlink()
    save_random(settings_for(tiny_model(tmp_path / "other", seed=4)), place.adapter("foreign"))
    status, out, _ = run(capsys, "doctor", "--json")
    findings = {one["name"]: one for one in json.loads(out)}
    assert status == 1
    assert findings["adapter house"]["severity"] == "ok"
    assert findings["adapter lost"]["severity"] == "error" and "missing" in findings["adapter lost"]["message"]
    assert findings["adapter foreign"]["severity"] == "warning" and findings["adapter foreign"]["remedy"]
