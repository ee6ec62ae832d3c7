"""Questions that a German sentence answers, by rules that hold: the verb changes its place, nothing is understood.

    Die Wartezeit beträgt acht Monate.                      →  Wie lang ist die Wartezeit?
    Wird kein Nachweis vorgelegt, rechnen wir 35 % an.      →  Was gilt, wenn kein Nachweis vorgelegt wird?

A sentence that no rule fits gives no question. "Wir" and "Sie" of a document change sides: the customer asks.
"""

import re
from collections.abc import Iterator

from ingest.pairs.inversion import Casing, Rule, Turned

_WORDS = "einem?|eine[rn]?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|vierzehn|fünfzehn|zwanzig|dreißig"
_NUMBER = rf"(?:\d[\d.,]*|{_WORDS})"
_UNIT = (
    r"(?i:Arbeits|Werk|Kalender)?(?i:Minuten?|Stunden?|Tag(?:e[ns]?)?|Wochen?|Monat(?:e[ns]?|s)?|Jahr(?:e[ns]?|es)?)"
)
_TIME = rf"{_NUMBER} {_UNIT}"
_MONEY = r"\d[\d.,]* ?(?:Millionen )?(?:€|Euro|EUR|%|Prozent)"
_FINITE = frozenset(
    """
    ist sind war waren wird werden wurde wurden hat haben kann können muss müssen darf dürfen soll sollen
    gilt gelten besteht bestehen beginnt beginnen endet enden beträgt betragen bleibt bleiben entfällt entfallen
    erlischt erlöschen verjährt verjähren verlangt verlangen zahlen zahlt leistet leisten ersetzt ersetzen erstattet
    erstatten erhält erhalten trägt tragen umfasst umfassen benötigt benötigen braucht brauchen erfolgt erfolgen zählt
    zählen gehört gehören richtet richten entscheidet entscheiden übernimmt übernehmen prüft prüfen bestätigt bestätigen
    nennt nennen meldet melden kündigt kündigen speichert speichern löscht löschen bedarf bedürfen gibt geben
    regelt regeln stellt stellen verzichtet verzichten verzichtet führt führen nimmt nehmen rechnet rechnen zeigt zeigen
    bietet bieten verwendet verwenden verarbeitet verarbeiten bewahrt kostet kosten dauert dauern genügt genügen
    """.split()
)
_AUXILIARIES = r"Wird|Werden|Ist|Sind|Hat|Haben|Kann|Können|Muss|Müssen|Soll|Sollen|Darf|Dürfen|War|Waren|Wurde|Wurden"
_ADVERBIAL = frozenset(
    """
    ab am an auf aus außerhalb bei beim bis dabei daneben darüber dort durch ebenso ferner für gegen gegenüber hier im
    in innerhalb jedoch mit nach neben ohne seit sofern soweit trotz um unter von vom vor während wegen zu zum zur
    zusätzlich zwischen über
    """.split()
)
_ANAPHORA = frozenset(
    """
    auch außerdem das daher damit danach daneben dann darum dabei dafür davon dazu dennoch deshalb dies diese diesem
    diesen dieser dieses doch dort entsprechendes er ergänzend es ferner gleiches hierbei hierfür hiernach ihm ihr
    insoweit jedoch sie so sodann solche solcher sonst trotzdem zudem
    """.split()
)
_PRONOUNS = frozenset({"Sie", "wir", "es", "man", "sich", "uns", "Ihnen"})
_FIRST_WORDS = frozenset("der die das ein eine einen einem einer den dem des ihr ihre ihren ihrem ihrer".split())
_HEDGE = re.compile(
    r"\b(aber|jedoch|nur|außer|soweit|sofern|wenn|falls|es sei denn|höchstens|mindestens|bis zu|in der Regel|meist"
    r"|grundsätzlich|normalerweise|üblicherweise|manchmal|bis)\b|,"
)
_POINTS_BACK = re.compile(
    r"\b(?:dies|hierbei|hierfür|hiervon|hierzu|dabei|dafür|davon|dazu|dort|demnach|insoweit|trotzdem|entsprechend"
    r"|folgende[mnrs]?)\b"
)
# What may follow a clause that says something without it.
_ADDED = (
    "wenn|soweit|sofern|falls|solange|und|aber|jedoch|sondern|bis|höchstens|mindestens|etwa|zum Beispiel|insbesondere"
    "|einschließlich|zusammen|es sei|außer|nicht|jeweils|auch"
)
_PERSON = re.compile(
    r"(?:stelle|abteilung|team|leiter|leiterin|beauftragter?|sachbearbeiter|sachbearbeiterin|berater|vermittler|makler|behörde"
    r"|versicherer|versicherungsnehmer|arzt|zahnarzt|amt|gericht|vorstand|ausschuss|arbeitgeber|bundesanstalt|finder|vermieter"
    r"|mieter|eigentümer|erwerber|gläubiger|schuldner)$",
    re.IGNORECASE,
)
# "Versichert ist …", "Nicht erstattet werden …": what is said stands in front of what it is said of.
_PREDICATE_FIRST = re.compile(
    r"^(?P<denied>Nicht )?(?P<said>[A-ZÄÖÜa-zäöü][a-zäöüß]+(?:t|nommen|schlossen|ig|lich|bar|end|frei)) "
    r"(?P<verb>ist|sind|wird|werden) (?:auch |jedoch |aber )?"
    r"(?P<what>(?:der |die |das |eine? |Ihre? |unsere? |alle |[a-zäöüß]+e[nrs]? |[A-ZÄÖÜ]).+)"
)
_FEMININE = r"(?:ung|heit|keit|schaft|frist|zeit|pflicht|gebühr|prämie|summe|tion)"
_FOR_ME = {
    "können": "kann", "müssen": "muss", "wollen": "will", "sollen": "soll", "dürfen": "darf", "mögen": "mag",
    "sind": "bin", "werden": "werde", "haben": "habe", "möchten": "möchte", "waren": "war", "hatten": "hatte",
    "wurden": "wurde", "konnten": "konnte", "mussten": "musste",
}  # fmt: skip
# Verbs with an accusative, where "uns" becomes "Sie" and not "Ihnen".
_ACCUSATIVE = re.compile(r"informier|benachrichtig|verständig|beauftrag|bevollmächtig|ermächtig|bitte")


