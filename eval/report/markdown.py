"""A report in so many words as fit a comment on a pull request: verdict, lights, means, effects.

Words of strangers (a title, a name) stand in code spans, where neither markup nor a mention works.
"""

import re
from collections.abc import Iterable, Sequence

from assistant.presentation import visible
from eval.comparison import Mean
from eval.report.names import FAILURE_TITLES, failure_groups, formula_of, in_all, typeset
from eval.report.opinions import NO_OPINIONS, Opinions
from eval.report.wording import NOTHING, STATUS_SIGNS, STATUS_WORDS, findings, interval_of, number
from eval.results import Costs, Gate, Light, Results
from eval.trust import Agreement

# An underscore within a word and an at sign behind one mean nothing.
_MARKUP = re.compile(r"([\\`*\[\]<>|~&]|(?<!\w)_|_(?!\w))")
_REGRESSED_SHOWN = 10
_MENTION = re.compile(r"(?<!\w)@")


def markdown_of(results: Results, costs: Costs, opinions: Opinions = NO_OPINIONS) -> str:
    """The summary, in GitHub's Markdown."""
    gate, data = results.gate, results.data
    parts = [
        f"## {STATUS_SIGNS[gate.status] if gate.lights else NOTHING} {_plain(gate.verdict)}",
        f"{_code(results.title)}: {data.cases} questions ({data.unanswerable} unanswerable) about {data.documents} "
        f"documents, judged {_code(gate.system)}, exit status {gate.exit_status}.",
        "\n".join(
            f"- **{found.words}.** {_plain(found.figures)} ({_code(formula_of(found.effect.formula))})"
            for found in findings(results)
        ),
        _lights(gate.lights),
        _means(results),
        _turned(gate),
        _failures(results),
        _trust(opinions),
        _remarks(results, costs),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lights(lights: Sequence[Light]) -> str:
    if not lights:
        return ""
    rows = [
        (
            _code(light.metric),
            f"{STATUS_SIGNS[light.status]} {STATUS_WORDS[light.status]}",
            _plain(typeset(light.reason)),
        )
        for light in lights
    ]
    return _table(("gate", "light", "why"), rows)


def _means(results: Results) -> str:
    rows = [
        (_code(metric), *(_mean(results.means[system.name][metric]) for system in results.systems))
        for metric in results.primary
    ]
    return _table(("mean, 95 % interval", *(_code(system.name) for system in results.systems)), rows)


def _failures(results: Results) -> str:
    """Only failures that occur, those of right answers first."""
    counted = [results.first_failures.get(system.name, {}) for system in results.systems]
    rows = []
    for group, failures in failure_groups(results):
        rows.append((f"**{group} in all**", *(f"**{in_all(counts, failures)}**" for counts in counted)))
        rows += [
            (FAILURE_TITLES[failure], *(str(counts.get(failure, 0)) for counts in counted)) for failure in failures
        ]
    return _table(("first failure", *(_code(system.name) for system in results.systems)), rows)


def _turned(gate: Gate) -> str:
    """How many answers turned since the baseline, and the first that are wrong now."""
    if not gate.regressed and not gate.mended:
        return ""
    named = ", ".join(_code(case) for case in gate.regressed[:_REGRESSED_SHOWN])
    more = len(gate.regressed) - _REGRESSED_SHOWN
    which = f" ({named}{f' and {more} more' if more > 0 else ''})" if named else ""
    return f"Right then and wrong now: {len(gate.regressed)}{which}. Wrong then and right now: {len(gate.mended)}."


def _trust(opinions: Opinions) -> str:
    """How the metrics go together with what people said."""
    trust = opinions.trust
    if trust is None or not trust.answers:
        return ""
    rows = [
        (_code(one.metric), one.statistic, f"{number(one.value)}{_bounds(one)}", str(one.n), one.verdict)
        for one in trust.metrics
    ]
    who = "1 person" if trust.raters == 1 else f"{trust.raters} people"
    about = f"{trust.ratings} ratings of {trust.answers} answers by {who}"
    return _table((about, "agreement", "value, 95 % interval", "n", "verdict"), rows)


def _bounds(one: Agreement) -> str:
    return "" if one.low is None else f" ({number(one.low)} to {number(one.high)})"


def _remarks(results: Results, costs: Costs) -> str:
    leaks = sum(map(len, results.data.leaks.values()))
    remarks = [
        f"questions that an adapter's training data tell: {leaks}" if leaks else "",
        f"problems of the cases: {len(results.data.problems)}" if results.data.problems else "",
        f"code {_code(results.identity.code)}, cases {_code(results.identity.cases)}",
        _code(costs.created),
    ]
    return " · ".join(remark for remark in remarks if remark)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell or NOTHING for cell in line)} |" for line in lines)


def _mean(mean: Mean) -> str:
    interval = interval_of(mean)
    return number(mean.value) + (f" ({interval})" if interval else "")


def _plain(text: str) -> str:
    """Text in one line that is not read as markup, and calls nobody."""
    return _MENTION.sub("@\u200b", _MARKUP.sub(r"\\\1", visible(text)))


def _code(text: str) -> str:
    """A code span; a bar would end the cell of a table, a backtick the span."""
    return f"`{visible(text).replace('`', 'ˋ').replace('|', '¦')}`"
