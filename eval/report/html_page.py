"""results.json, per_question.jsonl and costs.json as one HTML file, without anything from elsewhere.

Every text is a stranger's: the templates escape all of it, what does not print is shown by its code, and the page
forbids any script but its own.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from assistant.artifacts.evaluations import FEWEST_QUESTIONS, Changes, Wording, reason_of, verdict_of, words_in
from assistant.render import environment
from assistant.text.languages import Language
from assistant.text.printing import visible
from eval.human_agreement import FEWEST_RATINGS, Opinions
from eval.metrics import GRADED, metric_of
from eval.metrics.grounding import read_checker_report
from eval.metrics.usable import OUTCOMES
from eval.report import labels
from eval.report.decision import counted, decision_of
from eval.report.figures import figures_of
from eval.report.question_views import Facets, partners_of, question_views
from eval.results import ALL_STAGES, FAILURES, CaseRow, Costs, Results

_TEMPLATES = Path(__file__).parent / "templates"
SECTIONS: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    (
        "Decision",
        (
            ("changes", "Before and after"),
            ("gate", "Gate"),
            ("matrix", "Systems"),
            ("failures", "First failures"),
            ("effects", "Effects"),
        ),
    ),
    (
        "Measures",
        (
            ("retrieval", "Retrieval"),
            ("answers", "Answers"),
            ("grounding", "Grounding"),
            ("refusals", "Refusals"),
            ("style", "Style"),
            ("forgetting", "Forgetting"),
            ("cost", "Cost"),
        ),
    ),
    ("Questions", (("slices", "Slices"), ("questions", "Every question"))),
    ("Proof", (("trust", "Trust"), ("data", "Data"), ("sign", "Signature"))),
)
"""The sections by group, in the order of the page."""
_FACETS = (("kind", "k"), ("language", "l"), ("tag", "t"))


@cache  # to compile them takes longer than to fill them in
def _templates(language: Language) -> Environment:
    """The templates in the words of a language."""
    printable = partial(visible, keep_lines=True)
    templates, words = environment(_TEMPLATES, printable), words_in(language)
    for tool in (labels.number, labels.signed, labels.interval_of, labels.difference_of, labels.why_nothing,
                 labels.size_of, labels.duration_of, labels.tone_of, labels.title_of, labels.meaning_of,
                 labels.effect_title, labels.formula_of, labels.typeset):  # fmt: skip
        templates.filters[tool.__name__] = tool

    def text(ours: str, /, **values: object) -> Markup:
        """A text of ours, which may have tags, with values of strangers in its places."""
        return Markup(words(ours)).format(
            **{name: one if isinstance(one, Markup) else printable(str(one)) for name, one in values.items()}
        )

    templates.globals["t"] = text
    templates.filters["t"] = words
    templates.filters["reason_of"] = partial(reason_of, words=words)
    templates.filters["system_words"] = partial(labels.system_words, words=words)
    # A name may go on in the next line behind an underscore.
    templates.filters["breakable"] = lambda name: escape(visible(name)).replace("_", Markup("_<wbr>"))
    return templates


def page_of(
    results: Results,
    rows: Iterable[CaseRow],
    costs: Costs,
    fingerprint: str,
    opinions: Opinions,
    worst: Sequence[CaseRow],
    changes: Changes | None,
    language: Language = "en",
) -> Iterator[str]:
    """The page in parts, in order, in the words of a language.

    ``fingerprint`` is the hash of results.json that a signature stands for; ``worst`` are the questions with the worst
    answers, ``changes`` those that another system, or an earlier run, answered otherwise.
    """
    words, script = words_in(language), (_TEMPLATES / "questions.js").read_text(encoding="utf-8")
    template = _templates(language).get_template("report.html.jinja")
    return template.generate(
        _facts(results, costs, changes, words)
        | _questions(results, rows, costs, opinions)
        | {
            "fingerprint": fingerprint,
            "opinions": opinions,
            "worst": worst,
            "language": language,
            # Both are files of ours, the only text that is not escaped.
            "style": Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
            "script": Markup(script),
            "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        }
    )


def _facts(results: Results, costs: Costs, changes: Changes | None, words: Wording) -> dict[str, Any]:
    """What the page says of the run as a whole."""
    # What was not asked or not measured has no section.
    is_there = {
        "changes": changes is not None,
        "gate": bool(results.gate.lights),
        "style": bool(results.style.rules) or results.style.voice_auc.value is not None,
        "forgetting": bool(results.language_models),
    }
    summaries = labels.effect_summaries(results, words)
    # (name, formula) → metric → effect
    contrasts: dict[tuple[str, str], dict[str, Any]] = {}
    for effect in results.effects:
        contrasts.setdefault((effect.name, effect.formula), {})[effect.metric] = effect
    # Stages in the order of the system that has most of them; the sum stands last.
    by_length = sorted((cost.stages for cost in costs.systems.values()), key=len, reverse=True)
    stages = dict.fromkeys(stage for some in by_length for stage in some)
    # Adapter, its system without retrieval, its system with: A and B, C and D.
    plain = [system for system in results.systems if system.kind in {"closed book", "retrieval"}]
    by_kind = {(system.adapter, system.kind): system for system in plain}
    return {
        "results": results,
        "costs": costs,
        "changes": changes,
        "findings": summaries,
        "decision": decision_of(results, words),
        "verdict": verdict_of(results.gate, words),
        "sections": [(group, [one for one in sections if is_there.get(one[0], True)]) for group, sections in SECTIONS],
        "figures": figures_of(results, costs, summaries, words),
        "headline": metric_of(results.primary[0]),
        "graded": GRADED,
        "primary": [metric_of(name) for name in results.primary],
        "grid": [
            (adapter or words("base model"), by_kind.get((adapter, "closed book")), by_kind.get((adapter, "retrieval")))
            for adapter in dict.fromkeys(system.adapter for system in plain)
        ],
        "contrasts": contrasts,
        "measured": read_checker_report(),
        "stages": sorted(stages, key=lambda stage: stage == ALL_STAGES),
        "all_stages": ALL_STAGES,
        "status_words": labels.STATUS_WORDS,
        "status_signs": labels.STATUS_SIGNS,
        "fewest": FEWEST_QUESTIONS,
        "fewest_ratings": FEWEST_RATINGS,
    }


def _questions(results: Results, rows: Iterable[CaseRow], costs: Costs, opinions: Opinions) -> dict[str, Any]:
    """Every question, and what its outcomes and failures are called."""
    facets = Facets(results)
    return {
        "partner": partners_of(results.systems, results.gate.system)[results.gate.system],
        "questions": question_views(rows, results, facets, opinions, costs.timings),
        "asked": labels.ASKED_WORDS,
        "facets": [(name, facets.choices(letter)) for name, letter in _FACETS],
        "failures": FAILURES,
        "failure_titles": labels.FAILURE_TITLES,
        "failure_meanings": labels.FAILURE_MEANINGS,
        "failure_groups": labels.failure_groups(results),
        "counted": counted,
        "outcomes": OUTCOMES,
        "outcome_meanings": labels.OUTCOME_MEANINGS,
        "outcome_tones": labels.OUTCOME_TONES,
        "outcome_signs": labels.OUTCOME_SIGNS,
    }
