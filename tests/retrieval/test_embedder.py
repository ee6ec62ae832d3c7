"""Embedding: the vectors of the model's own library, in order, whatever the batches."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant import models
from assistant.config import DeviceSettings, EmbedderSettings, IngestSettings
from assistant.errors import ModelError
from assistant.retrieval.embedder import Embedder, _plain_pooling, batches_within
from assistant.retrieval.tokens import TokenCounter
from ingest.worker import recipe_from

TEXTS = [
    "Hail damage to the roof is covered.",
    "x",
    "",
    "Der Versicherungsnehmer zeigt den Schaden unverzüglich an. " * 3,
    "A trip may last up to 56 days. " * 12,
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(EmbedderSettings(), DeviceSettings(dtype="float32"))


def test_batches_hold_every_text_once_within_the_budget() -> None:
    lengths = [3, 9, 1, 30, 7, 7]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    batches = batches_within(16, order, lengths)
    assert [one for batch in batches for one in batch] == order
    assert all(len(batch) == 1 or len(batch) * max(lengths[one] for one in batch) <= 16 for batch in batches)


@pytest.mark.slow
def test_vectors_equal_those_of_sentence_transformers(embedder: Embedder) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(embedder.folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert np.abs(embedder.embed_texts(TEXTS) - reference).max() < 1e-5


def test_vectors_are_unit_length_and_do_not_depend_on_the_batch(embedder: Embedder) -> None:
    together = embedder.embed_texts(TEXTS)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.allclose(embedder.embed_texts([text])[0], vector, atol=1e-5)
        assert np.allclose(embedder.embed_question(text), vector, atol=1e-5)


def test_nothing_gives_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed_texts([]).shape == (0, 384)


def test_bfloat16_changes_a_vector_little(embedder: Embedder) -> None:
    half = Embedder(EmbedderSettings(), DeviceSettings(dtype="bfloat16"))
    cosines = (embedder.embed_texts(TEXTS) * half.embed_texts(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.999


def test_languages_that_the_embedder_does_not_know_are_told() -> None:
    german = Embedder(EmbedderSettings(languages=("de",)), DeviceSettings())
    every = Embedder(EmbedderSettings(languages=()), DeviceSettings())
    bundled = Embedder(EmbedderSettings(), DeviceSettings())
    assert bundled.understands("en") and not bundled.understands("de")
    assert german.understands("de") and german.understands("") and not german.understands("en")
    assert every.understands("fi")


def test_the_fingerprint_tells_prefixes_apart(embedder: Embedder) -> None:
    prefixed = Embedder(EmbedderSettings(query_prefix="query: "), DeviceSettings())
    assert prefixed.fingerprint != embedder.fingerprint


PROMPTS = {"query": "Represent this question for finding passages: ", "document": "passage: "}
LEGACY = {"pooling_mode_mean_tokens": True}


def with_prompts(folder: Path, prompts: dict[str, str], **pooling: Any) -> Path:
    """The bundled embedder, declaring prompts."""
    shutil.copytree(models.embedder_folder("bundled"), folder)
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": prompts, "default_prompt_name": next(iter(prompts), None)})
    )
    (folder / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 384, **pooling}))
    return folder


def embedder_in(folder: Path, **settings: Any) -> Embedder:
    return Embedder(EmbedderSettings(model=str(folder), **settings), DeviceSettings(dtype="float32"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompts", "pooling", "plain"),
    [
        (PROMPTS, LEGACY, True),
        (PROMPTS, {"pooling_mode": "mean"}, True),
        (PROMPTS, {"pooling_mode": "mean", "include_prompt": False}, True),
        (PROMPTS, {"pooling_mode": "cls", "include_prompt": False}, True),
        (PROMPTS, {"pooling_mode": "max"}, False),
        (PROMPTS, {"pooling_mode": "max", "include_prompt": False}, False),
        ({"query": "query: "}, LEGACY, True),
        ({"query": "query: ", "passage": "passage: "}, LEGACY, True),
        ({"summary": "Summarise: "}, {"pooling_mode": "max"}, False),
    ],
    ids=str,
)
def test_declared_prompts_are_used_as_sentence_transformers_does(
    prompts: dict[str, str], pooling: dict[str, Any], plain: bool, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = with_prompts(tmp_path / "model", prompts, **pooling)
    assert (_plain_pooling(folder) is not None) is plain
    ours, reference = embedder_in(folder), SentenceTransformer(str(folder), device="cpu")
    texts = [text for text in TEXTS if text]
    documents = reference.encode_document(texts, normalize_embeddings=True)
    assert (ours.embed_texts(texts) * documents).sum(axis=1).min() > 0.999
    for text in texts:
        query = reference.encode_query(text, normalize_embeddings=True)
        assert float(ours.embed_question(text) @ query) > 0.999


def test_a_prefix_that_is_set_takes_the_place_of_the_models_own_and_an_empty_one_is_none(tmp_path: Path) -> None:
    folder = with_prompts(tmp_path / "model", PROMPTS, **LEGACY)
    own, none = embedder_in(folder), embedder_in(folder, query_prefix="", document_prefix="")
    mine = embedder_in(folder, query_prefix=PROMPTS["query"], document_prefix="text: ")
    question = own.embed_question("Is hail covered?")
    assert np.allclose(question, none.embed_question(PROMPTS["query"] + "Is hail covered?"), atol=1e-5)
    assert np.allclose(question, mine.embed_question("Is hail covered?"), atol=1e-5)
    assert float(question @ none.embed_question("Is hail covered?")) < 0.99
    assert np.allclose(mine.embed_texts(["Hail."]), none.embed_texts(["text: Hail."]), atol=1e-5)


def test_an_index_made_without_the_prompts_of_its_model_is_not_searched_and_any_other_is(tmp_path: Path) -> None:
    declaring = with_prompts(tmp_path / "declaring", PROMPTS, **LEGACY)
    silent = with_prompts(tmp_path / "silent", {}, **LEGACY)
    assert embedder_in(declaring).fingerprint != models.fingerprint(declaring)
    assert embedder_in(declaring, query_prefix="", document_prefix="").fingerprint == models.fingerprint(declaring)
    assert embedder_in(silent).fingerprint == models.fingerprint(silent)
    assert Embedder(EmbedderSettings(), DeviceSettings()).fingerprint == models.fingerprint(
        models.embedder_folder("bundled")
    )


def test_the_prompt_of_a_passage_takes_its_part_of_the_window(tmp_path: Path) -> None:
    folder = with_prompts(tmp_path / "model", PROMPTS, **LEGACY)
    tokens = embedder_in(folder).tokens
    prompt = TokenCounter(folder).count(PROMPTS["document"])
    assert prompt > 1 and tokens.room == tokens.window - prompt
    assert recipe_from(IngestSettings(), tokens).budget.largest == tokens.window - prompt
    assert recipe_from(IngestSettings(window_tokens=64), tokens).budget.largest == 64
    bundled = Embedder(EmbedderSettings(), DeviceSettings()).tokens
    assert recipe_from(IngestSettings(), bundled).budget.largest == bundled.window


def test_a_window_is_no_larger_than_is_set_however_much_the_embedder_reads(tmp_path: Path) -> None:
    folder = with_prompts(tmp_path / "model", {}, **LEGACY)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 8192}))
    tokens = embedder_in(folder).tokens
    for settings, expected in ((IngestSettings(), 256), (IngestSettings(window_tokens=0), tokens.room)):
        assert recipe_from(settings, tokens).budget.largest == expected


def test_a_declaration_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    folder = with_prompts(tmp_path / "model", PROMPTS, **LEGACY)
    for text in ("{", "[]", '{"prompts": 3}'):
        (folder / "config_sentence_transformers.json").write_text(text)
        with pytest.raises(ModelError, match="config_sentence_transformers"):
            embedder_in(folder)
