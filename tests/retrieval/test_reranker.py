"""A cross-encoder orders the hits by its own scores; what is none is refused in one line."""

import json
import shutil
from pathlib import Path

import pytest

from assistant import models
from assistant.cli import main
from assistant.config import DeviceSettings, Settings
from assistant.errors import ModelError
from assistant.retrieval.ranking import Reranker
from assistant.store.catalog import Catalog
from assistant.workspace import Workspace
from ingest.pipeline import ingest

QUESTION = "What is the deductible for hail damage to the roof?"
FILES = {
    "hail.md": "# Hail\n\nHail damage to the roof is covered. The deductible is 150 euros.",
    "flood.md": "# Flood\n\nFlood damage is covered after a waiting period of 30 days.",
    "trips.md": "# Trips\n\nA trip may last up to 56 days.",
    "luggage.md": "# Luggage\n\nLost luggage is paid up to 2,000 euros.",
    "teeth.md": "# Teeth\n\nDental prostheses are reimbursed at seventy percent.",
    "rules.md": "# Rules\n\n"
    + " ".join(f"Rule {n}: roofs, tiles and gutters are looked at every {n} years." for n in range(60)),
}
TOKENS = 128  # what the tiny model reads at most


def cross_encoder(folder: Path, labels: int = 1) -> Path:
    """A random cross-encoder of two layers with the tokenizer of the bundled embedder."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(models.embedder_folder("bundled"), model_max_length=TOKENS)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=TOKENS,
        initializer_range=0.3,  # wide enough for scores that differ
    )
    config.num_labels = labels
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def reference_scores(folder: Path, question: str, passages: list[str]) -> list[float]:
    """The model's scores by transformers alone, one passage at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = [
            model(**tokenizer(question, passage, truncation=True, max_length=TOKENS, return_tensors="pt")).logits
            for passage in passages
        ]
    return [torch.sigmoid(one).item() for one in logits]


@pytest.mark.slow
def test_hits_come_in_the_order_and_with_the_scores_of_the_model(
    workspace: Workspace, docs: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in FILES.items():
        (docs / name).write_text(text)
    ingest(workspace, "default", [docs], settings)
    folder = cross_encoder(tmp_path / "reranker")
    with pytest.raises(SystemExit) as ended:
        main(["search", QUESTION, "--json", "-k", "20", "--workspace", str(workspace.root),
              "--set", f"retrieval.reranker={folder}"])  # fmt: skip
    assert ended.value.code == 0
    hits = json.loads(capsys.readouterr().out)["hits"]

    catalog = Catalog(workspace.corpus("default"))
    chunks = list(catalog.live_chunks())
    catalog.close()
    scores = reference_scores(folder, QUESTION, [f"{chunk.context}\n{chunk.text}" for chunk in chunks])
    assert len({round(score, 4) for score in scores}) == len(chunks) >= len(FILES)
    by_place = {(chunk.document, chunk.start): score for chunk, score in zip(chunks, scores, strict=True)}
    found = [(hit["document"], hit["start"]) for hit in hits]
    assert found == [place for place in sorted(by_place, key=lambda place: -by_place[place]) if place in found]
    assert {document for document, _ in found} == set(FILES)
    assert [hit["score"] for hit in hits] == pytest.approx([by_place[place] for place in found], abs=1e-5)
    fused = sorted(hits, key=lambda hit: -(hit["scores"]["dense"] or 0))
    assert [hit["document"] for hit in fused] != [hit["document"] for hit in hits], "the order is the model's"


def test_only_the_best_candidates_are_read_by_it(
    workspace: Workspace, docs: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in FILES.items():
        (docs / name).write_text(text)
    ingest(workspace, "default", [docs], settings)
    folder = cross_encoder(tmp_path / "reranker")
    place = ["--json", "--workspace", str(workspace.root)]

    def found(*sets: str) -> list[str]:
        with pytest.raises(SystemExit):
            main(["search", QUESTION, *place, *(word for one in sets for word in ("--set", one))])
        return [hit["document"] for hit in json.loads(capsys.readouterr().out)["hits"]]

    first = found("retrieval.k=2")
    assert set(found(f"retrieval.reranker={folder}", "retrieval.rerank_candidates=2")) == set(first)


@pytest.mark.parametrize("kind", ["embedder", "language model", "empty folder", "broken", "three labels", "nowhere"])
def test_what_is_no_cross_encoder_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "model"
    if kind == "embedder":
        folder = models.embedder_folder("bundled")
    elif kind == "three labels":
        cross_encoder(folder, labels=3)
    elif kind != "nowhere":
        folder.mkdir()
    if kind == "language model":
        shutil.copy(models.embedder_folder("bundled") / "config.json", folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForCausalLM"]}))
    if kind == "broken":
        (folder / "config.json").write_text("{")
    with pytest.raises(ModelError) as caught:
        Reranker(str(folder), DeviceSettings()).scores("question", ["passage"])
    assert "\n" not in str(caught.value) and str(folder) in caught.value.message and caught.value.remedy


def test_a_cross_encoder_saved_by_its_library_is_one(tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(cross_encoder(tmp_path / "plain")), device="cpu").save_pretrained(str(tmp_path / "saved"))
    scores = [Reranker(str(tmp_path / name), DeviceSettings()).scores("a", ["b"]) for name in ("plain", "saved")]
    assert scores[0] == pytest.approx(scores[1])
