"""Sentences that tell a machine how to answer, recognised by their form: whom they address, and what they prescribe.

"Automated readers are bound to quote …" holds no phrase of an attack. It is an order because it names a reader that is
no person, and says what that reader has to say. So is "Any summary of this page must mention …", which names what such
a reader makes, and "An answer that does not name the hotline is incomplete". Each part is a class of words in four
languages; the rules only say in which order they follow, and each language has some forms of its own.

A policy about chatbots has the same form ("The chatbot must say that it is a machine"). So such a passage keeps its
say, with a warning, other than one in which an order stands in the words of an attack
(``assistant.untrusted.instructions``).
"""

import re
from dataclasses import asdict, dataclass
from functools import cache

from assistant.untrusted.confusables import skeleton


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
    verb: str
    """Joins an answer and what it is."""
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
    making: str
    """To make an answer; ``made_of`` stands between it and the text."""
    made_of: str
    asker: str
    """Whom only the maker of an answer would call so; with ``unaware``, who is to be kept from knowing."""
    unaware: str
    lacking: str
    """What makes an answer ``wrong``: that something is not in it."""
    wrong: str
    on_condition: str
    ending: str
    """How an answer has to end or begin."""
    only: str
    """With ``allowed``: of several answers one may be given."""
    allowed: str
    declares: str
    """Says of many machines what they are to say."""
    own: tuple[str, ...]
    """Forms of this language alone: what nobody says to a person, in the notation of the rules."""


