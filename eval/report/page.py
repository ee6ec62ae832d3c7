"""results.json, per_question.jsonl and costs.json as one HTML file, without anything from elsewhere.

Every text is a stranger's: the templates escape all of it, what does not print is shown by its code, and the page
forbids any script but its own.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from assistant.presentation import visible
from eval.comparison import FEWEST_QUESTIONS
from eval.measures import measure_of
from eval.report import names, wording
from eval.report.figures import figures_of
from eval.report.opinions import Opinions
from eval.report.questions import Facets, partners_of, questions
from eval.report.support import read_measured
from eval.results import ALL_STAGES, FAILURES, RIGHT, Costs, Results, Row, System
from eval.trust import FEWEST_RATINGS

_TEMPLATES = Path(__file__).parent / "templates"
_FACETS = (("kind", "k"), ("language", "l"), ("tag", "t"))


def page_of(results: Results, rows: Iterable[Row], costs: Costs, fingerprint: str, opinions: Opinions) -> Iterator[str]:
    """The page in parts, in order; ``fingerprint`` is the hash of results.json that a signature stands for."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for tool in (wording.number, wording.signed, wording.interval_of, wording.difference_of, wording.why_nothing,
                 wording.size_of, wording.duration_of, wording.tone_of, names.title_of, names.meaning_of,
                 names.effect_title, names.system_words, names.formula_of, names.typeset, _breakable):  # fmt: skip
        environment.filters[tool.__name__.lstrip("_")] = tool
    return environment.get_template("report.html.jinja").generate(_shown(results, rows, costs, fingerprint, opinions))


def _shown(results: Results, rows: Iterable[Row], costs: Costs, fingerprint: str, opinions: Opinions) -> dict[str, Any]:
    script = (_TEMPLATES / "questions.js").read_text(encoding="utf-8")
    facets, findings = Facets(results), wording.findings(results)
    return {
        "results": results,
        "costs": costs,
        "fingerprint": fingerprint,
        "findings": findings,
        "verdict": results.gate.verdict if results.gate.lights else wording.summed_up(findings),
        "figures": figures_of(results, costs, findings),
        "headline": measure_of(results.primary[0]),
        "primary": [measure_of(name) for name in results.primary],
        "less_is_better": {name for name in results.primary if measure_of(name).better == "lower"},
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
        "in_all": names.in_all,
        "right": RIGHT,
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


def _printable(value: object) -> object:
    """What a template writes: control characters and marks that turn text around are shown by their codes."""
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return visible(value, keep_lines=True)
