"""An answer as HTML: sentences with the numbers of their passages, what is unsupported, refusals, and what is cited.

Buttons carry what they do in ``data-do`` and what they do it to in other ``data-`` attributes; the page's callbacks
get exactly these (``ui.pages.acting``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from assistant.render.citations import rest_of
from assistant.text.printing import excerpt
from assistant.types import Answer, Citation, Evidence, Grounded, Retrieved, Sentence
from assistant.types import Words as NewWords
from ui.answering import Event, Waiting
from ui.shown.pieces import checked_words, note_html
from ui.shown.places import source_line, title_line
from ui.shown.prose import Span, plain, prose, settled
from ui.shown.safe import attributes, button, escaped
from ui.texts import Words

_MOST_NEAREST = 3


@dataclass(slots=True)
class Draft:
    """An answer that is coming in."""

    corpus: str
    place: int = 0
    """In the line; 0 when it has begun."""
    searched: str = ""
    hits: tuple[Evidence, ...] = ()
    heard: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    answer: Answer | None = None

    def take(self, event: Event) -> None:
        """What happened next."""
        match event:
            case Waiting():
                self.place = event.place
            case Retrieved():
                self.place, self.searched, self.hits = 0, event.standalone_question, event.hits
            case NewWords():
                self.heard += event.text
            case Grounded():
                self.sentences.append(event.sentence)
            case Answer():
                self.answer = event


def draft_html(draft: Draft, question: str, words: Words) -> str:
    """An answer while it comes in."""
    if draft.answer is not None:
        return answer_html(draft.answer, draft.corpus, words)
    if draft.place:
        return _status(words("chat.waiting", place=draft.place))
    if not draft.hits:
        return _status(words("chat.searching"))
    if not draft.heard:
        return _rewritten(question, draft.searched, words) + _status(_reading(draft, words))
    spans = _spans(draft.heard, draft.sentences, draft.hits, draft.corpus, words)
    coming = f'{prose(settled(draft.heard), spans)}<span class="caret"></span>'
    return f'{_rewritten(question, draft.searched, words)}<div class="prose is-markdown">{coming}</div>'


def _reading(draft: Draft, words: Words) -> str:
    return words("chat.reading_one") if len(draft.hits) == 1 else words("chat.reading", count=len(draft.hits))


def answer_html(answer: Answer, corpus: str, words: Words, suggestions: Sequence[str] = ()) -> str:
    """A whole answer, or a refusal with what helps: ``suggestions`` are questions that have an answer."""
    rewritten = _rewritten(answer.question, answer.standalone_question, words)
    if answer.refused:
        return rewritten + _refusal(answer, corpus, words, suggestions)
    if answer.small_talk:
        return f'<div class="prose">{escaped(answer.text)}</div>'
    notes = _checked(answer, words) + "".join(map(note_html, answer.notes))
    if answer.hedged:
        return f"{rewritten}{_closest(answer, corpus, words)}{notes}{_like_checked(answer, words)}"
    quoted = f'<p class="says">{escaped(words("chat.quoted"))}</p>' if answer.quoted else ""
    spans = _spans(answer.text, answer.sentences, answer.hits, corpus, words)
    # Words of an answer that was stopped in its first sentence are no sentence yet.
    text = answer.text[: spans[-1].start] + rest_of(answer) if answer.sentences else answer.text
    # Documents that are quoted wrote no Markdown of ours.
    shown = f'prose">{plain(text, spans)}' if answer.quoted else f'prose is-markdown">{prose(text, spans)}'
    below = f"{notes}{_cited(answer, corpus, words)}{_like_checked(answer, words)}"
    return f'{rewritten}{quoted}<div class="{shown}</div>{below}'


def _checked(answer: Answer, words: Words) -> str:
    """Who has checked the answer, and when."""
    return note_html(checked_words(answer.checked, words)) if answer.checked else ""


def _like_checked(answer: Answer, words: Words) -> str:
    """Questions near this one that someone has checked the answer to, to be asked."""
    chips = _chips([(one, one) for one in answer.like_checked])
    return f"<h3>{escaped(words('chat.like_checked'))}</h3>{chips}" if chips else ""


def cite_data(corpus: str, document: str, start: int, end: int, quote: str) -> dict[str, object]:
    """What a button carries that opens a passage."""
    return {"do": "cite", "corpus": corpus, "document": document, "start": start, "end": end, "quote": quote}


def _status(text: str) -> str:
    return f'<p class="status"><span class="pulse"></span>{escaped(text)}</p>'


def _rewritten(question: str, searched: str, words: Words) -> str:
    if not searched or searched == question:
        return ""
    change = button(words("chat.change"), "link", do="reword", question=searched)
    return f'<p class="rewritten">{escaped(words("chat.searched_for"))} <q>{escaped(searched)}</q> {change}</p>'


def _spans(
    text: str,
    sentences: Sequence[Sentence],
    hits: Sequence[Evidence],
    corpus: str,
    words: Words,
) -> list[Span]:
    """The sentences where they stand in a text, with their marks, and the words that are no sentence yet."""
    known = {hit.rank: hit for hit in hits}
    spans: list[Span] = []
    at = 0
    for sentence in sentences:
        if (start := text.find(sentence.text, at)) >= 0:
            at = start + len(sentence.text)
            spans.append(_span(sentence, start, known, corpus, words))
    return [*spans, Span(at, len(text), '<span class="unchecked">', "</span>")]


def _span(sentence: Sentence, start: int, known: dict[int, Evidence], corpus: str, words: Words) -> Span:
    end = start + len(sentence.text)
    if sentence.supported:
        marks = "".join(_mark(citation, known, corpus, words) for citation in sentence.citations)
        return Span(start, end, behind=marks)
    why = escaped(words("chat.unsupported_why"))
    tag = f'<span class="tag">{escaped(words("chat.unsupported"))}</span>'
    return Span(start, end, f'<span class="unsupported" title="{why}">', "</span>", tag)


def _mark(citation: Citation, known: dict[int, Evidence], corpus: str, words: Words) -> str:
    hit = known.get(citation.hit)
    source = source_line(hit.part(citation.start, citation.end), words) if hit else citation.document
    label = words("chat.mark", number=citation.hit, source=source)
    css, sign = "mark", str(citation.hit)
    if citation.warning:
        css, sign, label = "mark warned", f"{sign}!", f"{label}. {words(f'chat.warning_{citation.warning}')}"
    data = cite_data(corpus, citation.document, citation.start, citation.end, citation.quote)
    carried = attributes({**data, "source": source})
    return f'<button type="button" class="{css}"{carried} aria-label="{escaped(label)}">{sign}</button>'


def _cited(answer: Answer, corpus: str, words: Words) -> str:
    """The passages that are cited, each once."""
    cited = {one.hit: one for sentence in answer.sentences for one in reversed(sentence.citations)}
    items = "".join(_chip(hit, cited[hit.rank], corpus, words) for hit in answer.hits if hit.rank in cited)
    return f'<ul class="cited" aria-label="{escaped(words("chat.sources"))}">{items}</ul>' if items else ""


def _chip(hit: Evidence, citation: Citation, corpus: str, words: Words) -> str:
    carried = attributes(cite_data(corpus, citation.document, citation.start, citation.end, citation.quote))
    number = f'<span class="number">{hit.rank}{"!" if citation.warning else ""}</span>'
    source = escaped(source_line(hit.part(citation.start, citation.end), words))
    return f'<li><button type="button" class="source-chip"{carried}>{number}{source}</button></li>'


def _closest(answer: Answer, corpus: str, words: Words) -> str:
    """The places that come closest, each a button that opens it with its words marked."""
    hits = {hit.rank: hit for hit in answer.hits}
    places = "".join(
        f"<li>{_place_button(one, hits[one.hit], corpus, sentence.text, words)}</li>"
        for sentence in answer.sentences
        for one in sentence.citations
    )
    heading = escaped(answer.text.partition("\n")[0])
    return f'<div class="closest"><p class="says">{heading}</p><ul class="nearest">{places}</ul></div>'


def _refusal(answer: Answer, corpus: str, words: Words, suggestions: Sequence[str]) -> str:
    # The list of what the question may mean stands on the buttons.
    lead = "\n".join(answer.text.splitlines()[: -len(answer.readings) or None])
    asked_back = _chips([(reading, f"{answer.question} – {reading}") for reading in answer.readings])
    others = _chips([(one, one) for one in suggestions])
    like = f"<h3>{escaped(words('chat.like'))}</h3>{others}" if others else ""
    checked = _checked(answer, words) + _like_checked(answer, words)
    nearest = "".join(_nearest(hit, corpus, words) for hit in answer.hits[:_MOST_NEAREST])
    passages = f'<h3>{escaped(words("chat.nearest"))}</h3><ul class="nearest">{nearest}</ul>' if nearest else ""
    return (
        f'<div class="refusal"><p class="lead">{escaped(lead)}</p>{checked}{asked_back}'
        f"<p>{escaped(words('chat.ask_differently'))}</p>{like}{passages}</div>"
    )


def _chips(questions: Sequence[tuple[str, str]]) -> str:
    """Buttons that ask: what is read on each, and the question."""
    items = "".join(f"<li>{button(label, 'chip', do='suggest', question=one)}</li>" for label, one in questions)
    return f'<ul class="chips">{items}</ul>' if items else ""


def _nearest(hit: Evidence, corpus: str, words: Words) -> str:
    return f"<li>{passage_button(hit, corpus, excerpt(hit.text), words)}</li>"


def passage_button(hit: Evidence, corpus: str, below: str, words: Words) -> str:
    """A button that opens a whole passage: where it stands, and a line below."""
    data = cite_data(corpus, hit.document, hit.start, hit.end, hit.text)
    return _passage(data, source_line(hit, words), below)


def _place_button(citation: Citation, hit: Evidence, corpus: str, below: str, words: Words) -> str:
    """The same for the words of a citation, by the title of the document."""
    data = cite_data(corpus, citation.document, citation.start, citation.end, citation.quote)
    return _passage(data, title_line(hit.part(citation.start, citation.end), words), below)


def _passage(data: dict[str, object], source: str, below: str) -> str:
    shown = f"<strong>{escaped(source)}</strong><span>{escaped(below)}</span>"
    return f'<button type="button" class="passage"{attributes(data)}>{shown}</button>'
