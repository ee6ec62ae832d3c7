"""House voice: a classifier that tells texts in the voice of the house from answers of the base model.

Character 2- to 5-grams and words that carry grammar, in a logistic regression. What a text is *about* is masked, so
that the voice is all that is left: words of the question and of the passages that were shown, and all figures. The
classifier says how good it is by cross-validation, and is silent where it is not: an AUC below .75 withholds its
score.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.artifacts.pairs import Pair
from assistant.text.lexicon import vocabulary
from assistant.text.words import WORD, stems
from assistant.types import Answer
from eval.cases import Case
from eval.metrics import REFUSED, Score
from eval.results import System

LEAST_AUC = 0.75  # halfway from chance to certainty
NO_VOICE = Score(None, "no house voice was given: none of the adapters was trained on tone examples")
_FOLDS = 5  # documents of each kind at least, so that every fold leaves some out
# Fewer of a kind, or from fewer documents, and the AUC itself would be an anecdote.
_FEWEST_TEXTS = 10
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
    return WORD.sub(
        lambda match: _MASK if match[0] in hidden or any(map(str.isdigit, match[0])) else match[0], text.casefold()
    )


def learn_voice(texts: Sequence[VoiceText]) -> Voice:
    """The classifier of some texts. Deterministic."""
    fewest = min(sum(text.is_house == kind for text in texts) for kind in (True, False))
    documents = min(len({text.document for text in texts if text.is_house == kind}) for kind in (True, False))
    if fewest < _FEWEST_TEXTS or documents < _FOLDS:
        why = (
            f"{fewest} texts about {documents} documents are too few to learn the house voice from"
            f" ({_FEWEST_TEXTS} and {_FOLDS} of each kind)"
        )
        return Voice(Score(None, why), len(texts), None)
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    said, about = [text.text for text in texts], [text.document for text in texts]
    is_house = np.array([text.is_house for text in texts])
    # Each fold is predicted by a classifier that saw no document of it.
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(_classifier(), said, is_house, groups=about, cv=folds, method="predict_proba")
    auc = float(roc_auc_score(is_house, predicted[:, 1]))
    return Voice(Score(auc), len(texts), _classifier().fit(said, is_house))


def voice_of(cases: Sequence[Case], answers: Mapping[System, Sequence[Answer]], pairs: Iterable[Pair]) -> Voice | None:
    """The voice of the house: tone examples that adapters learnt from against answers of the base model.

    None without either. The base model's own answers have taught the classifier and look further from the house than
    they are; compare adapters with each other, or read the AUC beside it.
    """

    def house_text(pair: Pair) -> VoiceText:
        topic = " ".join([pair.instruction, *(passage.text for passage in pair.passages)])
        document = pair.document or next((passage.document for passage in pair.passages), "") or pair.id
        return VoiceText(masked(pair.response, topic, pair.language or "en"), document, is_house=True)

    # Each once: adapters may have learnt from the same pairs.
    house = list(dict.fromkeys(house_text(pair) for pair in pairs if pair.source == "tone"))
    base = [
        VoiceText(_masked_answer(answer, case.language), case.cluster, is_house=False)
        for system, some in answers.items()
        if system.adapter is None and system.kind in {"closed book", "retrieval"}
        for case, answer in zip(cases, some, strict=True)
        if not answer.refused and not answer.quoted and answer.text.strip()
    ]
    return learn_voice([*house, *base]) if house and base else None


def voice_score(voice: Voice | None, answer: Answer, language: str) -> Score:
    """How likely an answer is in the voice of the house."""
    if answer.refused:
        return Score(None, REFUSED)
    if not answer.text.strip():
        return Score(None, "the answer has no words")
    return voice.score(_masked_answer(answer, language)) if voice else NO_VOICE


def _masked_answer(answer: Answer, language: str) -> str:
    return masked(answer.text, " ".join([answer.question, *(hit.text for hit in answer.hits)]), language)


def _stemmed(text: str, language: str) -> list[tuple[str, str]]:
    found = sorted(set(WORD.findall(text.casefold())))
    return [(word, " ".join(stems(word, language))) for word in found]


def _classifier() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    features = make_union(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
        TfidfVectorizer(vocabulary=sorted(vocabulary("stopwords")), token_pattern=r"\w+"),
    )
    return make_pipeline(features, LogisticRegression(class_weight="balanced", max_iter=1000))
