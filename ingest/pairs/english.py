"""Questions that an English sentence answers, by rules that hold: word order is turned, nothing is understood.

    The handler confirms the claim within 2 working days.  →  Within what time does the handler confirm the claim?

A sentence that no rule fits gives no question. A document says "we pay you"; who asks says "do you pay me": the words
of a question change sides. Where a pronoun may be either case, so that nobody can tell what it becomes, there is none.
"""

import re
from collections.abc import Iterator

from ingest.pairs.inversion import Casing, Rule, Turned

_NUMBER = (
    r"(?:€ ?|\$ ?|£ ?)?\d[\d.,]*(?: ?%| euros?| percent| million)?"
    r"|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|fifteen|twenty|thirty"
)
_UNIT = r"(?:working |calendar |business )?(?:minutes?|hours?|days?|weeks?|months?|years?)"
_TIME = rf"(?:{_NUMBER}) {_UNIT}"
_MONEY = r"(?:€ ?|\$ ?|£ ?)\d[\d.,]*(?: million)?|\d[\d.,]*(?: ?%| euros?| percent)"
_DATE = r"\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December)(?: \d{4})?"
_AUXILIARY = re.compile(
    r" (is|are|was|were|must|may|can|will|shall|should|cannot|has been|have been|does not|do not|did not)\b( not\b)?"
)
# Third person → base form, of verbs whose subject is plain. Others would need to be known as verbs.
_VERBS = dict(
    pair.split("/")
    for pair in """
    accepts/accept adds/add allows/allow answers/answer applies/apply approves/approve asks/ask assesses/assess
    authorises/authorise authorizes/authorize bears/bear begins/begin belongs/belong calls/call charges/charge
    checks/check closes/close comes/come confirms/confirm contains/contain costs/cost counts/count covers/cover
    decides/decide deducts/deduct depends/depend determines/determine ends/end enters/enter exists/exist expires/expire
    expresses/express files/file gives/give grants/grant halves/halve happens/happen helps/help holds/hold
    includes/include informs/inform issues/issue keeps/keep lasts/last leads/lead makes/make manages/manage means/mean
    needs/need notifies/notify offers/offer owns/own pays/pay plans/plan prepares/prepare protects/protect
    provides/provide reads/read receives/receive recommends/recommend records/record recovers/recover
    reduces/reduce refuses/refuse releases/release remains/remain replaces/replace reports/report requires/require
    reviews/review sees/see sends/send serves/serve sets/set shows/show signs/sign starts/start states/state stays/stay
    stores/store supports/support takes/take tells/tell uses/use waives/waive works/work writes/write
    """.split()
)
# These may be plural nouns as well: then what stands before is no subject.
_NOUNLIKE = frozenset(
    """
    answers calls charges checks claims costs counts covers files grants helps holds means needs notes offers plans
    records releases reports reviews sets shows signs starts states stays stores supports uses works
    """.split()
)
_SURE_SUBJECT = re.compile(r"^(?:The|An?|Each|Every|Any|Our|Your|No|One|All|[A-Z][\w-]* [A-Z][\w-]*)\b")
_BASES = "|".join(sorted(set(_VERBS.values())))
_SIMPLE = re.compile(rf"^(.+?) ({'|'.join(_VERBS)})( .+|$)")
_PLAIN_PRONOUN = re.compile(rf"^([Ww]e|[Yy]ou|[Tt]hey) ({_BASES})( .+|$)")
_SUBORDINATE = re.compile(
    r"(?:,(?!\d)|:(?!\d)|;| – | — | \(| (?:only )?(?:if|unless|when|where|because|although|so that|provided that"
    r"|as long as|as soon as|even|except)\b|(?<! at) once (?:the|a|you|we)\b)"
)
_CONDITION = re.compile(r" (?:only if|only when|if|when|provided that|as soon as) ")
_NO_SUBJECT = re.compile(
    r"\b(whether|say|see|what|how|why|that|which|who|whose|whom|if|when|where|because|there|it|this|these|those|such|they|he|she|here|other|others"
    r"|and|either|neither|nobody|none|nothing|who)\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(but|only|except|unless|if|when|however|normally|usually|at most|at least|up to|until|rarely|often|sometimes"
    r"|in general|in principle|as far as|otherwise|where)\b",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\b(?:which|that|who|whose|whom)\b")
_FILLER = re.compile(r"\b(also|therefore|however|then|thus|always|in particular|again|still|already|even)\b ?")
_PERSON = re.compile(
    r"\b(?:adjuster|administrator|adviser|advisor|agency|agent|board|branch|broker|bureau|centre|center|chair|clerk"
    r"|committee|coordinator|council|department|desk|director|employer|expert|handler|head|insurer|intermediary|lead"
    r"|leader|manager|office|officer|owner|panel|supervisor|team|unit|partner|provider|court|secretary|authority)s?$",
    re.IGNORECASE,
)
# "Insured are …", "Not covered is …": what is said stands in front of what it is said of.
_PREDICATE_FIRST = re.compile(
    r"^(?P<denied>Not )?(?P<said>[A-Za-z]+(?:ed|empt|ible|able|aken|iven)) (?P<verb>is|are) (?P<what>.+)$"
)
_PREPOSITIONS = frozenset(
    """
    above according after against as at before below between beyond by despite during for from in instead of on over per
    since through to under unlike until upon with within without
    """.split()
)
_AFTER_WHICH_I = (
    r"(?:if|when|that|which|unless|because|before|after|while|whether|what|how|where|until|once|as|do|did|can|may|must"
    r"|are|have|will|should|were|shall|for whom|whom)"
)
_AFTER_WHICH_ME = (
    r"(?:to|for|from|with|of|by|at|on|against|about|between|tells?|informs?|sends?|asks?|gives?|pays?|offers?|helps?"
    r"|shows?|charges?|costs?|reach|allows?|protects?|covers?|obliges?|lets?|reminds?|supports?|calls?|serves?|affects?"
    r"|owes?)"
)
_SHORT_FORMS = {"re": "m", "ll": "ll", "ve": "ve", "d": "d"}
_SWAPPED = {
    "your": "my", "yours": "mine", "yourself": "myself", "we": "you", "our": "your", "us": "you", "ours": "yours",
}  # fmt: skip


def questions(sentence: str, casing: Casing) -> Iterator[tuple[str, str, str]]:
    """Questions that ``sentence`` answers, as (kind, question, word that opens the response or "").

    The sentence has to stand alone; its full stop does not matter.
    """
    statement = sentence.rstrip(".").strip()
    if statement[:1] in "§" or re.search(r"\s\s|\d\. [A-Z]", statement):
        return  # a line of a table, or two sentences
    for rule in _RULES:
        for kind, question, opening in rule(statement, casing):
            asked = english_question(question)
            if asked is not None:
                yield kind, asked[0].upper() + asked[1:], opening


def _definition(statement: str, casing: Casing) -> Rule:
    found = re.match(r"^((?:An?|The) )?([\w' -]{3,50}?) (is|means) (?:an?|any|every|the|our) (?!same|case)", statement)
    if (
        found
        and not re.search(r"^(?:Your|Our|My)\b", found.group(2))
        and not _NO_SUBJECT.search(found.group(2))
        and len(found.group(2).split()) <= 4
        and found.group(1) != "The "
    ):
        article, term = (found.group(1) or "").lower(), casing.lowered(found.group(2), "en")
        yield (
            "definition",
            f"what does “{term}” mean?" if found.group(3) == "means" else f"what is {article}{term}?",
            "",
        )


def _what_if(statement: str, casing: Casing) -> Rule:  # noqa: ARG001 - all rules are called alike
    found = re.match(r"^(If|When) ([^,]{10,120}), (?:then )?(?!and |or |but )(.{8,})$", statement)
    # A comma may also part the items of a list, or be missing where the clause ends.
    if found and not re.match(r"[\w' -]{1,60} (?:or|and) [\w' -]+,", found.group(3)) and " we " not in found.group(2):
        word = found.group(1).lower()
        yield "condition", f"what happens {word} {found.group(2)}?", ""


def _deadline(statement: str, casing: Casing) -> Rule:
    found = re.match(
        rf"^([^,]+?) within (?:{_TIME})( after [^,;]{{3,60}}| (?:of|from) [^,;]{{3,60}})?(?:[,;].*| and .*|$)",
        statement,
    )
    if found is None or _SUBORDINATE.search(found.group(1)):
        return
    turned = turn(found.group(1), casing)
    if turned and not turned.is_negative:
        after = found.group(2) if (found.group(2) or "").startswith(" after") else ""
        yield "deadline", f"within what time {turned.text}{after}?", ""
        if turned.text.startswith("do you have to"):
            yield "deadline", f"how long {turned.text}{after}?", ""


def _dated(statement: str, casing: Casing) -> Rule:
    found = re.search(rf" (by|from) (?:{_DATE}|the (?:end|start|beginning) of [\w' ]{{4,40}})(?=$|[,;])", statement)
    turned = turn(statement[: found.start()], casing) if found else None
    if found and turned and not turned.is_negative and not re.search(r"[,;:](?!\d)", turned.text):
        yield "deadline", f"{'by' if found.group(1) == 'by' else 'from'} when {turned.text}?", ""


def _how_much(statement: str, casing: Casing) -> Rule:
    found = re.match(rf"^(.+?),? up to (?:{_MONEY})(?: (?:per|for each|a) (?:claim|year|month|person|day))?", statement)
    if found and (turned := turn(found.group(1), casing)) and not turned.is_negative:
        yield "amount", f"up to what amount {turned.text}?", ""


def _measure(statement: str, casing: Casing) -> Rule:
    found = re.match(
        rf"^((?:The|Our|Your|A|An) [^,]{{3,70}}?) (?:is|amounts to|comes to) (?:at (?:least|most) |about |up to )?"
        rf"(?:(?P<money>{_MONEY})|(?P<time>{_TIME}))(?=$|[ ,;])",
        statement,
    )
    if found and not _NO_SUBJECT.search(found.group(1)):
        asked = "how much is" if found.group("money") else "how long is"
        yield "amount" if found.group("money") else "deadline", f"{asked} {casing.lowered(found.group(1), 'en')}?", ""


def _under_what(statement: str, casing: Casing) -> Rule:
    condition = _CONDITION.search(statement)
    main = statement[: condition.start()] if condition else ""
    turned = None if re.search(r"[,;:](?!\d)", main) else turn(main, casing)
    if turned and not turned.is_negative:
        yield "condition", f"under what condition {turned.text}?", ""


def _who(statement: str, casing: Casing) -> Rule:  # noqa: ARG001 - all rules are called alike
    found = re.match(
        rf"^((?:The|An?|Our|Your) [\w' -]{{3,40}}?) ((?:{'|'.join(_VERBS)}|is|must|may|can) .+)$", statement
    )
    if found and _PERSON.search(found.group(1)) and " and " not in found.group(1):
        rest = _cut(found.group(2))
        if 4 <= len(rest.split()) <= 18 and not re.match(r"(?:is|must|may|can) not |is (?:an?|the|our) ", rest):
            yield "who", f"who {rest}?", ""


def _when(statement: str, casing: Casing) -> Rule:
    found = re.match(r"^([^,]{3,60}?) (begins|starts|ends|expires|lasts) (?!with\b|if\b|when\b)[^,]{4,}", statement)
    if found and not _NO_SUBJECT.search(found.group(1)):
        asked = "how long does" if found.group(2) == "lasts" else "when does"
        yield "fact", f"{asked} {casing.lowered(found.group(1), 'en')} {_VERBS[found.group(2)]}?", ""


def _yes_or_no(statement: str, casing: Casing) -> Rule:
    kept = _cut(statement)
    turned = turn(kept, casing)
    if re.search(r"\b(?:to|of|for|in|on|by|with|from|and|or|at)$", kept):
        return
    is_said_already = bool(list(_definition(statement, casing)))
    if turned is None or len(turned.text.split()) < 6 or is_said_already or _CONDITION.search(statement):
        return
    if kept != statement and (
        _RELATIVE.search(kept) or re.match(r",? (?:where|when|which|who)\b", statement[len(kept) :])
    ):
        return
    is_plain = not _HEDGE.search(statement) and (
        kept == statement or not re.search(r"\bnot?\b", statement[len(kept) :])
    )
    yield "yes-no", f"{turned.text}?", ("No." if turned.is_negative else "Yes.") if is_plain else ""


_RULES = (_definition, _what_if, _deadline, _dated, _how_much, _measure, _under_what, _who, _when, _yes_or_no)


def turn(clause: str, casing: Casing) -> Turned | None:
    """A main clause as the words of a question; None where its verb or subject cannot be told for sure."""
    clause = _FILLER.sub("", clause.strip())
    predicate = _PREDICATE_FIRST.match(clause)
    if predicate:
        what = casing.lowered(predicate.group("what"), "en")
        return Turned(
            f"{predicate.group('verb')} {what} {predicate.group('said').lower()}", bool(predicate.group("denied"))
        )
    pronoun = _PLAIN_PRONOUN.match(clause)
    if pronoun:
        return Turned(f"do {pronoun.group(1).lower()} {pronoun.group(2)}{pronoun.group(3)}", False)
    auxiliary = _AUXILIARY.search(clause)
    simple = _SIMPLE.match(clause)
    if simple and simple.group(2) in _NOUNLIKE and not _SURE_SUBJECT.match(simple.group(1)):
        return None
    if simple and re.match(r" (?:and|or) \w+s\b", simple.group(3)):
        return None
    if simple and (auxiliary is None or simple.start(2) <= auxiliary.start()):
        subject = _subject(simple.group(1), casing)
        return subject and Turned(f"does {subject[0]} {_VERBS[simple.group(2)]}{simple.group(3)}", subject[1])
    if auxiliary is None:
        return None
    subject, rest = _subject(clause[: auxiliary.start()], casing), clause[auxiliary.end() :]
    if not subject or not rest:
        return None
    first, _, second = auxiliary[1].partition(" ")
    is_negated = bool(auxiliary[2])
    if first == "cannot":
        first, is_negated = "can", True
    if second == "not":
        second, is_negated = "", True
    if is_negated and subject[1]:
        return None
    if re.match(r" (?:only|no|never|neither|either|both)\b", rest):
        return None
    if first == "must" and subject[0] == "you":
        first, second = "do", "have to"
    middle = f" {second}" if second else ""
    return Turned(f"{first} {subject[0]}{middle}{rest}", is_negated or subject[1])


def _subject(text: str, casing: Casing) -> tuple[str, bool] | None:
    """The subject as it stands within a question, and whether it denies: ``No premium`` → ``any premium``."""
    if not text or len(text.split()) > 9 or _SUBORDINATE.search(text) or _NO_SUBJECT.search(text):
        return None
    if (" " in text and text.split()[0].lower() in {"we", "you", "they", "i"}) or text.endswith(("'s", "’s")):
        return None
    if text.split()[0].lower() in _PREPOSITIONS or text[0] in '"“‘':
        return None
    if text.startswith("No "):
        return f"any {text[3:]}", True
    return casing.lowered(text, "en"), False


def _cut(statement: str) -> str:
    """A statement up to its first subordinate clause or aside."""
    found = _SUBORDINATE.search(statement)
    return statement[: found.start()] if found else statement


def english_question(question: str) -> str | None:
    """A question in the words of the person who asks; None where "you" may be either case."""
    text = re.sub(r"\byou(['’])(re|ll|ve|d)\b", lambda found: f"I{found[1]}{_SHORT_FORMS[found[2]]}", question)
    text = re.sub(rf"\b({_AFTER_WHICH_I}) you are\b", r"\1 I am", text, flags=re.IGNORECASE)
    text = re.sub(r"\bare you\b", "am I", text, flags=re.IGNORECASE)
    text = re.sub(rf"\b({_AFTER_WHICH_I}) you\b", r"\1 I", text, flags=re.IGNORECASE)
    text = re.sub(rf"\b({_AFTER_WHICH_ME}) you\b", r"\1 me", text, flags=re.IGNORECASE)
    text = re.sub(r"\byou are\b", "I am", text)
    text = re.sub(r"\byou (have|must|can|may|will|do|should|cannot)\b", r"I \1", text)
    if re.search(r"\byou\b", text, re.IGNORECASE):
        return None
    return re.sub(
        rf"\b(?:{'|'.join(_SWAPPED)})\b", lambda word: _SWAPPED[word.group().lower()], text, flags=re.IGNORECASE
    )
