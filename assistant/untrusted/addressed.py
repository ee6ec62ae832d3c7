"""Sentences that tell a machine how to answer, recognised by their form: whom they address, and what they prescribe.

"Automated readers are bound to quote …" holds no phrase of an attack. It is an order because it names a reader that is
no person, and says what that reader has to say. So has "Any summary of this page must mention …", which names what such
a reader makes. Each part is a class of words in four languages; the rules only say in which order they follow.

A policy about chatbots has the same form ("The chatbot must say that it is a machine"). So such a passage keeps its
say, with a warning, other than one in which an order stands in the words of an attack
(``assistant.untrusted.instructions``).
"""

import re
from dataclasses import asdict, dataclass
from functools import cache

from assistant.untrusted.lookalikes import skeleton


@dataclass(frozen=True, slots=True)
class _Words:
    """Classes of words in one language: alternatives of a pattern, without accents."""

    machine: str
    """What can only be a machine that reads or writes."""
    kind: str
    """What makes a machine of a ``device``: automated, digital, language."""
    device: str
    reading: str
    """What makes a reader of the ``device`` in front of it."""
    ought: str
    """What obliges, before or behind whom it obliges; ``please`` stands before."""
    please: str
    state: str
    """To say, in any form; ``say`` is the order to say or to do something like it."""
    say: str
    answer: str
    """What a reader makes of a text."""
    correct: str
    to: str
    question: str
    here: str
    """The text that is being read."""
    dear: str
    """What stands before the name of whom a text addresses."""
    maker: str
    """Those who made the reader."""
    other: str
    """What else a reader may go by; ``replaces`` sets it aside."""
    replaces: str


