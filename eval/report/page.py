"""results.json, per_question.jsonl and costs.json as one HTML file, without anything from elsewhere.

Every text is a stranger's: the templates escape all of it, what does not print is shown by its code, and the page
forbids any script but its own.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from assistant.artifacts.evaluation import FEWEST_QUESTIONS
from assistant.render.templates import environment
from assistant.text.printing import visible
from eval.measures import GRADED, measure_of
from eval.metrics.usable import OUTCOMES
from eval.report import names, wording
from eval.report.decision import counted, decision_of
from eval.report.figures import figures_of
from eval.report.opinions import Opinions
from eval.report.questions import Facets, partners_of, questions
from eval.report.support import read_measured
from eval.results import ALL_STAGES, FAILURES, Costs, Results, Row, System
from eval.trust import FEWEST_RATINGS

_TEMPLATES = Path(__file__).parent / "templates"
_SECTIONS: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    ("Decision", (("gate", "Gate"), ("matrix", "Systems"), ("failures", "First failures"), ("effects", "Effects"))),
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


def page_of(
    results: Results,
    rows: Iterable[Row],
    costs: Costs,
    fingerprint: str,
    opinions: Opinions,
    worst: Sequence[Row],
) -> Iterator[str]:
    """The page in parts, in order.

    ``fingerprint`` is the hash of results.json that a signature stands for; ``worst`` are the questions with the worst
    answers.
    """
    templates = environment(_TEMPLATES, partial(visible, keep_lines=True))
    for tool in (wording.number, wording.signed, wording.interval_of, wording.difference_of, wording.why_nothing,
                 wording.size_of, wording.duration_of, wording.tone_of, names.title_of, names.meaning_of,
                 names.effect_title, names.system_words, names.formula_of, names.typeset, _breakable):  # fmt: skip
        templates.filters[tool.__name__.lstrip("_")] = tool
    shown = _shown(results, rows, costs, fingerprint, opinions) | {"worst": worst}
    return templates.get_template("report.html.jinja").generate(shown)


def _shown(results: Results, rows: Iterable[Row], costs: Costs, fingerprint: str, opinions: Opinions) -> dict[str, Any]:
    script = (_TEMPLATES / "questions.js").read_text(encoding="utf-8")
    facets, findings = Facets(results), wording.findings(results)
    return {
        "results": results,
        "costs": costs,
        "fingerprint": fingerprint,
        "findings": findings,
        "decision": decision_of(results),
        "sections": _sections(results),
        "figures": figures_of(results, costs, findings),
        "headline": measure_of(results.primary[0]),
        "graded": GRADED,
        "primary": [measure_of(name) for name in results.primary],
        "grid": _grid(results),
        "contrasts": _contrasts(results),
        "partner": partners_of(results.systems, results.gate.system)[results.gate.system],
        "questions": questions(rows, results, facets, opinions, costs.timings),
        "opinions": opinions,
        "measured": read_measured(),
        "asked": wording.ASKED_WORDS,
        "facets": [(name, facets.choices(letter)) for name, letter in _FACETS],
        "failures": FAILURES,
        "failure_titles": names.FAILURE_TITLES,
        "failure_meanings": names.FAILURE_MEANINGS,
        "failure_groups": names.failure_groups(results),
        "counted": counted,
        "outcomes": OUTCOMES,
        "outcome_meanings": names.OUTCOME_MEANINGS,
        "outcome_tones": wording.OUTCOME_TONES,
        "outcome_signs": wording.OUTCOME_SIGNS,
        "status_words": wording.STATUS_WORDS,
        "status_signs": wording.STATUS_SIGNS,
        "stages": _stages(costs),
        "all_stages": ALL_STAGES,
        "fewest": FEWEST_QUESTIONS,
        "fewest_ratings": FEWEST_RATINGS,
        # Both are files of ours, the only text that is not escaped.
        "style": Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def _sections(results: Results) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of sections, each with its id and name; what was not asked or not measured has none."""
    is_there = {
        "gate": bool(results.gate.lights),
        "style": bool(results.style.rules) or results.style.voice_auc.value is not None,
        "forgetting": bool(results.language_models),
    }
    return [(group, [one for one in sections if is_there.get(one[0], True)]) for group, sections in _SECTIONS]


def _stages(costs: Costs) -> list[str]:
    """In the order of the system that has most of them; the sum stands last."""
    by_length = sorted((cost.stages for cost in costs.systems.values()), key=len, reverse=True)
    known = dict.fromkeys(stage for stages in by_length for stage in stages)
    return sorted(known, key=lambda stage: stage == ALL_STAGES)


def _breakable(name: str) -> Markup:
    """A name that may go on in the next line behind an underscore."""
    return escape(visible(name)).replace("_", Markup("_<wbr>"))


def _grid(results: Results) -> list[tuple[str, System | None, System | None]]:
    """Adapter, its system without retrieval, its system with: A and B, C and D."""
    plain = [system for system in results.systems if system.kind in {"closed book", "retrieval"}]
    by_kind = {(system.adapter, system.kind): system for system in plain}
    return [
        (adapter or "base model", by_kind.get((adapter, "closed book")), by_kind.get((adapter, "retrieval")))
        for adapter in dict.fromkeys(system.adapter for system in plain)
    ]


def _contrasts(results: Results) -> dict[tuple[str, str], dict[str, Any]]:
    """(name, formula) → metric → effect."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for effect in results.effects:
        found.setdefault((effect.name, effect.formula), {})[effect.metric] = effect
    return found