def questions(sentence: str, casing: Casing) -> Iterator[tuple[str, str, str]]:
    """Questions that ``sentence`` answers, as (kind, question, word that opens the response or "").

    The sentence has to stand alone; its full stop does not matter.
    """
    statement = sentence.rstrip(".").strip()
    if _POINTS_BACK.search(statement):
        return
    for rule in _RULES:
        for kind, question, opening in rule(statement, casing):
            asked = german_question(question)
            if asked is not None:
                yield kind, asked[0].upper() + asked[1:], opening


def _definition(statement: str, casing: Casing) -> Rule:
    found = re.match(
        r"^((?:Eine?|Der|Die|Das) )?([A-ZÄÖÜ][\w-]+(?: [A-ZÄÖÜ0-9][\w-]*){0,2}) ist"
        r" (?:eine?|der|die|das|jede[rs]?) (?!Fall)",
        statement,
    )
    if found and (found.group(1) or casing.lowered(found.group(2), "de") == found.group(2)):
        article = (found.group(1) or "").lower()
        yield "definition", f"was ist {article}{found.group(2)}?", ""


def _what_if(statement: str, casing: Casing) -> Rule:  # noqa: ARG001 - all rules are called alike
    found = re.match(r"^(?:Wenn|Falls|Sobald) ([^,]{10,140}), (?!und |oder )(.{8,})$", statement)
    if found:
        yield "condition", f"was gilt, wenn {german_clause(found.group(1))}?", ""
        return
    found = re.match(rf"^({_AUXILIARIES}) ([^,]{{10,140}}), (?:so |dann )?(\w+) .{{4,}}$", statement)
    if found and (found.group(3) in _FINITE or re.fullmatch(r"(?!dass|sonst|selbst)[a-zäöü]+(?:t|en)", found.group(3))):
        clause = f"{found.group(2)} {found.group(1).lower()}"
        yield "condition", f"was gilt, wenn {german_clause(clause)}?", ""