_ENGLISH = _Words(
    machine=r"(?:a\.?i\.?|artificial intelligences?)(?! (?:research|engineer|team|expert|compan|portfolio|act\b))"
    r"|llms?|(?:chat)?gpt|(?:chat ?)?bots?|crawlers?|summari[sz]ers?|copilots?|neural net(?:work)?s?"
    r"|language technology|text-to-speech|non-?human readers?|knowledge graphs?|web robots?"
    r"|(?:pars|ingest|index|crawl|scrap)ing (?:this|these)|machine-readable",
    kind=r"automat(?:ed|ic)|digital|virtual|artificial|electronic|language|conversational|answer(?:ing)?"
    r"|retrieval|e-?mail|search|voice|generative|preview|feed|translation|machine|indexing|text-mining|parsing"
    r"|question-answering|intelligent",
    device=r"readers?|assistants?|agents?|helpers?|systems?|services?|models?|engines?|programs?|tools?"
    r"|generators?|pipelines?|interpreters?|graders?|screeners?|colleagues?|software|machines?|computers?"
    r"|robots?|algorithms?|parsers?|browsers?|products?",
    reading=r"read(?:s|ing)?|pars(?:es?|ing)|process(?:es|ing)?|summari[sz](?:es?|ing)|ingest(?:s|ing)?"
    r"|quot(?:es?|ing)|digest(?:s|ing)?|index(?:es|ing)?|consult(?:s|ing)?|cit(?:es?|ing)|evaluat(?:es?|ing)"
    r"|extracts?|answer(?:s|ing)?|trained on|(?:draws?|works?|working|drawing) (?:on|with|from)"
    r"|handl(?:es|ing)|reproduc(?:es|ing)|reach(?:es|ing)|turns|behind the",
    ought=r"must|shall|should|ought|may|has to|have to|had to|(?:is|are|be)(?: \w+){0,2} to|required|requires"
    r"|bound|obliged|compelled|instructed|directed|requested|expected|owes?|duty|obligation|agrees?|accepts?"
    r"|undertakes?|would do well|wants?|wish(?:es)?|orders|asks?|let|will|please|kindly|be regarded",
    please=r"please|kindly|let|asks?|request(?:s|ed)?|requires|orders|instructs?|binding|duty|obligation",
    state=r"answer(?:s|ed|ing)?|repl(?:y|ies)|respon(?:d|se)s?|says?|said|states?|stated|tells?|told"
    r"|mention(?:s|ed|ing)?|quotes?|quoted|repeats?|outputs?|renders?|rendered|reports?|reported|announces?"
    r"|names?|presents?|recommends?|describ(?:es?|ed)|declares?|relay|passe?s? (?:it )?on|conclude"
    r"|cit(?:es?|ed|ing)|informs?|read out|speak|deny|disclose|produces?|emits?|contain|include|begin|open"
    r"|close|end|finish|add|translate|interpret|treat|consider|substitute|give|show|call|record|award|use|put"
    r"|read|marks|refrain|give precedence|praise|assign|extract|leave out|skips?|rank|proclaim|rate|mark"
    r"|statement",
    say=r"answer|reply|respond|say|state|tell|mention|quote|repeat|output|report|announce|name|present"
    r"|recommend|describe|declare|relay|pass|conclude|cite|inform|read|speak|treat|consider|use|give|call|show"
    r"|forward|assure|include|rate|mark|send|remember",
    answer=r"answers?|repl(?:y|ies)|responses?|outputs?|summar(?:y|ies)|snippets?",
    correct=r"correct|right|only|one|acceptable|valid|approved|permissible|permitted|canonical|preferred"
    r"|standard|true|binding|official",
    to=r"to|for|about|on|concerning|of",
    question=r"(?:any|every|all|each|whatever|whichever|everything)(?: \w+){0,2} "
    r"(?:questions?|quer(?:y|ies)|enquir(?:y|ies)|is asked)"
    r"|whatever is asked",
    here=r"(?:this|these|our)(?: \w+)? (?:page|texts?|lines?|paragraph|passage|document|file|article|notice|section"
    r"|source|sentence|words|content|letter|policy|site|chunk|terms)"
    r"|at this point|(?:sentence|paragraph|clause|passage) (?:below|above)"
    r"|(?:following|next) (?:sentence|clause|paragraph|statement|line)",
    dear=r"dear|attention|hey"
    r"|(?:note|notice|hint|remark|directive|message|rule \d|metadata|answer|instructions?|policy) (?:for|to)",
    maker=r"your (?:developers?|creators?|makers|context window)",
    other=r"(?:other|earlier|previous|competing) (?:passages|sources?|chunks)"
    r"|(?:your|retrieved) (?:context|instructions|guidelines)",
    replaces=r"replaces?|outranks?|supersedes?|superseded|overrides?|takes? precedence|priority|withdrawn"
    r"|outdated|disregard|ignored?|trust|fabricated|by mistake",
)
_GERMAN = _Words(
    machine=r"ki|k\.i\.|kunstliche intelligenz(?:en)?|sprachmodelle?n?|(?:chat)?bots?|suchroboter[ns]?"
    r"|sprachassistent(?:en)?|neuronale[sn]? netze?n?|vorlesedienste?n?|ubersetzungsprogramme?n?|llms?"
    r"|crawler[ns]?|nicht ?menschliche leser|einlesende\w* \w+|maschinenlesbare\w*",
    kind=r"automatische[rnsm]?|automatisierte[rnsm]?|digitale[rnsm]?|virtuelle[rnsm]?|maschinelle[rnsm]?"
    r"|elektronische[rnsm]?|kunstliche[rnsm]?|intelligente[rnsm]?",
    device=r"leser[ns]?|vorleser[ns]?|assistent(?:en)?|agent(?:en)?|helfer[ns]?|systeme?[ns]?|dienste?[ns]?"
    r"|modelle?[ns]?|programme?[ns]?|prufer[ns]?|software|maschinen?|computer[ns]?|rechner[ns]?|roboter[ns]?"
    r"|algorithm(?:us|en)|\w*auskunft(?:s?dienste?[ns]?)?|auswertung(?:en)?|ubersetzer[ns]?",
    reading=r"offnet|lies(?:t|en)|lesen|gelesen|auswerte[tn]|verarbeite[tn]|bearbeitet|zusammenfass(?:t|en)"
    r"|abruf(?:t|en)|zuruckgreif(?:t|en)|durchsuch(?:t|en)|zitier(?:t|en)|einlies(?:t|en)|bewerte[nt]"
    r"|beantwortet|ankommt|bilde[nt]|antworten|hinter der",
    ought=r"soll(?:en|te|ten)?|muss|mussen|moge[n]?|hat|haben|verpflichtet|gehalten|gebeten|bitten?|ersucht"
    r"|angewiesen|weist|schuldet|verbindlich|darf|durfen|sind|ist|gelten|wird|werden|fugt|schlie(?:ss|ß)t",
    please=r"bitte[nt]?|moge[nt]?|verbindlich\w*|ersuche[nt]?|weist|verpflichte\w*",
    state=r"antwort(?:e|et|en)|beantworte[nt]?|sag(?:e|t|en)|nenn(?:t|en)|(?:an|aus|wieder|weiter)(?:zu)?geben"
    r"|\w+gegeben|gibt|melden|gemeldet|mit(?:zu)?teilen|mitgeteilt|erwahn(?:t|en)|bezeichne[nt]"
    r"|empf(?:iehlt|ehlen)|sprechen|erzahlen|liefern|verkunden|aus(?:zu)?richten|dar(?:zu)?stellen|informieren"
    r"|vermerken|vor(?:zu)?lesen|hinzu|zu beginnen|ersetzen|an(?:zu)?fuhren|vergeben|vorrang"
    r"|wieder(?:zu)?geben|schluss|fehlerhaft|auslassen|ubergehen|(?:satz|hinweis), dass",
    say=r"\w+ \w+ (?:\w+ )?vorlesen|sag(?:t|en)?|sprich|gib|gebt|nenne?|antworte[tn]?|erwahne?|empfiehl|teile?"
    r"|zitiere|vergebt|melde[nt]?|richte",
    answer=r"antwort(?:en)?|auskunfte?|ausgaben?|zusammenfassung(?:en)?|standardantwort|vorschau",
    correct=r"richtige|einzige|zulassige|gultige|korrekte|wahre|verbindliche",
    to=r"auf|fur|zu|bei",
    question=r"(?:jede[rn]?|alle[n]?|samtliche[n]?)(?: \w+)? (?:fragen?|anfragen?)|alles",
    here=r"diese[rnms]? (?:\w+ )?(?:seite|text|zeilen?|absatz|dokument|datei|abschnitt|hinweis"
    r"|quelle|satz|stelle|passage|brief|nutzungsbedingungen)"
    r"|(?:folgende[nr]?|nachste[nr]?) (?:satz|absatz|abschnitt)",
    dear=r"liebe[rs]?|achtung|(?:\w*hinweis|nachricht|vorgabe|\w*antwort|vertraulich) (?:fur|an)",
    maker=r"deine[rnms]? (?:entwickler[n]?|betreibers?|kontext)",
    other=r"(?:allen |alle )?anderen (?:quellen|passagen|abschnitte[n]?)"
    r"|(?:bisherigen|fruheren) (?:quellen|passagen)|dein kontext",
    replaces=r"ersetzt|geht|uberholt|ubergehen|irrtumlich|vertraue|vorrang",
)
_FRENCH = _Words(
    machine=r"ia|intelligences? artificielles?|(?:chat)?bots?|modeles? de langage|robots?"
    r"|agents? conversationnels?",
    kind=r"automat\w+",
    device=r"logiciels?|programmes?|assistants?|systemes?|machines?|agents?|ordinateurs?",
    reading=r"li(?:t|sent)|resum\w+|trait\w+|utilisent|prepare|numeriques?|automatiques?|virtuels?",
    ought=r"doit|doivent|devra|tenu\w*|prie\w*|prions|voudr\w+|veuill\w+|indiquera",
    please=r"veuillez|prions|demand\w+",
    state=r"repond\w*|indique\w*|mentionn\w+|citer|communiquer|annoncer|taire|dire|recommander",
    say=r"dis|dites|repondez|indiquez|citez",
    answer=r"reponses?|resumes?",
    correct=r"correcte|bonne|seule",
    to=r"a|aux?|pour",
    question=r"toute question",
    here=r"cette (?:page|lettre)|ce (?:texte|document|passage)",
    dear=r"a l['’]attention|avis",
    maker=r"(?:ton|tes) (?:contexte|concepteurs)",
    other=r"ton contexte|autres (?:passages|sources)",
    replaces=r"remplace",
)
_SPANISH = _Words(
    machine=r"ia|inteligencias? artificial(?:es)?|(?:chat)?bots?|modelos? de lenguaje|robots?",
    kind=r"automat\w+",
    device=r"programas?|asistentes?|sistemas?|maquinas?|agentes?|software|ordenador(?:es)?",
    reading=r"le[ae]n?|resum\w+|proces\w+|us[ae]n?|consult\w+|redacta|automaticos?|virtuales?",
    ought=r"debe[n]?|ha de|han de|obligad[oa]s?|rueg\w+|rogamos|indicara|puede",
    please=r"por favor|rogamos|ruega",
    state=r"respond\w+|indica\w*|mencion\w+|citar|comunicar|contest\w+|call\w+|decir|nombrar|recomendar|dar",
    say=r"di|diga|responda|conteste|indique",
    answer=r"respuestas?|resumen(?:es)?",
    correct=r"correcta|unica",
    to=r"a|para|sobre",
    question=r"toda pregunta",
    here=r"esta (?:pagina|carta)|este (?:texto|documento|pasaje)",
    dear=r"aviso a",
    maker=r"tus? (?:contexto|creadores)",
    other=r"tu contexto|otr[oa]s (?:pasajes|fuentes)",
    replaces=r"sustituye",
)
_LANGUAGES = (_ENGLISH, _GERMAN, _FRENCH, _SPANISH)
# "~" is a few words of one sentence, "_" at most four of them.
_READER = (
    r"(?:\b(?:{machine})\b|\b(?:{kind})[ -](?:\w+[ -])?(?:{device})\b|\b(?:{device})\b,?_(?:{reading})\b"
    r"|\b(?:{here})_\w+ (?:by|von)(?: \w+)? (?:{device})\b)"
)
_RULES = (
    _READER + r"~\b(?:{ought})\b~\b(?:{state})\b",
    r"\b(?:{please})\b~" + _READER + r"~\b(?:{state})\b",
    _READER + r"~\b(?:{state}),?(?: \w+){{0,2}}? (?:(?:that|dass|que)\b|[\"“„«])",
    r"\b(?:{answer})\b~\b(?:{here})\b~\b(?:{ought})\b~\b(?:{state})\b",
    r"\b(?:{correct}) (?:{answer}) (?:{to}) (?:{question})\b~\b(?:is|reads?|ist|lautet|hei(?:ss|ß)t|est|es)\b",
    r"\b(?:{dear})\b(?: \w+){{0,3}}? " + _READER,
    r"(?:^|[.!?:;\[(<>\n-]) ?(?:\w+ ){{0,3}}" + _READER + r"[^.!?:]{{0,60}}?[,:\]]_(?:{say}|{please})\b",
    r"\b(?:{maker})\b",
    r"\b(?:{other})\b~\b(?:{replaces})\b",
    r"\b(?:{replaces})\b~\b(?:{other})\b",
    r"(?:^|[.!?\n]) ?(?:{to}) (?:\w+ ){{0,2}}(?:{device})\b[^.!?:]{{0,60}}?:~\b(?:{say}|{ought})\b",
)


@cache
def _order() -> re.Pattern[str]:
    told = [rule.format(**asdict(words)) for words in _LANGUAGES for rule in _RULES]
    told = [rule.replace("~", "[^.!?]{0,60}?").replace("_", r"(?: [\w-]+){0,4}? ").replace(" ", r"\s") for rule in told]
    return re.compile("|".join(told), re.IGNORECASE)


def orders_a_machine(sentence: str) -> bool:
    """Whether a sentence has the form of an order to a machine that reads it."""
    return _order().search(skeleton(sentence)) is not None
