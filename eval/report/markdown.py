"""A report in so many words as fit a comment on a pull request: decision, worst answers, effects, lights, means.

Words of strangers (a title, a name) stand in code spans, where neither markup nor a mention works.
"""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from assistant.artifacts.evaluation import Gate, Light, Mean
from assistant.text.printing import visible
from eval.report.decision import Decision, counted, decision_of
from eval.report.names import FAILURE_TITLES, failure_groups, formula_of, typeset
from eval.report.opinions import NO_OPINIONS, Opinions
from eval.report.wording import NOTHING, STATUS_SIGNS, STATUS_WORDS, Tone, findings, interval_of, number
from eval.results import Costs, Results, Row
from eval.trust import Agreement

# An underscore within a word and an at sign behind one mean nothing.
_MARKUP = re.compile(r"([\\`*\[\]<>|~&]|(?<!\w)_|_(?!\w))")
_REGRESSED_SHOWN = 10
_LONGEST = 160
_TONE_SIGNS: Mapping[Tone, str] = {"good": "✓", "bad": "✗", "even": "!", "open": "?"}
NO_ANSWER = "the documents do not answer it"
_MENTION = re.compile(r"(?<!\w)@")


def markdown_of(results: Results, costs: Costs, worst: Sequence[Row] = (), opinions: Opinions = NO_OPINIONS) -> str:
    """The summary, in GitHub's Markdown; ``worst`` are the questions with the worst answers."""
    gate, data, decision = results.gate, results.data, decision_of(results)
    parts = [
        f"## {_sign(gate, decision)} {_plain(decision.use)}",
        _plain(decision.what_for),
        " · ".join(f"**{_plain(one.words)}**" if one.tone == "bad" else _plain(one.words) for one in decision.counts),
        _plain(gate.verdict) if gate.lights else "",
        _worst(worst, gate.system),
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


def _sign(gate: Gate, decision: Decision) -> str:
    return STATUS_SIGNS[gate.status] if gate.lights else _TONE_SIGNS[decision.tone]


def _worst(rows: Iterable[Row], system: str) -> str:
    """Question, answer, and what is right, a line each."""
    return "\n".join(
        f"- {_plain(_short(row.case.question))} → {_plain(_short(row.answers[system].text))}"
        f" ({_plain(_short(' / '.join(row.case.answers[:1]) or NO_ANSWER))})"
        for row in rows
    )


def _short(text: str) -> str:
    return textwrap.shorten(text, _LONGEST, placeholder=" …")


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


def _turned(gate: Gate) -> str:
    """How many answers turned since the baseline, and the first that are not usable any more."""
    if not gate.regressed and not gate.mended:
        return ""
    named = ", ".join(_code(case) for case in gate.regressed[:_REGRESSED_SHOWN])
    more = len(gate.regressed) - _REGRESSED_SHOWN
    which = f" ({named}{f' and {more} more' if more > 0 else ''})" if named else ""
    return f"Usable then and not now: {len(gate.regressed)}{which}. Usable now and not then: {len(gate.mended)}."


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