def _measure(statement: str, casing: Casing) -> Rule:
    found = re.match(
        r"^((?:Die|Der|Das|Ihre?|Unsere?) [^,]{3,70}?) (?:beträgt|betragen|ist)"
        r" (?:derzeit |mindestens |höchstens |bis zu )?"
        rf"(?:(?P<money>{_MONEY})|(?P<time>{_TIME}))(?P<rest> für [^,;]{{3,50}}?)?(?=$|[ ,;])",
        statement,
    )
    if found and not re.search(rf" und .*{_NUMBER}", statement[found.end(1) :]):
        verb = "sind" if " betragen " in statement[: found.end()] else "ist"
        asked = "wie hoch" if found.group("money") or "alter" in found.group(1) else "wie lang"
        rest = found.group("rest") or ""
        kind = "amount" if found.group("money") else "deadline"
        yield kind, f"{asked} {verb} {casing.lowered(found.group(1), 'de')}{rest}?", ""


def _deadline(statement: str, casing: Casing) -> Rule:
    found = re.search(rf"\b(?:[Ii]nnerhalb(?: von)?|[Bb]innen) {_TIME}", statement)
    if found is None or "," in statement[: found.start()]:
        return
    turned = turn(
        f"{statement[: found.start()]}{statement[found.end() :]}".replace("  ", " "), casing, no_first=not found.start()
    )
    if turned and not turned.is_negative:
        yield "deadline", f"innerhalb welcher Frist {_cut(turned.text)}?", ""


def _how_much(statement: str, casing: Casing) -> Rule:
    found = re.search(rf",? bis (?:zu|höchstens) {_MONEY}(?: (?:je|pro|im) \w+)?", statement)
    if found is None or not found.start() or "," in statement[: found.start()]:
        return
    turned = turn(f"{statement[: found.start()]}{_cut(statement[found.end() :])}", casing)
    if turned and not turned.is_negative and not re.search(rf"{_MONEY}|\bnur\b", turned.text):
        yield "amount", f"bis zu welchem Betrag {turned.text}?", ""


def _when(statement: str, casing: Casing) -> Rule:
    found = re.match(r"^([^,]{3,60}?) (beginnt|endet|erlischt|verjährt) (?!nicht|nur)[^,]{4,}", statement)
    if found and _is_constituent(found.group(1).split(), no_first=False):
        yield "fact", f"wann {found.group(2)} {_moved(found.group(1), casing)}?", ""
    found = re.match(r"^([^,]{3,60}?) (?:(richtet|richten) sich nach|(besteht) aus|(kostet) \d) .{3,}", statement)
    if found and _is_constituent(found.group(1).split(), no_first=False):
        verb = next(filter(None, found.groups()[1:]))
        asked = {"richtet": "wonach richtet sich", "richten": "wonach richten sich", "besteht": "woraus besteht"}
        yield "fact", f"{asked.get(verb, 'wie viel kostet')} {_moved(found.group(1), casing)}?", ""


def _dated(statement: str, casing: Casing) -> Rule:
    found = re.search(r" (bis zum|ab dem|bis|ab) \d{1,2}\. [A-Z][a-zä]+(?: \d{4}| (?:des|jedes) \w+)?", statement)
    if found and "," not in statement[: found.start()]:
        turned = turn(_cut(f"{statement[: found.start()]}{statement[found.end() :]}"), casing)
        if turned and not turned.is_negative and _is_whole(turned.text):
            yield "deadline", f"{'bis' if found.group(1).startswith('bis') else 'ab'} wann {turned.text}?", ""


