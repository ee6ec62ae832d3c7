"""A question and a corpus to an answer with evidence, or a refusal: the same for every screen and program.

rewrite ──▶ retrieve ──▶ judge the evidence ──▶ prompt ──▶ engine ──▶ ground each sentence as it comes
                                └─▶ too weak: refuse, with the nearest passages, without asking the model
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from assistant.answer.evidence import Cited, EvidenceSearch
from assistant.config import AnswerSettings, EngineSettings
from assistant.conversation.followups import Rewriting, latest, rewritten, rewritten_by_model, translated
from assistant.conversation.smalltalk import reply
from assistant.engines import Engine
from assistant.engines.opening import reads, speaks
from assistant.engines.thinking import answer_in
from assistant.errors import ModelError, PromptTooLongError
from assistant.feedback.checked import AcceptedAnswer, CheckedAnswers
from assistant.grounding.grounder import Grounder, ground
from assistant.grounding.notes import version_notes, warning_notes
from assistant.grounding.outcomes import QuestionPart, by_parts, left_out, outcome_of
from assistant.grounding.quoting import Places
from assistant.grounding.support import only_replies
from assistant.prompt import build_messages, fitting_evidence, fitting_history
from assistant.refusal import closest_text, declines, elsewhere, looked_for, open_part, refusal_text
from assistant.refusal.answerability import Verdict, judge
from assistant.retrieval.editions import with_newest
from assistant.retrieval.embedder import Meaning
from assistant.retrieval.retriever import Retriever, refuse_long
from assistant.text.languages import LANGUAGES
from assistant.text.words import answered_in
from assistant.types import (
    Answer,
    Checked,
    Citation,
    Evidence,
    Filter,
    Message,
    Retrieved,
    Sentence,
    Trace,
    Update,
    Words,
    well_formed,
    whole_answer,
)

# So many unsupported sentences in a row, and a model is not asked to go on (docs/log.md).
_PATIENCE = 3
# So many places of each part of a question are listed where none answers: six for three parts, where one has three.
_CLOSEST_OF_A_PART = 2
# A conversation may be so many times as long as a question; what was said before is not looked at.
_MORE_PAST = 16
_CHECKED_REFUSAL = "someone has checked that the documents have no answer"
_MODEL_DECLINED = "the model found no answer in these passages"
_NOTHING_FITS = "no passage supports what the model said"


@dataclass(frozen=True, slots=True)
class _Prompt:
    messages: list[Message]
    shown: list[Evidence]
    max_new_tokens: int


@dataclass(slots=True)
class _Course:
    """One question on its way to an answer."""

    question: str
    adapter: str | None
    rewriting: Rewriting
    started: float
    timings: dict[str, float] = field(default_factory=dict)
    like_checked: tuple[str, ...] = ()
    missing: Sequence[str] = ()
    """Words of the question that no passage found holds."""
    parts: Sequence[QuestionPart] = ()
    """Of a question that joins several."""

    @property
    def searched(self) -> tuple[str, ...]:
        """The wordings that were searched for."""
        return tuple(filter(None, (self.rewriting.standalone, self.rewriting.fallback)))

    def done(self, step: str) -> None:
        """A step ends now; what it took is what no earlier one took. A step that is taken twice takes both times."""
        took = time.perf_counter() - self.started - sum(self.timings.values())
        self.timings[step] = self.timings.get(step, 0.0) + took

    def answer(self, text: str, hits: Sequence[Evidence], trace: Trace) -> Answer:
        return Answer(
            self.question,
            self.rewriting.standalone,
            text,
            (),
            tuple(hits),
            like_checked=self.like_checked,
            adapter=self.adapter,
            timings=dict(self.timings),
            trace=trace,
        )


class Assistant:
    """Answers questions about one corpus. Several threads may ask at once if their retrievers are their own."""

    def __init__(
        self,
        retriever: Retriever,
        engine: Callable[[], Engine],
        answering: AnswerSettings,
        generation: EngineSettings,
        checked: CheckedAnswers | None = None,
    ) -> None:
        """``engine`` is called when a model is first needed: a refusal needs none.

        ``checked`` are the answers that are given again as people accepted them; without it every answer is new.
        """
        self.retriever = retriever
        self._evidence = EvidenceSearch(retriever, answering)
        self._make_engine = engine
        self._engine: Engine | None = None
        self._answering = answering
        self._generation = generation
        self._checked = checked

    def ask(
        self,
        question: str,
        history: Sequence[Message] = (),
        only: Filter | None = None,
        adapter: str | None = None,
    ) -> Answer:
        """Answer one question; without an adapter the base model answers.

        Raises QuestionTooLongError, what ``Retriever.search`` raises, and what ``Engine.stream`` raises.
        """
        return whole_answer(self.stream(question, history, only, adapter))

    def stream(
        self,
        question: str,
        history: Sequence[Message] = (),
        only: Filter | None = None,
        adapter: str | None = None,
    ) -> Generator[Update, None, None]:
        """The answer as it comes into being; closing the generator stops the model. Raises what ``ask`` raises."""
        refuse_long(question, self._answering.question_characters)
        question = well_formed(question)
        history = latest(history, _MORE_PAST * self._answering.question_characters)
        history = [turn if turn.role == "user" else replace(turn, content=answer_in(turn.content)) for turn in history]
        started = time.perf_counter()
        if said := reply(question, history, self._answering.greeting, self._answering.thanks):
            yield Answer(question, question, said, (), (), small_talk=True, adapter=adapter)
            return
        course = _Course(question, adapter, self._rewriting(question, history), started)
        course.done("rewrite")
        answer = yield from self._answered(course, history, only)
        if (answer.refused or answer.hedged) and not answer.checked:
            answer = self._with_other_languages(answer, course, only)
        yield answer

    def _answered(
        self, course: _Course, history: Sequence[Message], only: Filter | None
    ) -> Generator[Update, None, Answer]:
        """The way of a question that stands by itself; returns its answer."""
        question, standalone = course.question, course.rewriting.standalone
        found = self._evidence.found(question, course.rewriting, only)
        course.done("retrieve")
        trace = Trace(course.searched, course.rewriting.rule, tuple(found.hits), {})
        if found.computed:
            return self._as_computed(course, (found.computed,), found.hits, trace)
        if self._checked and not only:  # who chose the documents gets those
            known, course.like_checked = self._checked.about(standalone, self.retriever)
            if known:
                return self._as_accepted(course, known, found.hits, trace)
        verdict = judge(standalone, found.hits, self.retriever, self._answering)
        course.missing = verdict.missing
        course.done("judge")
        trace = replace(trace, judgement=verdict.judgement)
        if not (verdict.answerable or found.before):  # a follow-up has the section that was cited before
            return self._refused(course, found.hits, verdict.reason, trace, verdict)
        hits = self._evidence.for_prompt(found, standalone, only)
        if not found.parts and (total := self._evidence.sum_of(question, course.rewriting, hits, verdict.judgement)):
            return self._as_computed(course, total, hits, trace)
        prompt = self._prompt(question, history, hits)
        trace = replace(
            trace,
            found=tuple(hits),
            dropped=tuple(hit.rank for hit in hits if hit not in prompt.shown),
            prompt=self._opened_engine.prompt_text(prompt.messages),
        )
        course.done("prompt")
        yield Retrieved(standalone, tuple(prompt.shown))
        places = self._evidence.places(standalone, prompt.shown, found.before)
        course.parts = self._evidence.parts(found, prompt.shown)
        near = [part.places for part in course.parts] or [places]
        grounder = self._grounder(standalone, prompt.shown, near)
        yield from self._generate(course, prompt, grounder)
        course.done("generate")
        answer = self._completed(course, grounder, prompt.shown, places, replace(trace, said=grounder.said))
        if answer.hedged:
            answer = replace(answer, notes=(*looked_for(question, self._answering, verdict.missing), *answer.notes))
        return answer

    def _as_accepted(self, course: _Course, known: AcceptedAnswer, nearest: Sequence[Evidence], trace: Trace) -> Answer:
        """A checked answer, held against its passages as they are now."""
        feedback = known.feedback
        checked = Checked(feedback.decided_by, (feedback.decided or feedback.made).date())
        if feedback.wants_refusal:
            return replace(self._refused(course, nearest, _CHECKED_REFUSAL, trace), checked=checked)
        hits = with_newest(known.hits, course.rewriting.standalone, self.retriever.newest_edition)
        least = self._answering.support_coverage
        sentences = tuple(ground(feedback.wanted, hits, self.retriever.weights, least))
        notes = self._notes(sentences, hits)
        return replace(course.answer(feedback.wanted, hits, trace), sentences=sentences, checked=checked, notes=notes)

    def _as_computed(
        self, course: _Course, sentences: tuple[Sentence, ...], found: Sequence[Evidence], trace: Trace
    ) -> Answer:
        text = "".join(f"{one.before}{one.text}" for one in sentences).strip()
        return replace(course.answer(text, found, trace), sentences=sentences, notes=self._notes(sentences, found))

    def _rewriting(self, question: str, history: Sequence[Message]) -> Rewriting:
        how = self._answering.rewrite
        # "Who approves it?" was not answered by a refusal.
        history = [
            replace(turn, content="") if turn.role == "assistant" and declines(turn.content, self._answering) else turn
            for turn in history
        ]
        by_rules = rewritten(question, history) if how != "off" else Rewriting(question)
        if how == "model" and not by_rules.certain:
            return rewritten_by_model(question, history, self._opened_engine) or by_rules
        return by_rules

    def _prompt(self, question: str, history: Sequence[Message], found: Sequence[Evidence]) -> _Prompt:
        """The messages within the budget. Raises ModelError when not even the question fits."""
        engine = self._opened_engine

        def messages(past: Sequence[Message], evidence: Sequence[Evidence]) -> list[Message]:
            return build_messages(self._answering.system, evidence, past, question, engine.control_tokens)

        said = self._generation.max_new_tokens + self._generation.thinking
        budget = min(self._answering.prompt_tokens, engine.window - said)
        room_for_past = min(self._answering.history_tokens + engine.count(messages((), ())), budget // 2)
        past = fitting_history(history, room_for_past, lambda some: engine.count(messages(some, ())))
        shown = fitting_evidence(found, budget, lambda some: engine.count(messages(past, some)))
        prompt = messages(past, shown)
        room = engine.window - engine.count(prompt)
        if room < 1:
            raise PromptTooLongError(
                f"The prompt is longer than the {engine.window} tokens that the model reads.",
                "Lower answer.evidence, or shorten the question.",
            )
        return _Prompt(prompt, shown, min(self._generation.max_new_tokens, room))

    def _grounder(self, question: str, shown: Sequence[Evidence], places: Sequence[Places]) -> Grounder:
        """``places``: of the question, or of each of its parts; a citation has to fit one of these."""

        def behind(citations: Sequence[Citation]) -> float:
            return min(some.behind(citations) for some in places)

        weights, least = self.retriever.weights, self._answering.support_coverage
        likeness = Meaning(self.retriever.embedder).likeness
        if self._answering.unsupported == "show":
            return Grounder(shown, weights, least, question=question, likeness=likeness)
        return Grounder(shown, weights, least, _PATIENCE, behind, question, likeness)

    def _generate(self, course: _Course, prompt: _Prompt, grounder: Grounder) -> Iterator[Update]:
        """The words of the model, held against the passages as they come: its time is apart from that of the model."""
        engine, temperature = self._opened_engine, self._generation.temperature
        course.timings |= {"generate": 0.0, "ground": 0.0}
        is_cut = False

        def timed(updates: Iterator[Update]) -> list[Update]:
            began = time.perf_counter()
            some = list(updates)
            course.timings["ground"] += time.perf_counter() - began
            return some

        with closing(engine.stream(prompt.messages, prompt.max_new_tokens, temperature, course.adapter)) as stream:
            while not grounder.is_over:
                try:
                    piece = next(stream)
                except StopIteration as end:
                    is_cut = bool(end.value)
                    break
                if piece:
                    yield from timed(grounder.feed(piece))
                else:  # it thinks; who does not want to wait has to be able to stop it
                    yield Words("")
        yield from timed(grounder.finish(is_cut=is_cut))

    def _completed(
        self, course: _Course, grounder: Grounder, shown: Sequence[Evidence], places: Places, trace: Trace
    ) -> Answer:
        declined = declines(grounder.text, self._answering)
        stands = self._answering.unsupported == "show" or grounder.stands
        read = grounder.text if reads(self._generation) else ""
        probability = trace.judgement["probability"]
        knows_names = self._evidence.knows_names(trace.judgement)
        outcome = outcome_of(read, stands, declined, places, probability, knows_names=knows_names)
        if course.parts and (outcome != "refused" or declined):
            said = grounder.sentences if outcome == "own words" else ()
            return self._completed_by_parts(course, said, shown, trace, declined=declined)
        if outcome != "own words":
            course.done("quote")
        match outcome:
            case "own words":
                text, sentences = grounder.text, tuple(grounder.sentences)
                if grounder.stands and all(only_replies(one.text, places.question) for one in sentences):
                    quotes = tuple(replace(one, before="\n") for one in places.quotes(1))
                else:
                    quotes = tuple(left_out(sentences, shown, places.question))
                text, sentences = "\n".join([text, *(one.text for one in quotes)]), (*sentences, *quotes)
            case "quoted":
                sentences = places.quotes()
                text = "\n".join(sentence.text for sentence in sentences)
            case "hedged":
                sentences = places.closest()
                text = closest_text(course.question, self._answering, sentences, shown)
            case "refused":
                reason = _MODEL_DECLINED if declined else _NOTHING_FITS
                refused = self._refused(course, shown, reason, trace)
                # Behind its refusal a model may say what is known of the near thing.
                known = tuple(replace(one, before=" ") for one in grounder.sentences if declined and one.supported)
                return replace(refused, text=" ".join([refused.text, *(one.text for one in known)]), sentences=known)
        answer = course.answer(text, shown, trace)
        return replace(
            answer,
            sentences=sentences,
            quoted=outcome == "quoted",
            hedged=outcome == "hedged",
            notes=self._notes(sentences, shown),
        )

    def _completed_by_parts(
        self, course: _Course, said: Sequence[Sentence], shown: Sequence[Evidence], trace: Trace, *, declined: bool
    ) -> Answer:
        """The answer to a question that joins several: to each what was said or is quoted, and what stays open.

        What has no support is left out where the documents speak for a part, since it spoke of that.
        A model that finds no answer to all of it has ``declined``; it is believed where no place answers a part.
        """
        said, quotes, left = by_parts(course.parts, said)
        course.done("quote")
        if quotes or left or not any(sentence.supported for sentence in said):
            said = tuple(sentence for sentence in said if sentence.supported)
        said = (*said, *left_out(said, shown, course.rewriting.standalone))
        sentences = (
            *said,
            *(replace(quote, before="\n") for quote in quotes if quote.text not in {one.text for one in said}),
        )
        notes = []
        if sentences:
            for part in left:
                nearest = [one for one in part.places.closest() if one.text not in {other.text for other in sentences}]
                opening = open_part(course.question, self._answering, part.asked, has_place=bool(nearest))
                sentences += tuple(replace(one, before=f"\n{opening}\n") for one in nearest[:1])
                notes += [] if nearest else [opening]
            text = "".join(f"{one.before}{one.text}" for one in sentences).strip()
        elif declined:
            return self._refused(course, shown, _MODEL_DECLINED, trace)
        else:
            nearest = [one for part in course.parts for one in part.places.closest()[:_CLOSEST_OF_A_PART]]
            sentences = tuple({sentence.text: sentence for sentence in nearest}.values())
            if not sentences:
                return self._refused(course, shown, _NOTHING_FITS, trace)
            text = closest_text(course.question, self._answering, sentences, shown)
        return replace(
            course.answer(text, shown, trace),
            sentences=sentences,
            quoted=bool(quotes and not said),
            hedged=not (said or quotes),
            notes=(*self._notes(sentences, shown), *notes),
        )

    def _notes(self, sentences: Sequence[Sentence], shown: Sequence[Evidence]) -> tuple[str, ...]:
        differing = version_notes(sentences, shown, self.retriever.weights, self._answering.support_coverage)
        return (*warning_notes(sentences), *differing)

    def _refused(
        self, course: _Course, nearest: Sequence[Evidence], reason: str, trace: Trace, verdict: Verdict | None = None
    ) -> Answer:
        text = refusal_text(course.question, self._answering, verdict.missing if verdict else ())
        return replace(course.answer(text, nearest, trace), refused=True, refusal_reason=reason)

    def _with_other_languages(self, answer: Answer, course: _Course, only: Filter | None) -> Answer:
        """With the closest places of documents in other languages, across which a search finds little.

        The base model puts the question into theirs. It is not asked for an answer in them: of 20 that it gave there
        12 were wrong, while the places hold what was asked for where the documents do (docs/log.md).
        """
        own = answered_in(course.question, LANGUAGES)
        languages: list[str] = [one for one in self.retriever.languages if one in LANGUAGES and one != own]
        if not own or (only and "language" in only.metadata):
            return answer
        asked = {one: its for one in languages if (its := self._translated(course, one))}
        left = [one for one in languages if one not in asked]
        notes = (*answer.notes, *elsewhere(course.question, self._answering, left))
        others = self._evidence.closest(asked, only)
        course.done("retrieve")
        answer = replace(answer, timings=dict(course.timings), notes=notes, translations=tuple(asked.values()))
        if not others.sentences:
            return answer
        places = others if answer.refused else Cited(answer.hits, answer.sentences).with_more(others)
        notes = tuple(one for one in notes if one not in looked_for(course.question, self._answering, course.missing))
        text = closest_text(course.question, self._answering, places.sentences, places.hits)
        return replace(
            answer,
            text=text,
            sentences=places.sentences,
            hits=places.hits,
            refused=False,
            refusal_reason="",
            hedged=True,
            notes=notes,
        )

    def _translated(self, course: _Course, language: str) -> str:
        """The question in another language; empty where no model that reads is there to put it into that."""
        if not (reads(self._generation) and speaks(self._generation)):
            return ""
        try:
            return translated(course.rewriting.standalone, language, self._opened_engine)
        except ModelError:  # what the documents say without it stands
            return ""
        finally:
            course.done("translate")

    @property
    def _opened_engine(self) -> Engine:
        self._engine = self._engine or self._make_engine()
        return self._engine
