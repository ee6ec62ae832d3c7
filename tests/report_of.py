"""A synthetic run in a folder, with its report."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from results_of import FOUR, costs_of, results_of, rows_of

from eval.aggregation import effects_of
from eval.report import write_report
from eval.results import CaseRow, Results, write_run


def results_with_effects(rows: Sequence[CaseRow]) -> Results:
    """Synthetic results with every effect that the systems allow."""
    results = results_of(rows)
    return replace(results, effects=tuple(effects_of(rows, results.systems, {})))


def report_of(folder: Path, rows: Sequence[CaseRow] | None = None, results: Results | None = None) -> str:
    """The page of a run that is written into ``folder``."""
    rows = rows_of(12) if rows is None else rows
    write_run(folder, results or results_with_effects(rows), rows, costs_of(tuple(rows[0].answers) or FOUR))
    return write_report(folder).read_text(encoding="utf-8")
