"""House voice: a classifier that tells texts in the voice of the house from answers of the base model.

Character 2- to 5-grams and words that carry grammar, in a logistic regression. What a text is *about* is masked, so
that the voice is all that is left: words of the question and of the passages that were shown, and all figures. The
classifier says how good it is by cross-validation, and is silent where it is not: an AUC below .75 withholds its
score.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.text.lexicon import vocabulary
from assistant.text.words import stems
from eval.metrics.score import Score

LEAST_AUC = 0.75
_FOLDS = 5
# Fewer of a kind, or from fewer documents, and the AUC itself would be an anecdote.
_FEWEST_TEXTS = 10
_WORD = re.compile(r"\w+")
# A letter that neither language writes, so that the mask is no word of a text.
_MASK = "ж"


@dataclass(frozen=True, slots=True)
class VoiceText:
    """A text to learn the voice from: masked (``masked``), with the document that it is about."""

    text: str
    document: str
    is_house: bool


@dataclass(frozen=True, slots=True)
class Voice:
    """A classifier of house voice, and how well it tells texts about documents that it has not seen."""

    auc: Score
    """Area under the ROC curve over cross-validation by document."""
    texts: int
    _model: Any

    def score(self, text: str) -> Score:
        """Probability (0..1) that a masked text is in the voice of the house; withheld if the AUC is too low."""
        if self.auc.value is None:
            return self.auc
        if self.auc.value < LEAST_AUC:
            return Score(None, f"house voice is told from the base model with AUC {self.auc.value:.2f} only")
        return Score(float(self._model.predict_proba([text])[0, 1]))


def masked(text: str, topic: str, language: str) -> str:
    """``text`` in lower case, with the words of its topic (question and passages) and all figures masked."""
    about = {stem for word, stem in _stemmed(topic, language) if word not in vocabulary("stopwords")}
    hidden = {word for word, stem in _stemmed(text, language) if stem in about}
    return _WORD.sub(
        lambda match: _MASK if match[0] in hidden or any(map(str.isdigit, match[0])) else match[0], text.casefold()
    )


def learn_voice(texts: Sequence[VoiceText]) -> Voice:
    """The classifier of some texts. Deterministic."""
    why = _too_few(texts)
    if why:
        return Voice(Score(None, why), len(texts), None)
    said = [text.text for text in texts]
    is_house = np.array([text.is_house for text in texts])
    auc = _cross_validated(said, is_house, [text.document for text in texts])
    return Voice(Score(auc), len(texts), _classifier().fit(said, is_house))


def _stemmed(text: str, language: str) -> list[tuple[str, str]]:
    found = sorted(set(_WORD.findall(text.casefold())))
    return [(word, " ".join(stems(word, language))) for word in found]


def _too_few(texts: Sequence[VoiceText]) -> str:
    fewest = min(sum(text.is_house == kind for text in texts) for kind in (True, False))
    documents = min(len({text.document for text in texts if text.is_house == kind}) for kind in (True, False))
    if fewest < _FEWEST_TEXTS or documents < _FOLDS:
        return (
            f"{fewest} texts about {documents} documents are too few to learn the house voice from"
            f" ({_FEWEST_TEXTS} and {_FOLDS} of each kind)"
        )
    return ""


def _cross_validated(texts: Sequence[str], is_house: "np.typing.NDArray[np.bool_]", documents: Sequence[str]) -> float:
    """AUC of the predictions for each fold by a classifier that saw no document of it."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(
        _classifier(), list(texts), is_house, groups=list(documents), cv=folds, method="predict_proba"
    )
    return float(roc_auc_score(is_house, predicted[:, 1]))


def _classifier() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    features = make_union(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
        TfidfVectorizer(vocabulary=sorted(vocabulary("stopwords")), token_pattern=r"\w+"),
    )
    return make_pipeline(features, LogisticRegression(class_weight="balanced", max_iter=1000))
