"""From features of the evidence to the probability that it answers: a logistic regression, fitted to one corpus.

The weights of a corpus lie beside its catalog and carry the identity of what they were fitted to. A corpus without
such a file, or with one of another embedder, is judged by the prior: weights fitted to several corpora. An example:

    {"features": 1, "embedder": "3f…", "documents": ["9c1b0a2e", …], "answerable": 120, "unanswerable": 160,
     "weights": [0.41, …], "threshold": 0.38, "precision": 0.86, "recall": 0.74}
"""

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from assistant.errors import WorkspaceError
from assistant.store.catalog import CALIBRATION_FILE
from assistant.store.index import Index
from assistant.workspace import replaced_atomically

# Raised when a feature means something else than before: weights of old are then no longer used.
FEATURES_VERSION = 1
# So much of a hash tells the documents of one corpus apart.
_HASH_DIGITS = 8
# From this share of new and lost documents on, a corpus is another one; to fit anew takes 4 of the sample's 13 s.
_MUCH = 0.2

# Made by ``python -m bench.refusal --prior``, one a feature, in the order of FEATURES; docs/refusal.md says from what.
_PRIOR_CENTRES = (0.0983, 0.4559, 0.6147, 0.6051, 0.0556, 1.8576)
_PRIOR_SCALES = (0.0772, 0.3458, 0.2934, 0.2888, 0.1517, 0.4659)
_PRIOR_WEIGHTS = (0.5588, 0.7304, -0.0387, 1.1522, 0.4300, 0.7978, 0.1722)
"""Of the features, centred and scaled, and the bias last."""
_PRIOR_THRESHOLD = 0.2
"""Probability; about what the corpora that the weights are fitted to come to themselves (0.14 to 0.34)."""

Rows = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the evidence of one corpus is judged. Evidence below ``threshold`` is refused."""

    weights: tuple[float, ...]
    """One a feature, in their order, and the bias last; features are centred and scaled as in the prior."""
    threshold: float
    """Probability that the evidence answers."""
    features: int = FEATURES_VERSION
    embedder: str = ""
    """Fingerprint; empty for the prior, which serves all."""
    documents: tuple[str, ...] = ()
    """The first digits of the content hashes of what it was fitted to, sorted."""
    answerable: int = 0
    unanswerable: int = 0
    """How many questions of each kind it was fitted to."""
    precision: float | None = None
    recall: float | None = None
    """Of refusals at the threshold, on those questions as if a fifth had no answer; None for the prior."""

    def in_words(self) -> str:
        """What becomes of questions that the documents do not answer, for people who ask them."""
        refused = "Questions that the documents do not answer are refused"
        if self.precision is None or self.recall is None:
            return f"{refused}: at once, or when the answer is checked against the documents."
        return (
            f"{refused}: {_in_ten(self.recall)} at once, others when the answer is checked against the documents."
            f" {_in_ten(1 - self.precision).capitalize()} refusals are mistaken"
            f" (tried on {self.answerable + self.unanswerable} questions made for that)."
        )

    def __str__(self) -> str:
        """The figures in one line."""
        if self.precision is None or self.recall is None:
            return f"refuses below {self.threshold:.2f}, by the prior"
        return (
            f"refuses below {self.threshold:.2f}: precision {self.precision:.2f}, recall {self.recall:.2f}"
            f" ({self.answerable} + {self.unanswerable} questions made from the documents)"
        )

    def probability(self, features: Sequence[float]) -> float:
        """Probability that evidence with these features answers its question."""
        return float(probabilities(standardised(np.asarray([features])), np.asarray(self.weights))[0])

    def fits(self, hashes: Collection[str], embedder: str) -> bool:
        """Whether it still stands for documents with these content hashes, embedded by ``embedder``."""
        then, now = set(self.documents), set(short(hashes))
        return self.embedder == embedder and len(then ^ now) <= _MUCH * max(len(then), len(now), 1)


def _in_ten(share: float) -> str:
    return {0: "hardly any", 10: "nearly all"}.get(round(10 * share), f"about {10 * share:.0f} in 10")


PRIOR = Calibration(_PRIOR_WEIGHTS, _PRIOR_THRESHOLD)

_STORED = TypeAdapter(Calibration)


def short(hashes: Collection[str]) -> tuple[str, ...]:
    """Content hashes as a calibration keeps them."""
    return tuple(sorted({one[:_HASH_DIGITS] for one in hashes}))


def standardised(features: Rows) -> Rows:
    """Features (n, f) as the weights take them (n, f + 1): centred, scaled, and a 1 for the bias.

    One that is not a number counts as average.
    """
    scaled = np.nan_to_num((features - np.asarray(_PRIOR_CENTRES)) / np.asarray(_PRIOR_SCALES), nan=0.0)
    return np.column_stack([scaled, np.ones(len(scaled))])


def probabilities(rows: Rows, weights: Rows) -> Rows:
    """Logistic function of the weighted sums of standardised rows (n, f + 1)."""
    result: Rows = 1.0 / (1.0 + np.exp(-np.clip(rows @ weights, -30.0, 30.0)))
    return result


def calibration_of(corpus: Index, embedder: str) -> Calibration:
    """The calibration of a corpus; the prior where there is none for this embedder and version."""
    content = corpus.calibration()
    try:
        stored = PRIOR if content is None else _read(content)
    except ValidationError:
        return PRIOR
    is_ours = stored.features == FEATURES_VERSION and stored.embedder == embedder
    return stored if is_ours and len(stored.weights) == len(PRIOR.weights) else PRIOR


@functools.lru_cache(maxsize=8)
def _read(content: bytes) -> Calibration:
    return _STORED.validate_json(content)


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Keep a calibration beside its catalog. Raises WorkspaceError when the folder cannot be written."""
    try:
        for left_by_killed in folder.glob(f".{CALIBRATION_FILE}.*.tmp"):
            left_by_killed.unlink(missing_ok=True)
        with replaced_atomically(folder / CALIBRATION_FILE) as beside:
            beside.write_bytes(_STORED.dump_json(calibration, indent=1))
    except OSError as error:
        raise WorkspaceError(f"Cannot write to {folder}: {error.strerror}.", "Check rights and free space.") from None
