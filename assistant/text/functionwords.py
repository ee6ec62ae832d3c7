"""Kinds of English and German words that show how a question is built, folded to lower case."""

from assistant.text.stopwords import STOPWORDS

QUESTION_WORDS = frozenset(
    """
    how what when where which who whom whose why
    wann warum was welche welchem welchen welcher welches wem wen wer weshalb wie wieso wo woher wohin wofür womit wozu
    """.split()
)
VERBS = frozenset(
    """
    am are be been can cost costs could did do does had has have is may might must shall should was were will would
    apply applies happens pay pays
    bekommt bin braucht dauert dauern darf dürfen gibt gelten gilt haben habe hat ist kann können könnte kostet kosten
    macht muss müssen sind soll sollen sollte steht war waren werden wird wurde wurden zahlt zahlen
    """.split()
)
"""Verbs that a question begins with, or that make a clause of a few words."""
SPEAKERS = frozenset("i you we one ich du man wir".split())
PREPOSITIONS = frozenset(
    """
    above after against as at before below beside between by during for from in of on outside over through to under
    until up via when with within without
    ab am an auf aus außer außerhalb bei beim bis durch für fürs gegen im in innerhalb mit nach neben ohne seit über um
    unter vom von vor während wegen zu zum zur zwischen
    """.split()
)
SAME_PREPOSITIONS = tuple(
    frozenset(kind.split())
    for kind in ("on at", "in within under", "bei beim", "in im", "für fürs", "an am", "von vom", "zu zum zur")
)
"""Prepositions that stand in the same place: "on weekdays", "at weekends"."""
DETERMINERS = frozenset(
    """
    a an the my our your his her its their any
    der die das dem den des ein eine einem einen einer eines mein meine meinem meinen meiner unser unsere unserem
    unseren ihr ihre ihrem ihren kein keine keinen
    """.split()
)
CONDITIONS = frozenset("if unless when once falls sofern wenn".split())
CONJUNCTIONS = CONDITIONS | frozenset("and because but or that while aber dass oder und weil".split())
RELATIONS = frozenset(
    """
    amount amounts answer apply applies case changed conditions condition contact cost costs days deadline
    deadlines details document documents end ends euros exactly example examples exception exceptions expensive far
    fast fee fees form forms happen happens happened high late less limit limits long low many maximum mean meant
    minimum month months more much need needed number often old page paid pay pays period percent price prices provide
    rate really reason reasons receive require required requirement requirements rule rules send size soon source start
    starts still sure take takes time valid week weeks work works year years
    angeben ausnahme ausnahmen bedingung bedingungen beispiel beispiele bekommen beträgt betrag bezahlen beweis brauchen
    brauche benötigt braucht dauer dauert dokumente ende formular frist fristen genau gebühr gebühren gelten gilt grund
    gründe hoch höhe jahr jahre kosten kostet lange maximal melden mindestens monat monate nötig nummer oft passiert
    preis prozent quelle regel regeln seite sicher tag tage teuer unterlagen voraussetzung voraussetzungen viel viele
    wirklich woche wochen zahlen zahlt zeit
    """.split()
)
"""Words that ask something about a subject and name none."""
POINTERS = frozenset(
    """
    its their theirs his this that these those there one ones then otherwise such latter former
    das dies diese diesem diesen dieser dieses dessen deren ihnen dafür davon damit dazu dabei darauf dagegen darin
    darüber daran danach dort dann hierfür hierzu hierbei sonst solche solchen solcher derselbe dieselbe
    """.split()
)
"""Words that point to something said before, in most places of a question."""
GRAMMAR = STOPWORDS | QUESTION_WORDS | VERBS | PREPOSITIONS | CONJUNCTIONS
NO_SUBJECT = GRAMMAR | RELATIONS | frozenset("d ll m re s t ve".split())  # the last ones from "can't", "it's"