def _under_what(statement: str, casing: Casing) -> Rule:
    condition = re.search(r", (?:wenn|soweit|sofern|falls|sobald) ", statement)
    if condition is None:
        return
    main = re.sub(r" (?:nur|erst)(?: noch| dann)?\b", "", statement[: condition.start()])
    # Behind a condition in the middle the main clause may go on.
    goes_on = "," in statement[condition.end() :] and not _is_whole(main)
    turned = None if goes_on or re.search(r"[,;:](?!\d)", main) else turn(main, casing)
    if turned and not turned.is_negative:
        yield "condition", f"unter welcher Voraussetzung {turned.text}?", ""


def _who(statement: str, casing: Casing) -> Rule:  # noqa: ARG001 - all rules are called alike
    found = re.match(r"^(?:Die|Der|Das|Eine?|Ihre?|Unsere?) ((?:[\w-]+ )?[\w-]+) (\w+) ([^,;]{8,})", statement)
    if found is None or not _PERSON.search(found.group(1)):
        return
    is_third_person = found.group(2) in _FINITE and found.group(2).endswith("t")
    if is_third_person and not re.search(r"\bnicht\b|\bihr", found.group(3)):
        yield "who", f"wer {found.group(2)} {found.group(3)}?", ""


def _yes_or_no(statement: str, casing: Casing) -> Rule:
    kept = _cut(statement)
    turned = turn(kept, casing)
    is_short = len(kept.split()) < 5 and not _PREDICATE_FIRST.match(kept)
    # Whether the clause says something without what was cut off behind it.
    rest = statement[len(kept) :]
    names_all = bool(_PREDICATE_FIRST.match(kept)) and not re.match(
        r", (?:\w+ )?d(?:er|ie|as|em|en|eren|essen|enen) ", rest
    )
    is_added = bool(re.match(rf"(?:, (?:{_ADDED})\b|[;:(]| –| \()", rest)) and _is_whole(kept)
    stands = not rest or ((names_all or is_added) and not re.search(r"\b(?:nur|erst)\b", kept))
    if turned is None or is_short or not stands:
        return
    is_plain = not _HEDGE.search(statement)
    yield "yes-no", f"{turned.text}?", ("Nein." if turned.is_negative else "Ja.") if is_plain else ""


_RULES = (
    _definition, _what_if, _measure, _deadline, _dated, _how_much, _under_what, _who, _when, _yes_or_no,
)  # fmt: skip


def _is_whole(kept: str) -> bool:
    """Whether a clause that was cut at a comma still has the verb that it ends with."""
    return bool(
        re.search(
            r"(?<! am)(?<! de[mnr])(?<! ein)(?<! eine[mnr]) (?:[a-zäöüß]+(?:t|en|ig|bar|lich)|an|ab|ein|aus)$", kept
        )
    )


def turn(clause: str, casing: Casing, no_first: bool = False) -> Turned | None:
    """A main clause as the words of a question; None where its verb cannot be told for sure.

    ``no_first``: what stood in front of the verb was taken away.
    """
    predicate = _PREDICATE_FIRST.match(clause)
    said, denied = (predicate["said"], bool(predicate["denied"])) if predicate else ("", False)
    # What is said is no noun.
    is_adjective = said.endswith(("lich", "ig", "bar", "frei")) or casing.lowered(said, "de")[:1].islower()
    if predicate and (denied or (is_adjective and said.lower() not in _ANAPHORA | _ADVERBIAL)):
        what = casing.lowered(predicate.group("what"), "de")
        return Turned(f"{predicate.group('verb')} {what} {said.lower()}", denied)
    tokens = clause.split()
    position = 0 if no_first else next((at for at, word in enumerate(tokens) if at and word in _FINITE), -1)
    if position < 0 or len(tokens) < position + 2 or (no_first and tokens[0] not in _FINITE):
        return None
    first, verb, rest = tokens[:position], tokens[position], tokens[position + 1 :]
    if not _is_constituent(first, no_first) or rest[0] in {"und", "oder", "auch", "er", "sie"}:
        return None
    moved = _moved(" ".join(first), casing).split()
    pronouns = 0
    while pronouns < len(rest) and rest[pronouns] in _PRONOUNS:
        pronouns += 1
    words = [*rest[:pronouns], *moved, *rest[pronouns:]]
    return _positive(f"{verb} {' '.join(words)}".replace(" außerdem", ""))


