"""Whether vectors and shared words tell the same question in other words from a like one that asks something else.

    python -m bench.asked_again

``data/sample/asked_again.jsonl`` holds pairs of questions by hand. Checked answers are given for the same words only
and offered for near ones (``assistant/feedback/checked.py``); this is why.
"""

import json
from pathlib import Path

from assistant.config import Settings
from assistant.retrieval.embedder import Embedder
from assistant.text.quantities import quantities
from assistant.text.words import content_stems, detect, words

_PAIRS = Path(__file__).parent.parent / "data/sample/asked_again.jsonl"
_COSINES = (0.80, 0.85, 0.90, 0.95, 0.98)


def main() -> None:
    """Print how many pairs of each kind each rule takes for the same."""
    pairs = [json.loads(line) for line in _PAIRS.read_text(encoding="utf-8").splitlines()]
    counts = [sum(pair["same"] is same for pair in pairs) for same in (True, False)]
    print(f"| rule | same, of {counts[0]} | another, of {counts[1]} |\n|---|---|---|")
    settings = Settings()
    embedder = Embedder(settings.embedder, settings.device)
    measured = [(pair["same"], *_likeness(pair["checked"], pair["asked"], embedder)) for pair in pairs]
    for least in _COSINES:
        taken = [same for same, cosine, *_ in measured if cosine >= least]
        print(f"| same quantities, cosine from {least:.2f} | {sum(taken)} | {len(taken) - sum(taken)} |")
    for name, rule in (("the same content words", 2), ("the same words in the same order", 3)):
        taken = [row[0] for row in measured if row[rule]]
        print(f"| {name} | {sum(taken)} | {len(taken) - sum(taken)} |")


def _likeness(one: str, other: str, embedder: Embedder) -> tuple[float, bool, bool]:
    """(cosine, 0 where quantities differ; the same content words; the same words in order)."""
    language = detect(one, ("en", "de"))
    same_quantities = sorted(quantities(one)) == sorted(quantities(other))
    cosine = float(embedder.embed_question(one) @ embedder.embed_question(other)) if same_quantities else 0.0
    stems = sorted(content_stems(one, language)) == sorted(content_stems(other, language))
    return cosine, stems, words(one) == words(other)


if __name__ == "__main__":
    main()
