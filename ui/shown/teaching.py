"""What people say about answers, as HTML: the form under an answer, and what is to be looked at."""

from collections.abc import Sequence

from assistant.feedback.types import FAULTS, Feedback, Judgement, Shown
from assistant.text.languages import Language
from assistant.text.printing import excerpt
from assistant.types import Evidence
from ui.conversations import Turn
from ui.shown.pieces import Badge, choice_html
from ui.shown.places import source_line
from ui.shown.safe import button, escaped
from ui.texts import Words, shown_date

_LONGEST_PASSAGE = 200
_BADGES = {"new": "warn", "accepted": "ok", "edited": "ok", "rejected": ""}


def teaching_html(turn: Turn, words: Words) -> str:
    """The form under an answer: one click says that it is right, a short form what is wrong and how it should read."""
    answer = turn.standing.answer
    right = button(words("teach.right"), "quiet", do="teach", turn=turn.id, verdict="right")
    form = (
        f'<form class="teach-form" data-do="teach" data-turn="{turn.id}">'
        f"{_verdicts(turn.id, words)}{_faults(words)}{_sources(answer.hits, words)}"
        f'<label class="teach-field">{escaped(words("teach.correction"))}'
        f'<textarea name="correction" rows="4" maxlength="8000">{escaped(answer.text)}</textarea>'
        f"<small>{escaped(words('teach.correction_help'))}</small></label>"
        f'<label class="teach-field">{escaped(words("teach.note"))}'
        f'<input name="note" maxlength="2000"></label>'
        f'<button class="teach-send">{escaped(words("teach.send"))}</button></form>'
    )
    return (
        f'<div class="teach" id="teach-{turn.id}"><span class="teach-ask">{escaped(words("teach.ask"))}</span>{right}'
        f'<details><summary class="quiet">{escaped(words("teach.not_right"))}</summary>{form}</details></div>'
    )


def thanks_html(turn: int, judgement: Judgement, words: Words) -> str:
    """What stands there once something was said."""
    key = "teach.thanks_right" if judgement.verdict == "right" else "teach.thanks"
    return f'<div class="teach" id="teach-{turn}"><span role="status">{escaped(words(key))}</span></div>'


def inbox_html(some: Sequence[Feedback], chosen: int | None, words: Words, language: Language) -> str:
    """The list of what people said; a click opens one."""
    if not some:
        return f'<div class="empty"><p>{escaped(words("teaching.empty"))}</p></div>'
    return f'<ul class="choices">{"".join(_entry(one, one.id == chosen, words, language) for one in some)}</ul>'


def feedback_html(one: Feedback, stands: bool, supported: bool, words: Words, language: Language) -> str:
    """All of one judgement. ``stands``: the documents still say so; ``supported``: the passages say the correction."""
    judgement = one.judgement
    faults = "".join(f'<li class="tag">{escaped(words(f"teach.fault_{fault}"))}</li>' for fault in judgement.faults)
    about = words(
        "teaching.about",
        name=one.user,
        date=shown_date(one.made.astimezone(), language),
        corpus=one.corpus,
        adapter=one.versions.adapter or words("chat.base"),
    )
    return (
        f'<article class="said"><p class="label">{escaped(about)}</p><h3>{escaped(one.question)}</h3>'
        f"{_standalone(one, words)}"
        f'<p>{_verdict(one, words)}</p><ul class="chips">{faults}</ul>'
        f"{_block(words('teaching.answer'), one.answer)}"
        f"{_block(words('teaching.correction'), judgement.correction, 'is-wanted')}"
        f"{_block(words('teaching.edited'), one.edited, 'is-wanted')}{_block(words('teaching.note'), judgement.note)}"
        f"<h4>{escaped(words('teaching.evidence'))}</h4>{_evidence(one, words)}"
        f"{_effect(one, stands, supported, words)}{_decision(one, words, language)}</article>"
    )