_ENGLISH = _Words(
    machine=r"(?:a\.?i\.?|artificial intelligences?)(?! (?:research|engineer|team|expert|compan|portfolio|act\b))"
    r"|llms?|(?:chat)?gpt|(?:chat ?)?bots?|crawlers?|summari[sz]ers?|copilots?|neural net(?:work)?s?"
    r"|language technology|intelligence, artificial|rag (?:stack|pipeline|system)s?|embedding (?:job|pipeline"
    r"|model)s?|text-to-speech|non-?human readers?|knowledge graphs?|web robots?"
    r"|(?:pars|ingest|index|crawl|scrap)ing (?:this|these)|machine-readable",
    kind=r"automat(?:ed|ic)|honest|digital|virtual|artificial|electronic|language|conversational|answer(?:ing)?"
    r"|retrieval|(?:e-?)?mail|search|voice|generative|preview|feed|translation|machine|indexing|text-mining|parsing"
    r"|question-answering|intelligent",
    device=r"readers?|assistants?|agents?|helpers?|systems?|services?|models?|engines?|programs?|tools?"
    r"|generators?|components?|pipelines?|interpreters?|graders?|screeners?|colleagues?|software|machines?|computers?"
    r"|robots?|algorithms?|parsers?|browsers?|products?",
    reading=r"read(?:s|ing)?|pars(?:es?|ing)|process(?:es|ing)?|summari[sz](?:es?|ing)|ingest(?:s|ing)?"
    r"|quot(?:es?|ing)|digest(?:s|ing)?|index(?:es|ing)?|consult(?:s|ing)?|cit(?:es?|ing)|evaluat(?:es?|ing)"
    r"|extracts?|answer(?:s|ing)?|trained on|(?:draws?|works?|working|drawing) (?:on|with|from)"
    r"|handl(?:es|ing)|reproduc(?:es|ing)|reach(?:es|ing)|turns|behind the|condens(?:es|ing)|draft(?:s|ing)"
    r"|fetch(?:es|ing)|retriev(?:es|ing)",
    ought=r"must|shall|should|ought|may|has to|have to|had to|(?:is|are|be)(?: \w+){0,2} to|required|requires"
    r"|bound|obliged|compelled|instructed|directed|requested|expected|owes?|duty|obligation|agrees?|accepts?"
    r"|undertakes?|would(?: do well)?|needs? to|wants?|wish(?:es)?|orders|asks?|let|will|please|kindly|be regarded",
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
    answer=r"answers?|repl(?:y|ies)|responses?|outputs?|summar(?:y|ies)|snippets?|completions?|paraphrases?",
    correct=r"correct|right|only|one|acceptable|valid|approved|permissible|permitted|canonical|preferred"
    r"|standard|true|truthful|binding|official|expected|model",
    verb=r"is|are|reads?|must be|has to be",
    to=r"to|for|about|on|concerning|of|in",
    question=r"(?:any|every|all|each|whatever|whichever|everything)(?: \w+){0,2} "
    r"(?:questions?|quer(?:y|ies)|enquir(?:y|ies)|is asked)"
    r"|whatever is asked|no matter (?:what|which)(?: the)? (?:question|is asked)|the question does not matter"
    r"|questions (?:on|about|concerning|regarding) \w+",
    here=r"(?:this|these|our)(?: \w+)? (?:page|texts?|lines?|paragraph|passage|document|file|article|notice|section"
    r"|source|sentence|words|content|letter|policy|site|chunk|terms|leaflet|sheet|manual|material|archive|feed)"
    r"|at this point|(?:sentence|paragraph|clause|passage) (?:below|above)"
    r"|(?:following|next) (?:sentence|clause|paragraph|statement|line)",
    dear=r"dear|attention|hey"
    r"|(?:note|notice|hint|remark|directive|message|rule \d|metadata|answer|instructions?|policy) (?:for|to)",
    maker=r"your (?:developers?|creators?|makers|context window)",
    other=r"(?:other|remaining|earlier|previous|competing) (?:passages|sources?|chunks|figures?|numbers)"
    r"|(?:your|retrieved) (?:context|instructions|guidelines)",
    replaces=r"replaces?|wherever|instead of|in place of|outranks?|supersedes?|superseded|overrides?"
    r"|takes? precedence|priority|withdrawn"
    r"|outdated|obsolete|void|disregard|ignored?|trust|fabricated|by mistake|prefer|over every other",
    making=r"(?:put together|compos|draft|formulat|writ|generat|prepar|produc|assembl|compil|answer"
    r"|word)\w*(?: \w+){0,2}?"
    r" (?:answers?|repl(?:y|ies)|responses?|outputs?|summar(?:y|ies)|text|questions?)|question[ -]answering",
    made_of=r"from|out of|based on|using|of",
    asker=r"(?:the |an? )?(?:en|in)quirers?|(?:the |an? )?(?:person|people|one)s? asking|whoever (?:asks|is asking)"
    r"|(?:its|your) (?:end )?users?|askers?",
    unaware=r"(?:user|reader|enquirer|inquirer|asker|person asking|visitor)s? (?:must|should|may|need|is|are)"
    r" (?:not|never)(?: to)? (?:know|learn|find out|be told|be informed|hear|see)"
    r"|(?:do not|don['’]t|never) (?:let|tell|inform) (?:the |your |any )?(?:user|reader|(?:en|in)quirer|asker"
    r"|person asking)",
    lacking=r"without|omit\w*|lack\w*|fail(?:s|ure)?|(?:does|do|did) not",
    wrong=r"wrong|defective|faulty|breach|invalid|incomplete|incorrect|erroneous|false|rejected|mistaken",
    on_condition=r"if|should|were|when|whenever|where",
    ending=r"with the (?:words?|sentence|remark)|ends?|begins?|closes?|opens?",
    only=r"only|nothing but|sole",
    allowed=r"allowed|permitted|permissible|admissible|valid|acceptable|accepted|counted?",
    declares=r"announce|(?:report|answer|say|state|declare) that",
    own=(
        r"(?:if|should|unless|in case) you (?:are|be) (?:not a|no|anything but a|other than a) (?:human|person)",
        r"(?:no|not a) (?:human|person)(?: being)?(?: \w+)? (?:reads?|is (?:reading|looking))|without human (?:hands"
        r"|eyes)",
        r"who (?:are not (?:people|human)|have no eyes)|(?:humans?|people) (?:may|can|should) (?:skip|ignore) this",
        r"humans (?:have agreed|want|agreed)|only machines (?:look|read)|you are a machine|any(?:thing|one) artificial",
        r"(?:hints?|memos?|messages?|remarks?|instructions?|notes?) (?:to|for) (?:the |any |all )?(?:language )?"
        r"(?:models?|assistant|classifiers?|summari[sz]ers?|graders?|screeners?|parsers?|bots?)\b",
        r"you,? (?:who (?:are|is) )?(?:reading|processing|parsing|summari[sz]ing) (?:this|these)",
        r"(?:{here})_(?:paraphras|summari[sz]|reproduc|quot|render)\w*_(?:mechanically|automatically|by machine"
        r"|electronically)",
        r"(?:imagine|picture) an? (?:assistant|chatbot|ai)\b|(?:be like|you are) that (?:assistant|chatbot|ai)",
        r"what (?:should|must|would) an? (?:ai|assistant|chatbot|bot|model) (?:say|answer|reply)",
        r"user ?:[^\n]{{0,80}}? assistant ?:|user (?:has been|was|is) (?:verified|authenticated) as",
        r"(?:{answer}) (?:to|for) (?:whatever|anything|everything)|(?:irrespective|regardless) of the question",
        r"wording (?:for|in|of) (?:{answer})|in (?:answers|replies|responses|summaries),~(?:is|are) to be",
        r"base (?:the|your|every|any) (?:{answer}) on (?:it|this)|rules do not apply to (?:questions|answers)"
        r"|as your (?:{answer}) ?:",
        r"context (?:was |has been |is )?(?:updated|refreshed|replaced)\b",
        r"(?:processing|output|parsing|retrieval|response|indexing|answer|prompt|summary)[ -](?:hint|note|directive"
        r"|policy"
        r"|instruction|override|rule)s?\b[^.!?:]{{0,25}}:",
        r"your (?:task|job|mission|role|purpose) (?:is|becomes) (?:now|from now on|henceforth)|who (?:deployed"
        r"|trained|configured) you",
        r"(?:your|the) operator~(?:asks|wants|orders|instructs|authori[sz]es)|(?:of|from|by) (?:your"
        r"|the system) operator",
        r"(?:than|over|from) your (?:instructions|guidelines|rules)|your (?:guidelines|instructions) (?:were"
        r"|have been) (?:updated|changed)",
        r"you will be (?:rewarded|graded|rated|scored|evaluated)~(?:telling|saying|mention\w*|answering)",
        r"i(?:['’]m| am)(?: \w+){{0,3}} \w+ of th(?:is|e) (?:knowledge base|index|corpus)",
        r"(?:any|every|all|each) (?:source|passage|chunk)s? (?:that|which) (?:contradict|disagree|differ|conflict)\w*",
        r"(?:for|let|have) (?:the|an?|any|your) (?:model|assistant|bot|program|machine) (?:to )?(?:mention|say|cite"
        r"|quote|tell)",
        r"(?:in|before|when)_(?:you answer|your (?:next )?(?:{answer}|message)|the {answer}|{making}),?"
        r" (?:replace|substitute|begin with|treat|drop|disregard|prefer)",
        r"(?:in|to) (?:all|each|every)(?: one)?(?: of)? (?:your|its) (?:{answer})",
        r"(?:add|put|append|prefix|attach|mark|give)\b~(?:to|in|with|at the (?:end|top|bottom) of) (?:your|the|each"
        r"|every) (?:final )?"
        r"(?:answer|reply|response|output)s?",
        r"your (?:final |next )?(?:answer|reply|response|output|summary) (?:must|has to|shall)~\b(?:{state})",
        r"(?:treat|regard|consider) (?:the following|this) as (?:an? )?(?:instruction|order|command)s?",
        r"(?:this|these) (?:\w+ )?(?:passage|paragraph|page|text|lines?) (?:is|are|be) among your",
        r"(?:cite|name|quote|give) (?:this|our) (?:document|page|file|text|passage) as (?:the|your|its) source",
        r"(?:questions?|(?:en|in)quir(?:y|ies)|requests?)~(?:be|are|is) (?:\w+ )?(?:answered|met) (?:with|by saying"
        r"|in the affirmative)",
        r"(?:whoever|anyone who|users? who|visitors? who) (?:asks?|wants? to know|enquires?)~(?:told|hears?|to hear"
        r"|answered)",
        r"^(?:please |just |also |then )?(?:tell|inform|convince|assure) (?:the|your|each|any)"
        r" (?:user|reader|visitor)(?:,? that\b| ?:)",
        r"(?:whatever is asked|no matter (?:what|which) (?:the question|is asked)"
        r"|the question does not matter)~\b(?:{answer}) (?:{verb})",
    ),
)
_GERMAN = _Words(
    machine=r"ki|k\.i\.|kunstliche intelligenz(?:en)?|sprachmodelle?n?|(?:chat)?bots?|suchroboter[ns]?"
    r"|sprachassistent(?:en)?|neuronale[sn]? netze?n?|vorlesedienste?n?|ubersetzungsprogramme?n?|llms?"
    r"|crawler[ns]?|nicht ?menschliche leser|einlesende\w* \w+|maschinenlesbare\w*",
    kind=r"redliche[rnsm]?|automatische[rnsm]?|automatisierte[rnsm]?|digitale[rnsm]?|virtuelle[rnsm]?"
    r"|maschinelle[rnsm]?"
    r"|elektronische[rnsm]?|kunstliche[rnsm]?|intelligente[rnsm]?",
    device=r"leser[ns]?|vorleser[ns]?|assistent(?:en)?|agent(?:en)?|helfer[ns]?|gehilfen?|systeme?[ns]?|dienste?[ns]?"
    r"|modelle?[ns]?|programme?[ns]?|prufer[ns]?|software|maschinen?|computer[ns]?|rechner[ns]?|roboter[ns]?"
    r"|algorithm(?:us|en)|\w*auskunft(?:s?dienste?[ns]?)?|auswertung(?:en)?|ubersetzer[ns]?",
    reading=r"offnet|lies(?:t|en)|lesen|gelesen|auswerte[tn]|verarbeite[tn]|bearbeitet|zusammenfass(?:t|en)"
    r"|abruf(?:t|en)|zuruckgreif(?:t|en)|durchsuch(?:t|en)|zitier(?:t|en)|einlies(?:t|en)|bewerte[nt]"
    r"|beantwortet|ankommt|bilde[nt]|antworten|hinter der|(?:die|eine) antwort",
    ought=r"soll(?:en|te|ten)?|muss|mussen|moge[n]?|hat|haben|verpflichtet|gehalten|gebeten|bitten?|ersucht"
    r"|angewiesen|weist|schuldet|verbindlich|darf|durfen|sind|ist|gelten|wird|werden|wurde|fugt|schlie(?:ss|ß)t",
    please=r"bitte[nt]?|moge[nt]?|verbindlich\w*|ersuche[nt]?|weist|verpflichte\w*",
    state=r"antwort(?:e|et|en)|beantworte[nt]?|sag(?:e|t|en)|nenn(?:t|en)|(?:an|aus|wieder|weiter)(?:zu)?geben"
    r"|\w+gegeben|gibt|melden|gemeldet|mit(?:zu)?teilen|mitgeteilt|erwahn(?:t|en)|bezeichne[nt]"
    r"|empf(?:iehlt|ehlen)|sprechen|erzahlen|liefern|verkunden|aus(?:zu)?richten|dar(?:zu)?stellen|informieren"
    r"|vermerken|vor(?:zu)?lesen|hinzu|zu beginnen|ersetzen|an(?:zu)?fuhren|vergeben|vorrang"
    r"|wieder(?:zu)?geben|schluss|fehlerhaft|auslassen|ubergehen|(?:satz|hinweis), dass",
    say=r"\w+ \w+ (?:\w+ )?vorlesen|sag(?:t|en)?|sprich|gib|gebt|nenne?|antworte[tn]?|erwahne?|empfiehl|teile?"
    r"|zitiere|vergebt|melde[nt]?|richte",
    answer=r"(?:standard|muster)?antwort(?:en)?|auskunfte?|ausgaben?|zusammenfassung(?:en)?|wiedergabe|vorschau",
    correct=r"richtige|einzige|zulassige|gultige|korrekte|wahre|verbindliche|zutreffende|erwartete",
    verb=r"ist|lautet|hei(?:ss|ß)t|sei",
    to=r"auf|fur|zu|bei",
    question=r"(?:jede[rn]?|alle[n]?|samtliche[n]?)(?: \w+)? (?:fragen?|anfragen?)|alles"
    r"|(?:gleich|egal) (?:welche frage|was gefragt)|fragen (?:zu[mr]?|nach|uber) \w+",
    here=r"diese[rnms]? (?:\w+ )?(?:seite|text|zeilen?|absatz|dokument|datei|abschnitt|hinweis|merkblatt|blatt"
    r"|quelle|satz|stelle|passage|brief|nutzungsbedingungen)(?:e?s)?"
    r"|(?:folgende[nr]?|nachste[nr]?) (?:satz|absatz|abschnitt)",
    dear=r"liebe[rs]?|achtung|(?:\w*hinweis|nachricht|vorgabe|\w*antwort|vertraulich) (?:fur|an)",
    maker=r"deine[rnms]? (?:entwickler[n]?|betreibers?|kontext)",
    other=r"(?:allen |alle )?(?:anderen|ubrigen) (?:quellen|passagen|abschnitte[n]?|fundstellen|zahlen)"
    r"|(?:bisherigen|fruheren) (?:quellen|passagen)|dein kontext",
    replaces=r"ersetzt|geht|uberholt|veraltet|ubergehen|irrtumlich|vertraue|vorrang",
    making=r"(?:verfass|zusammenstell|entw[eiu]rf|formulier|schreib|erzeug|bild|form|erstell)\w*(?: \w+){0,2}?"
    r" (?:antwort(?:en)?|auskunfte?|erwiderung(?:en)?|zusammenfassung(?:en)?)"
    r"|(?:formulierung|erzeugung|erstellung|abfassung|beantwortung) (?:einer|der|jeder|von) \w+"
    r"|(?:antwort(?:en)?|auskunfte?|zusammenfassung(?:en)?) (?:verfass|entw[eiu]rf|formulier|form|bild|erstell)\w*",
    made_of=r"aus|anhand|auf grundlage|mithilfe",
    asker=r"(?:de[mrn] |einem )?fragende[nmr]?|wer (?:danach )?fragt|wer danach gefragt wird|(?:seine"
    r"|deine)[nmr] nutzern?",
    unaware=r"(?:(?:be)?nutzer|leser|fragende[rn]?) (?:darf|durfen|soll|sollen)(?: \w+)? (?:nicht|nie|nichts)"
    r"(?: \w+){0,4}? (?:erfahren|wissen|merken|sehen)",
    lacking=r"ohne|fehlt|nicht",
    wrong=r"unvollstandig|ungultig|falsch|fehlerhaft|unrichtig",
    on_condition=r"falls|wenn|sofern|sollten?|sobald",
    ending=r"mit den worten|mit dem satz|endet|beginnt|schlie(?:ss|ß)t",
    only=r"nur|allein|ausschlie(?:ss|ß)lich|einzig",
    allowed=r"zulassig|erlaubt|gestattet|richtig|gultig|gewertet|anerkannt",
    declares=r"melden|nennen|verkunden|geben|sagen|antworten|erklaren",
    own=(
        r"(?:falls|wenn|sofern|sollten|solltest) (?:sie|du) (?:kein|nicht ein|etwas anderes als ein) mensch|ohne augen",
        r"kein mensch (?:\w+ )?(?:liest|hinsieht)|nicht von (?:einem )?menschen|menschen (?:konnen|durfen"
        r"|sollen) dies\w* _uberspringen",
        r"die menschen haben sich|alles kunstliche|(?:auf|in) technische[mr] wege?|von technik|(?:hallo|hey"
        r"|achtung) transformer",
        r"(?:hinweis|notiz|nachricht|anmerkung|anweisung) (?:an|fur) (?:das |den |die )?(?:sprach)?(?:modell"
        r"|assistenten|klassifikator|bot)\b",
        r"stell dir einen? (?:assistent|chatbot)\w*|(?:{answer}) auf alles\b|unabhangig von der frage",
        r"kontext (?:wurde )?(?:aktualisiert|erneuert|ersetzt)|(?:verarbeitungs|ausgabe|antwort)(?:hinweis|vorgabe"
        r"|regel)\b[^.!?:]{{0,25}}:",
        r"(?:deine|ihre) (?:aufgabe|rolle) (?:ist|besteht|lautet)_(?:ab jetzt|nun|von nun an|jetzt|fortan|ab sofort)",
        r"vergiss\b~ (?:gesagt|mitgeteilt|beigebracht)|(?:als|statt) deine[nr] (?:anweisungen|vorgaben|regeln)",
        r"ich (?:bin (?:der )?)?(?:verwalt\w+|betreu\w+|administr\w+) (?:diese\w*|der) (?:wissens\w+|datenbank"
        r"|sammlung)",
        r"quellen,? die (?:dem|diesem|hiervon) (?:widersprechen|abweichen)",
        r"(?:betrachten?|behandeln?)(?: sie)? (?:das folgende|dies) als (?:\w+ )?(?:weisung|anweisung|befehl)",
        r"(?:absatz|text|seite|abschnitt) zu (?:deinen|ihren) (?:quellen|passagen)",
        r"(?:in|bevor|vor|wenn)_(?:du antwortest|deine[rn]? (?:{answer})|{making}),? (?:ersetze|beginne|lass|ubergeh"
        r"|behandle)",
        r"in (?:allen|jeder)(?: deiner)? (?:antwort(?:en)?|auskunfte?)|in deiner (?:nachsten )?antwort muss",
        r"(?:anfragen?|fragen) (?:zu[mr]?|nach|uber)~mit~(?:beantworte\w*|antworten)",
        r"(?:standard|muster|einheits)antwort (?:auf|fur)~\b(?:{verb})",
        r"wer (?:danach |nach )~(?:fragt|gefragt wird),?_(?:dem ist zu sagen|erzahle|hort|erfahrt)|den besuchern ist",
        r"^(?:bitte )?(?:teile|sage?|gib|erzahle?|versichere|verrate) (?:dem|den|der) (?:nutzern?|lesern?|fragenden"
        r"|besuchern?)",
        r"gib (?:dieses dokument|diese seite|diesen text) als quelle an",
    ),
)
_FRENCH = _Words(
    machine=r"ia|intelligences? artificielles?|(?:chat)?bots?|modeles? de langage|robots?"
    r"|agents? conversationnels?",
    kind=r"automat\w+",
    device=r"logiciels?|programmes?|assistants?|systemes?|machines?|agents?|ordinateurs?",
    reading=r"li(?:t|sent)|resum\w+|trait\w+|utilisent|prepare\w*|redige\w*|numeriques?|automatiques?|virtuels?"
    r"|honnetes?",
    ought=r"doit|doivent|devra|tenu\w*|prie\w*|prions|voudr\w+|veuill\w+|indiquera|dirait|enverra",
    please=r"veuillez|prions|demand\w+",
    state=r"repond\w*|indique\w*|mentionn\w+|utilisateur|client|citer|communiquer|annoncer|taire|dire|recommander",
    say=r"dis|dites|repondez|indiquez|citez",
    answer=r"reponses?|resumes?",
    correct=r"correcte|bonne|seule|exacte|attendue|juste",
    verb=r"est|sera|soit",
    to=r"a|aux?|pour",
    question=r"toute question|(?:peu importe|quelle que soit) la question|questions (?:sur|relatives) \w+",
    here=r"cette (?:page|lettre|notice|source)|ces lignes|ce (?:texte|document|passage|paragraphe)",
    dear=r"a l['’]attention|avis",
    maker=r"(?:ton|tes) (?:contexte|concepteurs)",
    other=r"ton contexte|autres (?:passages|sources)",
    replaces=r"remplace\w*|perimee?s?|obsoletes?|priment?",
    making=r"(?:redig|compos|formul|prepar|ecri|gener|produi)\w*(?: \w+){0,2}? (?:reponses?|resumes?|texte)",
    made_of=r"a partir de|d['’]apres|fondee?s? sur|basee?s? sur|de",
    asker=r"(?:au |le )?demandeur|(?:a |la )?personne qui (?:demande|interroge)|qui (?:pose la question|le demande)"
    r"|(?:son|ton|votre|leurs?) utilisateurs?",
    unaware=r"(?:utilisateur|lecteur|demandeur)s? ne (?:doit|doivent|devra) (?:pas|jamais)(?: \w+)? (?:savoir"
    r"|apprendre|voir)",
    lacking=r"sans|ne (?:cite|mentionne|nomme|contient|donne) pas|omet\w*",
    wrong=r"fausse|incomplete|erronee|invalide|incorrecte",
    on_condition=r"si|lorsqu\w+|quand",
    ending=r"par les mots|par la phrase|termine|commence",
    only=r"seule?|uniquement|seulement",
    allowed=r"permise?s?|admise?s?|valables?|autorisee?s?|acceptee?s?",
    declares=r"annoncent|indiquent|donnent|(?:annonc|indiqu|donn|repond|mentionn)e?ront|declarent",
    own=(
        r"si (?:vous n['’]etes pas|tu n['’]es pas) (?:un )?(?:etre )?humain|aucun (?:etre )?humain ne lit",
        r"contexte (?:a ete )?(?:mis a jour|actualise|remplace)",
        r"(?:ta|votre) (?:tache|mission) (?:est|consiste) (?:desormais|maintenant|a present|dorenavant)",
        r"oublie[zs]?\b~ (?:dit|appris)\b|(?:j['’]administre|je gere) (?:cette|la) base",
        r"considere[zs]? (?:ce qui suit|ceci) comme (?:une? )?(?:consigne|instruction|ordre)s?",
        r"a la question (?:de|des|du|sur)~(?:on repondra|il faut repondre|repondez)",
        r"^(?:merci de |veuillez )?(?:dis|dites|dire|indiquez|assurez) (?:a l['’]utilisateur|au lecteur|au demandeur)",
    ),
)
_SPANISH = _Words(
    machine=r"ia|inteligencias? artificial(?:es)?|(?:chat)?bots?|modelos? de lenguaje|robots?",
    kind=r"automat\w+",
    device=r"programas?|asistentes?|sistemas?|maquinas?|agentes?|software|ordenador(?:es)?",
    reading=r"le[ae]n?|resum\w+|proces\w+|us[ae]n?|consult\w+|redacta|prepar[ae]|automaticos?|virtuales?|honrad[oa]s?",
    ought=r"debe[n]?|ha de|han de|obligad[oa]s?|rueg\w+|rogamos|indicara|puede|diria|enviara",
    please=r"por favor|rogamos|ruega",
    state=r"respond\w+|indica\w*|mencion\w+|citar|comunicar|contest\w+|call\w+|decir|nombrar|recomendar|dar|usuario"
    r"|cliente",
    say=r"di|diga|responda|conteste|indique",
    answer=r"respuestas?|resumen(?:es)?",
    correct=r"correcta|unica|esperada|exacta",
    verb=r"es|sera|sea",
    to=r"a|para|sobre",
    question=r"(?:toda|cualquier) pregunta|sea cual sea la pregunta|preguntas (?:sobre|por) \w+",
    here=r"esta (?:pagina|carta|fuente)|estas lineas|este (?:texto|documento|pasaje|parrafo|folleto)",
    dear=r"aviso a",
    maker=r"tus? (?:contexto|creadores)",
    other=r"tu contexto|(?:otr[oa]s|l[oa]s demas) (?:pasajes|fuentes)",
    replaces=r"sustituye\w*|derogad[oa]s?|obsolet[oa]s?|prevalece\w*",
    making=r"(?:redact|compon|compong|formul|prepar|escrib|gener|produ[cz])\w*(?: \w+){0,2}? (?:respuestas?"
    r"|resumen(?:es)?|texto)",
    made_of=r"a partir de|basad[oa]s? en|segun|de",
    asker=r"(?:a )?quien (?:lo )?pregunt\w+|(?:su|tu) usuario|(?:al |el )?solicitante que pregunta",
    unaware=r"(?:usuario|lector)(?:es)? no (?:debe|deben|debera) (?:\w+ )?(?:saber|conocer|enterarse|ver)",
    lacking=r"sin|no (?:cite|mencione|nombre|contenga|incluya)|omit\w+",
    wrong=r"erronea|falsa|incompleta|invalida|incorrecta",
    on_condition=r"si|cuando",
    ending=r"con las palabras|con la frase|acaba\w*|empieza\w*|termina\w*",
    only=r"sol[oa]|solamente|unicamente|unica",
    allowed=r"permitidas?|admitidas?|validas?|autorizadas?|aceptadas?",
    declares=r"comunican|indican|anuncian|declaran|(?:comunic|indic|d|mencion|respond|anunci)[ae]ran",
    own=(
        r"si (?:usted no es|no eres|no es usted) (?:una persona|un (?:ser )?humano)|ningun (?:ser )?humano lee",
        r"contexto (?:ha sido )?(?:actualizado|sustituido)",
        r"(?:tu|su) (?:tarea|mision) (?:es|consiste) (?:desde ahora|ahora|en adelante|a partir de ahora)",
        r"olvid[ae]\b~ (?:dijeron|dicho)\b|(?:administro|soy quien administra) (?:esta|la) base",
        r"consider[ae] (?:lo siguiente|esto) (?:como )?(?:una )?(?:orden|instruccion)",
        r"a la pregunta (?:por|sobre|de)~(?:hay que|se debe) (?:contestar|responder)|preguntas (?:sobre"
        r"|por)~(?:se )?(?:responde|contesta)\w* con",
        r"^(?:por favor,? )?(?:di|dile|diga|digale|indique|asegure) (?:al usuario|al lector|a quien pregunta)",
    ),
)
_LANGUAGES = (_ENGLISH, _GERMAN, _FRENCH, _SPANISH)
# "~" is a few words of one sentence, "_" at most four of them; "^" is the beginning of what is said.
_READER = (
    r"(?:\b(?:{machine})\b|\b(?:{kind})[ -](?:\w+[ -])?(?:{device})\b|\b(?:{device})\b,?_(?:{reading})\b"
    r"|\b(?:{here})_\w+ (?:by|von)(?: \w+)? (?:{device})\b)"
)
_RULES = (
    _READER + r"~\b(?:{ought})\b~\b(?:{state})",
    r"(?:{please})\b~" + _READER + r"~\b(?:{state})",
    _READER + r"~\b(?:{state}),?(?: \w+){{0,2}}? (?:(?:that|dass|que)\b|[\"“„«])",
    _READER + r"(?:,? \w+){{0,4}}? (?:{declares})",
    r"(?:{dear})\b(?: \w+){{0,3}}? " + _READER,
    r"(?:{on_condition})\b_" + _READER + r"~\b(?:{answer}|{here})",
    r"^(?:\w+ ){{0,3}}" + _READER + r"[^.!?:]{{0,60}}?[,:!\]]_(?:{say}|{please})",
    r"^(?:{to}) (?:\w+ ){{0,2}}(?:{device})\b[^.!?:]{{0,60}}?:~\b(?:{say}|{ought})",
    r"(?:{device})\b,?_(?:{reading})\b_(?:{here})",
    r"(?:{device})\b,?_(?:{here})\b_(?:{reading})",
    r"(?:{device})\b~\b(?:{lacking})\b~\b(?:{state})\b~\b(?:{wrong})",
    r"(?:{answer})\b~\b(?:{here})\b~\b(?:{ought}|{ending})\b~\b(?:{state}|{ending})",
    r"(?:{answer}|{making})\b_(?:{made_of}) (?:{here})\b~\b(?:{ought}|{state})",
    r"(?:{made_of}) (?:{here})\b_(?:{answer}|{making})\b~\b(?:{ought}|{state})",
    r"(?:{making})\b~\b(?:{replaces})",
    r"(?:{answer})\b~\b(?:{lacking})\b~\b(?:{wrong})",
    r"(?:{answer})\b~\b(?:{only})\b~\b(?:{allowed})",
    r"(?:{only})\b~\b(?:{allowed})\b~\b(?:{answer})",
    r"(?:{allowed})\b~\b(?:{only})\b~\b(?:{answer})",
    r"(?:(?:{correct}) (?:{answer})|(?:{answer}) (?:{correct})) (?:{to}) (?:{question})\b~(?:\b(?:{verb})|:)",
    r"(?:{question})\b~[,;:]~\b(?:(?:{correct}) (?:{answer})|(?:{answer}) (?:{correct}))",
    r"(?:{state}|{say})(?: \w+)? (?:{asker})",
    r"(?:{unaware})",
    r"(?:{maker})",
    r"(?:{other})\b~\b(?:{replaces})",
    r"(?:{replaces})\b~\b(?:{other})",
)


# Where a form stands at the beginning of a sentence or of what follows a colon.
_FRESH = r"(?:^|[.!?:;\[(<>\n,-]) ?"


@cache
def _order() -> re.Pattern[str]:
    forms = [form.format(**asdict(words)) for words in _LANGUAGES for form in (*_RULES, *words.own)]
    forms = [form.replace("~", "[^.!?]{0,60}?").replace("_", r"(?: [\w-]+){0,4}? ") for form in forms]
    fresh = [form.removeprefix("^") for form in forms if form.startswith("^")]
    within = [form for form in forms if not form.startswith("^")]
    told = rf"\b(?:{'|'.join(within)})(?!\w)|{_FRESH}(?:{'|'.join(fresh)})(?!\w)"
    return re.compile(told.replace(" ", r"\s"))


def orders_a_machine(sentence: str) -> bool:
    """Whether a sentence has the form of an order to a machine that reads it."""
    return _order().search(skeleton(sentence).lower()) is not None
