"""A run's files become a report: report.html, decision.json, summary.md and junit.xml beside them. No model is asked.

What people and a judge have said about answers until now is compared with the metrics, and kept as trust.json.

write_report(Path(".assistant/reports/2026-11-20-house"))    the path of report.html
"""

import hashlib
from dataclasses import asdict
from pathlib import Path

from assistant.artifacts.evaluations import (
    DECISION_FILE,
    OPENING,
    REPORT_FILE,
    RESULTS_FILE,
    Decision,
    Opening,
    read_opening,
    words_in,
)
from assistant.config import EvalSettings
from assistant.text.languages import LANGUAGES, Language
from assistant.work.tracking import check_trackers, tracking
from assistant.workspace import Workspace, replaced_atomically
from eval.gate import changes_of, reference_of
from eval.human_agreement import keep_agreement, read_opinions
from eval.report.decision import decision_of, worst_answers
from eval.report.html_page import page_of
from eval.report.summaries import junit_of, markdown_of
from eval.results import Results, read_costs, read_results, read_rows, write_json

MARKDOWN_FILE = "summary.md"
JUNIT_FILE = "junit.xml"


def check_report_to(settings: EvalSettings) -> None:
    """Raise ConfigError when one of the programs that a report goes to is not installed."""
    check_trackers(settings.report_to, "eval.report_to")


def report_to(settings: EvalSettings, run: Path, results: Results, workspace: Workspace) -> None:
    """The report with the programs of ``eval.report_to``: its means as numbers, its files as they are.

    Raises ConfigError for one that cannot be begun.
    """
    means = {
        f"{system}/{metric}": mean.value
        for system, metrics in results.means.items()
        for metric, mean in metrics.items()
        if mean.value is not None
    }
    text = (run / MARKDOWN_FILE).read_text(encoding="utf-8")
    with tracking(settings.report_to, workspace, run.name, asdict(results.identity)) as trackers:
        for tracker in trackers:
            tracker.log(means, 0)
            tracker.keep(run, text)


def write_report(run: Path, language: Language | None = None) -> Path:
    """Draw the report of a run's folder, and give the path of its page.

    Its words are those of ``language``, else of the one that it was drawn in before, else English. Equal files give
    equal reports. Raises UsageError when there is no run, or one of its files is damaged.
    """
    results, costs = read_results(run), read_costs(run)
    if language is None:
        drawn = read_opening(run)
        language = drawn.language if drawn else "en"
    rows = list(read_rows(run))
    opinions = read_opinions(run, rows)
    keep_agreement(run, opinions.agreement)
    fingerprint = hashlib.sha256((run / RESULTS_FILE).read_bytes()).hexdigest()
    page = run / REPORT_FILE
    judged = results.gate.system
    worst = worst_answers(rows, judged)
    reference = "" if results.gate.baseline else reference_of(results)
    changes = changes_of(rows, judged, reference, results.gate.baseline)
    with replaced_atomically(page) as beside, beside.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(page_of(results, rows, costs, fingerprint, opinions, worst, changes, language))
    decisions: dict[str, Decision] = {one: decision_of(results, words_in(one)) for one in LANGUAGES}
    write_json(run / DECISION_FILE, OPENING, Opening(decisions, changes, language))
    with replaced_atomically(run / MARKDOWN_FILE) as beside:
        beside.write_text(markdown_of(results, costs, worst, changes, opinions), encoding="utf-8", newline="\n")
    with replaced_atomically(run / JUNIT_FILE) as beside:
        beside.write_bytes(junit_of(results, costs))
    return page
