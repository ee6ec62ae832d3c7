"""Embedding: the vectors of the model's own library, in order, whatever the batches."""

import numpy as np
import pytest

from assistant.config import DeviceSettings, EmbedderSettings
from assistant.embedder import Embedder, _batches

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
    batches = _batches(order, lengths, 16)
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
    assert german.understands("de") and german.understands("") and not german.understands("en")
    assert every.understands("fi")


def test_the_fingerprint_tells_prefixes_apart(embedder: Embedder) -> None:
    prefixed = Embedder(EmbedderSettings(query_prefix="query: "), DeviceSettings())
    assert prefixed.fingerprint != embedder.fingerprint