def _verdicts(turn: int, words: Words) -> str:
    options = "".join(
        f'<label><input type="radio" name="verdict" value="{verdict}" required'
        f"{' checked' if verdict == 'wrong' else ''}> {escaped(words(f'teach.verdict_{verdict}'))}</label>"
        for verdict in ("partly", "wrong")
    )
    return f'<fieldset id="verdict-{turn}"><legend>{escaped(words("teach.verdict"))}</legend>{options}</fieldset>'


def _faults(words: Words) -> str:
    options = "".join(
        f'<label><input type="checkbox" name="faults" value="{fault}"> {escaped(words(f"teach.fault_{fault}"))}</label>'
        for fault in FAULTS
    )
    return f"<fieldset><legend>{escaped(words('teach.faults'))}</legend>{options}</fieldset>"


def _sources(hits: Sequence[Evidence], words: Words) -> str:
    if not hits:
        return ""
    options = "".join(_source(hit, words) for hit in hits)
    return f'<fieldset class="teach-sources"><legend>{escaped(words("teach.sources"))}</legend>{options}</fieldset>'


def _source(hit: Evidence, words: Words) -> str:
    said = f"<small>{escaped(excerpt(hit.text, _LONGEST_PASSAGE))}</small>"
    return (
        f'<label><input type="checkbox" name="sources" value="{hit.rank}">'
        f"<span>{hit.rank} · {escaped(source_line(hit, words))}{said}</span></label>"
    )


def _entry(one: Feedback, is_chosen: bool, words: Words, language: Language) -> str:
    date = shown_date(one.made.astimezone().date(), language)
    badge = Badge(words(f"teaching.state_{one.state}"), _BADGES[one.state])
    about = f"{words(f'teach.verdict_{one.judgement.verdict}')} · {one.user} · {date}"
    return choice_html(one.id, excerpt(one.question, 90), about, badge, is_chosen=is_chosen)


def _verdict(one: Feedback, words: Words) -> str:
    verdict = one.judgement.verdict
    return f'<span class="verdict is-{verdict}">{escaped(words(f"teach.verdict_{verdict}"))}</span>'


def _standalone(one: Feedback, words: Words) -> str:
    if one.standalone_question == one.question:
        return ""
    return f'<p class="rewritten">{escaped(words("chat.searched_for"))} <q>{escaped(one.standalone_question)}</q></p>'


def _block(title: str, text: str, look: str = "") -> str:
    return f'<h4>{escaped(title)}</h4><p class="prose {look}">{escaped(text)}</p>' if text else ""


def _evidence(one: Feedback, words: Words) -> str:
    if not one.evidence:
        return f'<p class="quiet-text">{escaped(words("teaching.no_evidence"))}</p>'
    return "".join(_passage(shown, shown.number in one.judgement.sources, words) for shown in one.evidence)


def _passage(shown: Shown, is_named: bool, words: Words) -> str:
    named = f' <span class="tag">{escaped(words("teaching.named"))}</span>' if is_named else ""
    return (
        f'<details class="passage-shown"{" open" if is_named else ""}>'
        f"<summary>{shown.number} · {escaped(shown.document)}{named}</summary>"
        f'<blockquote class="prose">{escaped(shown.text)}</blockquote></details>'
    )


def _effect(one: Feedback, stands: bool, supported: bool, words: Words) -> str:
    """What accepting it would do, or has done."""
    if one.state == "rejected":
        key = "teaching.not_learnt"
    elif not stands:
        key = "teaching.outdated"
    elif one.wants_refusal:
        key = "teaching.refusal"
    elif not one.wanted:
        key = "teaching.nothing_wanted"
    else:
        key = "teaching.pair_and_case" if supported else "teaching.case_only"
    return f'<p class="effect">{escaped(words(key))}</p>'


def _decision(one: Feedback, words: Words, language: Language) -> str:
    if one.decided is None:
        return ""
    date = shown_date(one.decided.astimezone(), language)
    state = words(f"teaching.state_{one.state}")
    return f'<p class="label">{escaped(words("teaching.decided", state=state, name=one.decided_by, date=date))}</p>'