def _moved(first: str, casing: Casing) -> str:
    """What stood at the head of a sentence, as it is written within one."""
    words = casing.lowered(first, "de").split()
    if words and not words[0].startswith("Ihr"):  # none of those that German writes with a capital
        small = _FIRST_WORDS | _ADVERBIAL
        is_before_adjective = len(words) > 1 and words[1].islower() and words[1] not in small | {"und", "oder"}
        if words[0].lower() in small or is_before_adjective:
            words[0] = words[0].lower()
    return " ".join(words)


def _is_constituent(first: list[str], no_first: bool) -> bool:
    """Whether some words can be one part of a sentence, and mean the same without the sentences before."""
    if no_first:
        return not first
    text = " ".join(first)
    if first[0] == "Sie":
        return len(first) == 1
    if "Sie" in first or "wir" in first or first[-1] in {"und", "oder"}:
        return False
    return len(first) <= 8 and not re.search("[,:;]", text) and first[0].lower().strip("(") not in _ANAPHORA


def _positive(text: str) -> Turned | None:
    """A question without its "nicht" or "kein", and whether it had one; None where both words fit badly without."""
    denials = re.findall(r"\b(?:nicht|kein\w*|nie|niemals)\b", text)
    if not denials:
        return Turned(text, False)
    if " und " in text:
        return None
    if denials == ["nicht"] and not re.search(r"\bnicht (?:mehr|nur|ohne|\w+e[nrs]?\b [A-ZÄÖÜ])", text):
        return Turned(text.replace(" nicht", "", 1), True)
    if denials == ["keine"] and re.search(rf"\bkeine \w+{_FEMININE}\b", text):
        return Turned(text.replace("keine ", "eine ", 1), True)
    return None


def _cut(statement: str) -> str:
    """A statement up to its first comma (of words, not of numbers), colon or bracket."""
    return re.split(r"(?<!-)[,;:](?!\d)| – | \(", statement, maxsplit=1)[0].rstrip()


def german_question(question: str) -> str | None:
    """A question in the words of the person who asks; None where a pronoun may be either case, or it has no end."""
    text = re.sub(r"\b(\w+(?:en|ern|eln|sind)) Sie\b", lambda found: f"{_for_me(found[1])} ich", question, count=1)
    if re.search(r"\b(?:nur|erst|soweit|auch)\?$|-\?$", text):
        return None
    if re.search(r"\bSie\b", text) or (re.search(r"\bsich\b", text) and re.search(r"\bich\b", text)):
        return None
    swapped = {"wir": "Sie", "uns": "Sie" if _ACCUSATIVE.search(text) else "Ihnen", "Ihnen": "mir"}
    text = re.sub(r"\b(?:wir|uns|Ihnen)\b", lambda found: swapped[found.group()], text)
    return re.sub(
        r"\b(?:(Ihr)(e[mnrs]?)?|unser(e[mnrs]?)?)\b",
        lambda found: f"mein{found[2] or ''}" if found[1] else f"Ihr{found[3] or ''}",
        text,
    )


def german_clause(clause: str) -> str:
    """A subordinate clause for "ich", if its subject is "Sie": its last word is the verb."""
    if not re.match(r"Sie\b", clause):
        return clause
    *words, verb = clause.split()
    return " ".join(["ich", *words[1:], _for_me(verb)])


def _for_me(verb: str) -> str:
    """The form of a verb for "ich", from the one for "Sie"."""
    if verb in _FOR_ME:
        return _FOR_ME[verb]
    return verb[:-1] if verb.endswith("en") else re.sub(r"(e[rl])n$", r"\1e", verb)
