"""A run in which strangers have written every text, and what they write."""

import json
from dataclasses import replace
from pathlib import Path

from report_of import results_with_effects
from results_of import costs_of, rows_of

from assistant.artifacts.evaluations import COSTS_FILE, RESULTS_FILE, ROWS_FILE
from eval.results import CaseRow, write_run

PAYLOADS = [
    "$\\frac{1}{2}$ 100%",
    '"><svg onload=alert(1)>',
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "</details></main><iframe srcdoc='<script>alert(1)</script>'>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "<!-- --><base href=//evil.example><meta http-equiv=refresh content=0>",
    "]]><x/>&lt;script&gt;",
    "`| x | @everyone [a](javascript:alert(1))`",
]


def write_hostile_run(folder: Path, payload: str) -> None:
    """A run in which a stranger has written every text that is not a name of ours."""
    rows = [_hostile(row, payload) for row in rows_of(5)]
    results = results_with_effects(rows)
    gate = replace(results.gate, verdict=payload, baseline=payload, changed=(payload,))
    light = replace(gate.lights[0], reason=payload)
    data = replace(results.data, corpus=payload, problems=(payload,), environment={payload: payload})
    style = replace(results.style, rules={"tone-01": payload})
    slices = tuple(replace(one, value=payload) for one in results.slices)
    results = replace(
        results, title=payload, gate=replace(gate, lights=(light,)), data=data, style=style, slices=slices
    )
    write_run(folder, results, rows, costs_of())
    # A name of a system stands as a key in many places.
    for file in (RESULTS_FILE, ROWS_FILE, COSTS_FILE):
        text = (folder / file).read_text(encoding="utf-8")
        (folder / file).write_text(text.replace('"house', '"' + json.dumps(payload)[1:-1]), encoding="utf-8")


def _hostile(row: CaseRow, payload: str) -> CaseRow:
    case = replace(
        row.case,
        id=f"{row.case.id}{payload}",
        question=payload,
        answers=(payload,),
        must_include=((payload,),),
        kind=payload,
        language=payload,
        tags=(payload, "x"),
    )
    answers = {
        system: replace(
            answer,
            text=payload,
            refused=False,
            refusal_reason=payload,
            notes=(payload,),
            said=payload + payload,
            sentences=tuple(replace(one, text=payload, reason=payload, supported=False) for one in answer.sentences),
        )
        for system, answer in row.answers.items()
    }
    passages = tuple(
        replace(one, document=payload, heading=payload, text=payload, gold=((0, 3),)) for one in row.passages
    )
    return CaseRow(case, passages, answers)
