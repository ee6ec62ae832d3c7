"""A report in short: Markdown for a pull request, JUnit XML for a CI system, lines for a terminal.

In Markdown words of strangers (a title, a name) stand in code spans, where neither markup nor a mention works.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from xml.etree import ElementTree

from assistant.artifacts.evaluations import Changes, Effect, Gate, Mean, Tone
from assistant.text.printing import visible
from eval.human_agreement import NO_OPINIONS, Opinions
from eval.report.decision import counted, decision_of
from eval.report.labels import (
    FAILURE_TITLES,
    NOTHING,
    STATUS_SIGNS,
    STATUS_WORDS,
    effect_summaries,
    failure_groups,
    formula_of,
    interval_of,
    number,
    signed,
    typeset,
)
from eval.results import CaseRow, Costs, Results

NO_ANSWER = "the documents do not answer it"
# What GitHub reads as markup or as a mention.
_ESCAPES = str.maketrans({**{sign: f"\\{sign}" for sign in "\\`*_[]<>|~&"}, "@": "@\u200b"})
_REGRESSED_SHOWN = 10  # cases; more would hide what else a summary says
_LONGEST = 160  # characters of a text in a table
_TONE_SIGNS: Mapping[Tone, str] = {"good": "✓", "bad": "✗", "even": "!", "open": "?"}
_STATUS_LINES = {"pass": "passed", "warn": "passed, with a warning", "fail": "FAILED", "thin": "too little evidence"}


def markdown_of(
    results: Results,
    costs: Costs,
    worst: Sequence[CaseRow] = (),
    changes: Changes | None = None,
    opinions: Opinions = NO_OPINIONS,
) -> str:
    """In GitHub's Markdown: decision, worst answers, what changed, effects, lights, means. ``worst`` are the questions
    with the worst answers."""
    gate, data, decision = results.gate, results.data, decision_of(results)
    lights = [
        (
            _code(light.metric),
            f"{STATUS_SIGNS[light.status]} {STATUS_WORDS[light.status]}",
            _plain(typeset(light.reason)),
        )
        for light in gate.lights
    ]
    means = [
        (_code(metric), *(_mean(results.means[system.name][metric]) for system in results.systems))
        for metric in results.primary
    ]
    leaks = sum(map(len, data.leaks.values()))
    remarks = [
        f"questions that an adapter's training data tell: {leaks}" if leaks else "",
        f"problems of the cases: {len(data.problems)}" if data.problems else "",
        f"code {_code(results.identity.code)}, cases {_code(results.identity.cases)}",
        _code(costs.created),
    ]
    parts = [
        f"## {_TONE_SIGNS[decision.tone]} {_plain(decision.use)}",
        _plain(decision.what_for),
        " · ".join(f"**{_plain(one.words)}**" if one.tone == "bad" else _plain(one.words) for one in decision.counts),
        _plain(gate.verdict) if gate.lights else "",
        "\n".join(
            f"- {_short(row.case.question)} → {_short(row.answers[gate.system].text)}"
            f" ({_short(' / '.join(row.case.answers[:1]) or NO_ANSWER)})"
            for row in worst
        ),
        _changes(changes) if changes else "",
        f"{_code(results.title)}: {data.cases} questions ({data.unanswerable} unanswerable) about {data.documents} "
        f"documents, judged {_code(gate.system)}, exit status {gate.exit_status}.",
        "\n".join(
            f"- **{found.words}.** {_plain(found.figures)} ({_code(formula_of(found.effect.formula))})"
            for found in effect_summaries(results)
        ),
        _table(("gate", "light", "why"), lights) if lights else "",
        _table(("mean, 95 % interval", *(_code(system.name) for system in results.systems)), means),
        _turned(gate),
        _failures(results),
        _agreement(opinions),
        " · ".join(remark for remark in remarks if remark),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _changes(changes: Changes) -> str:
    """Outcomes before and after, and the answers that changed most, with what they have to say."""
    heads = ("answers", f"before: {_code(changes.before)}", f"after: {_code(changes.after)}")
    counts = [(one, str(then), str(now)) for one, (then, now) in changes.outcomes.items() if then or now]
    lines = [
        f"- {_short(one.question)}: {one.before_outcome} → **{one.after_outcome}**: {_short(one.before)} →"
        f" {_short(one.after)} ({_short(' / '.join(one.required) or NO_ANSWER)})"
        for one in changes.answers
    ]
    return "\n\n".join(
        (_table(heads, counts), *(["The answers that changed most:", "\n".join(lines)] if lines else []))
    )


def _turned(gate: Gate) -> str:
    """How many answers turned since the baseline, and the first that are not usable any more."""
    if not gate.regressed and not gate.mended:
        return ""
    named = ", ".join(_code(case) for case in gate.regressed[:_REGRESSED_SHOWN])
    more = len(gate.regressed) - _REGRESSED_SHOWN
    which = f" ({named}{f' and {more} more' if more > 0 else ''})" if named else ""
    return f"Usable then and not now: {len(gate.regressed)}{which}. Usable now and not then: {len(gate.mended)}."


def _failures(results: Results) -> str:
    """Only failures that occur, those of misleading answers first."""
    names, rows = [system.name for system in results.systems], []
    for outcome, failures in failure_groups(results):
        rows.append((f"**{outcome}**", *(f"**{counted(results, name, outcome)}**" for name in names)))
        rows += [
            (
                FAILURE_TITLES[failure],
                *(str(results.first_failures.get(name, {}).get(outcome, {}).get(failure, 0)) for name in names),
            )
            for failure in failures
        ]
    return _table(("first failure", *map(_code, names)), rows)


def _agreement(opinions: Opinions) -> str:
    """How the metrics go together with what people said."""
    found = opinions.agreement
    if found is None or not found.answers:
        return ""
    rows = []
    for one in found.metrics:
        bounds = "" if one.low is None else f" ({number(one.low)} to {number(one.high)})"
        rows.append((_code(one.metric), one.statistic, f"{number(one.value)}{bounds}", str(one.n), one.verdict))
    who = "1 person" if found.raters == 1 else f"{found.raters} people"
    about = f"{found.ratings} ratings of {found.answers} answers by {who}"
    return _table((about, "agreement", "value, 95 % interval", "n", "verdict"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell or NOTHING for cell in line)} |" for line in lines)


def _mean(mean: Mean) -> str:
    interval = interval_of(mean)
    return number(mean.value) + (f" ({interval})" if interval else "")


def _short(text: str) -> str:
    return _plain(textwrap.shorten(text, _LONGEST, placeholder=" …"))


def _plain(text: str) -> str:
    """Text in one line that is not read as markup, and calls nobody."""
    return visible(text).translate(_ESCAPES)


def _code(text: str) -> str:
    """A code span; a bar would end the cell of a table, a backtick the span."""
    return f"`{visible(text).replace('`', 'ˋ').replace('|', '¦')}`"


def junit_of(results: Results, costs: Costs) -> bytes:
    """The gate as JUnit XML: a test case a light, in the format that Jenkins and GitLab read.

    A light that fails is a failure, one that is too thin an error, for neither may be merged unseen.
    """
    gate = results.gate
    suite = ElementTree.Element(
        "testsuite",
        name=visible(results.title),
        tests=str(len(gate.lights)),
        failures=str(sum(light.status == "fail" for light in gate.lights)),
        errors=str(sum(light.status == "thin" for light in gate.lights)),
        skipped="0",
        time=f"{costs.seconds:.3f}",
        timestamp=visible(costs.created),
    )
    for light in gate.lights:
        test = ElementTree.SubElement(suite, "testcase", classname=visible(gate.system), name=visible(light.metric))
        reason = visible(light.reason)
        match light.status:
            case "fail":
                ElementTree.SubElement(test, "failure", message=reason, type="regression")
            case "thin":
                ElementTree.SubElement(test, "error", message=reason, type="too little evidence")
            case _:
                ElementTree.SubElement(test, "system-out").text = reason
    ElementTree.SubElement(suite, "system-out").text = visible(gate.verdict, keep_lines=True)
    ElementTree.indent(suite)
    xml: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def result_lines(results: Results) -> Iterator[str]:
    """For a terminal: may it be used, and what for; means by system, effects on the headline, and the gate."""
    decision = decision_of(results)
    yield decision.use
    if decision.what_for:
        yield decision.what_for
    yield " · ".join(count.words for count in decision.counts)
    rows = [["system", *results.primary]]
    for system in results.systems:
        rows.append([system.name, *(mean_text(results.means[system.name][metric]) for metric in results.primary)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    headline = results.primary[0]
    yield from effect_lines(effect for effect in results.effects if effect.metric == headline)
    yield from gate_lines(results.gate)


def gate_lines(gate: Gate) -> Iterator[str]:
    """The verdict, and why, a line a metric."""
    for light in gate.lights:
        yield f"  {_STATUS_LINES[light.status]:22} {light.metric}: {typeset(light.reason)}"
    yield gate.verdict
    if gate.regressed or gate.mended:
        yield f"Usable then and not now: {len(gate.regressed)}; usable now and not then: {len(gate.mended)}."
    if gate.changed:
        yield f"Differs from the baseline in: {', '.join(gate.changed)}."


def effect_lines(effects: Iterable[Effect]) -> Iterator[str]:
    """What each comparison found, with its interval, which alone decides."""
    for effect in effects:
        found = mean_text(effect.difference.mean, is_difference=True)
        yield f"{effect.name}: {formula_of(effect.formula)} in {effect.metric}: {found}, {effect.verdict}"


def mean_text(mean: Mean, *, is_difference: bool = False) -> str:
    """``0.612 [0.551, 0.672] n 208``: a mean, its interval, the questions that it is of; ``–`` where there is none."""
    if mean.value is None:
        return NOTHING
    write = signed if is_difference else number
    bounds = "" if mean.low is None else f" [{write(mean.low, 3)}, {write(mean.high, 3)}]"
    return f"{write(mean.value, 3)}{bounds} n {mean.scored}"
