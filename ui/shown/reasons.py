"""Why an answer is what it is, step by step, for the panel beside the chat."""

from collections.abc import Iterable, Iterator, Mapping

from assistant.types import Answer, Evidence, Trace
from ui.conversations import Reply, Turn
from ui.shown.answers import passage_button
from ui.shown.passages import close_button
from ui.shown.pieces import note_html
from ui.shown.safe import escaped
from ui.shown.turns import reply_name
from ui.texts import Words

_STEPS = ("rewrite", "retrieve", "judge", "prompt", "generate", "quote")


def reasons_html(turn: Turn, words: Words) -> str:
    """The steps from the question to each reply, by its name where there are two."""
    names = [reply_name(turn, at, words) for at in range(len(turn.replies))]
    parts = "".join(_named(name) + _reply(reply, words) for name, reply in zip(names, turn.replies, strict=True))
    title = escaped(words("why.title"))
    header = f'<header>{close_button(words)}<h2 tabindex="-1">{title}</h2></header>'
    return f'<section class="source reasons" aria-label="{title}">{header}{parts}</section>'


def _named(name: str) -> str:
    return f'<p class="who">{escaped(name)}</p>' if name else ""


def _reply(reply: Reply, words: Words) -> str:
    answer, trace = reply.answer, reply.answer.trace
    if trace is None:
        return note_html(words("why.nothing"))
    return "".join(
        (
            _step(words("why.searched"), _list(trace.searched)),
            _step(words("why.found", count=len(trace.found)), _found(answer, trace, reply.corpus, words)),
            _step(words("why.judged"), _judged(trace.judgement, words)) if trace.judgement else "",
            _step(words("why.outcome"), f"<p>{escaped(_outcome(answer, words))}</p>"),
            _long(words("why.said"), trace.said),
            _long(words("why.prompt"), trace.prompt),
            _step(words("why.took"), _list(_took(answer.timings, words))),
        )
    )


def _step(title: str, content: str) -> str:
    return f"<h3>{escaped(title)}</h3>{content}"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escaped(item)}</li>' for item in items)}</ul>"


def _took(timings: Mapping[str, float], words: Words) -> Iterator[str]:
    for step in _STEPS:
        if step in timings:
            yield f"{words(f'why.step_{step}')}: {timings[step]:.2f} s"


def _found(answer: Answer, trace: Trace, corpus: str, words: Words) -> str:
    left_out = {hit.chunk for hit in trace.found if hit.rank in trace.dropped}
    read = {hit.chunk for hit in answer.hits} - left_out if trace.prompt else set()
    hits = "".join(_hit(hit, hit.chunk in read, corpus, words) for hit in trace.found)
    return f'<ol class="nearest">{hits}</ol>'


def _hit(hit: Evidence, is_read: bool, corpus: str, words: Words) -> str:
    sides = [
        words("why.meaning", rank=hit.dense_rank) if hit.dense_rank else "",
        words("why.wording", rank=hit.lexical_rank) if hit.lexical_rank else "",
        "" if is_read else words("why.unread"),
    ]
    return f"<li>{passage_button(hit, corpus, ', '.join(filter(None, sides)), words)}</li>"


def _judged(judgement: Mapping[str, float], words: Words) -> str:
    probability, threshold = judgement.get("probability"), judgement.get("threshold")
    if probability is None or threshold is None:
        return ""
    told = words("why.probability", probability=_percent(probability, words), threshold=_percent(threshold, words))
    features = ((name, value) for name, value in judgement.items() if name not in ("probability", "threshold"))
    numbers = _list(f"{name}: {value:.3f}" for name, value in features)
    return f"<p>{escaped(told)}</p><details><summary>{escaped(words('why.numbers'))}</summary>{numbers}</details>"


def _outcome(answer: Answer, words: Words) -> str:
    if answer.refused:
        return _refusal(answer, words)
    unsupported = [sentence for sentence in answer.sentences if not sentence.supported]
    if answer.hedged:
        return words("why.hedged")
    if answer.quoted:
        return words("why.quoted")
    return words("why.partly", count=len(unsupported)) if unsupported else words("why.supported")


def _long(title: str, text: str) -> str:
    return f"<details><summary>{escaped(title)}</summary><pre>{escaped(text)}</pre></details>" if text else ""


def _refusal(answer: Answer, words: Words) -> str:
    trace = answer.trace
    if trace is None or not trace.found:
        return words("why.refused_nothing")
    if answer.readings:
        return words("why.refused_unclear")
    if trace.prompt:
        return words("why.refused_model")
    probability = 1 - trace.judgement.get("probability", 0.0)
    return words("why.refused_weak", probability=_percent(probability, words))


def _percent(share: float, words: Words) -> str:
    return words("why.percent", percent=f"{100 * share:.0f}")
