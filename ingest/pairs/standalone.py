"""Whether a question and its answer are understood by somebody who does not have the page before them.

Patterns for English and German: what points to the page ("this section", "Absatz 2"), what leads on to what is not
there ("listed below"), and pronouns for something that was said before.
"""

import re


def _any(words: str) -> str:
    """Words as alternatives of a pattern; an underscore is a blank."""
    return "|".join(words.split()).replace("_", " ")


_PAGE = _any("document text passage section paragraph excerpt page chapter article table list")
_PAGE_DE = _any(
    "Dokument Text Passage Abschnitt Absatz Absatzes Kapitel Seite Artikel Tabelle Liste Bedingungen Vorschrift"
    " Regelung Fall Fällen? Zeitpunkt Frist"
)
_POINTS_TO_PAGE = re.compile(
    r"\b(?:"
    rf"th(?:is|ese) (?:{_PAGE})s?"
    rf"|the (?:{_any('document text passage section paragraph excerpt above below following former latter previous')})"
    r"|above[- ]mentioned|mentioned (?:above|below|here)|aforementioned|as described (?:above|below)"
    rf"|(?:{_any('para(?:graph)?s? subsection sentence point item step no[.] letter')}) \(?\d"
    rf"|dies(?:e[mnrs]?)? (?:{_PAGE_DE})|oben (?:genannt|beschrieben|erwähnt)\w*|(?:vor|nach)stehend\w*"
    rf"|(?:{_any('Satz Sätze[ns]? Satzes Absatz Absätze[ns]? Absatzes Abs[.] Nummern? Nr[.] Buchstaben?')}) \d"
    r"|der(?:art|selbe)\w*|letztere\w*|erstere\w*"
    r")\b",
    re.IGNORECASE,
)
_POINTS_ON = re.compile(
    r"\b(?:"
    rf"(?:{_any('listed described shown named explained set_out stated given noted provided')}) (?:below|above|here)"
    rf"|below (?:{_any('descriptions requirements conditions list table')})"
    rf"|(?:{_any('requirements conditions steps options ones limits amounts')}) below"
    r"|(?:the|one|all|any|each|these) (?:of the )?following|as follows"
    rf"|see (?:here|below|above|the|our|also)|this (?:{_any('link page form guide list table')})"
    r"|folgende[mnrs]?|wie folgt|(?:nach|auf)folgend\w*"
    r")\b"
    # What a web page tells its reader to do, where an answer would be wanted.
    rf"|^(?:learn (?:more|about|how)|read (?:more|about)|see (?:also|more)|mehr (?:dazu|erfahren)"
    rf"|{_any('find_out click go_to sign_in download view visit check_out weitere_informationen hier_klicken')})\b",
    re.IGNORECASE,
)
_LEANS_BACK = re.compile(
    rf"^(?:(?:{_any('it they this these those such that he she here then otherwise however but and or nor so also')}"
    rf"|{_any('both similarly therefore thus instead likewise moreover')}"
    r"|in (?:this|that|these|such|either|both)|for (?:this|that|these)"
    r"|the (?:same|latter|former|other|following|above)|if (?:so|not|it|they|he|she|this|these|those)"
    rf"|{_any('er es dies diese[mnrs]? dabei dann danach damit dafür dazu hierzu hierbei hierfür hiernach sonst')}"
    rf"|{_any('andernfalls jedoch auch dort dadurch deshalb daher darüber davon solche[mnrs]? letztere[mnrs]?')}"
    rf"|{_any('gleiches dasselbe insoweit sodann entsprechendes ferner zudem außerdem ansonsten')}"
    r"|in (?:diesem|diesen|solchen|beiden))\b|das (?:gilt|ist|sind|kann|wird)\b)",
    re.IGNORECASE,
)
_PRONOUN = re.compile(rf"\b(?:{_any('it its they them their he him his she this these those such')})\b", re.IGNORECASE)
_PRONOUN_DE = re.compile(
    rf"\b(?:wenn (?:es|sie)|{_any('er ihn ihm dies diese[mnrs]? solche[mnrs]? jene[mnrs]? derer dessen')})\b"
)
_LAST_PRONOUN = re.compile(r"\b(?:it|them|this|that|those|these)\?$", re.IGNORECASE)
# A pronoun further back may stand for something in the question itself.
_EARLY_WORDS = 6
OPENING = re.compile(r"^(?:yes|no|ja|nein)\. ", re.IGNORECASE)


def stands_alone(question: str, response: str, language: str, by_people: bool) -> bool:
    """Whether both are understood by themselves.

    ``by_people``: somebody wrote the question for this answer, so that "It depends" answers it.
    """
    if _POINTS_TO_PAGE.search(question) or _POINTS_ON.search(response):
        return False
    if by_people:
        return True
    if _POINTS_TO_PAGE.search(response) or _LEANS_BACK.match(OPENING.sub("", response)):
        return False
    early = " ".join(question.split()[:_EARLY_WORDS])
    return not _LAST_PRONOUN.search(question) and not (_PRONOUN_DE if language == "de" else _PRONOUN).search(early)
