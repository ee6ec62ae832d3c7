"""Words of English and German that carry grammar and no subject, folded to lower case."""

_ENGLISH = """
a about am an and any are as at be been being but by can could did do does doing for from get gets got had has have
having he her here hers him his how i if in into is it its just may me might must my no nor not of off on or our ours
shall she should so some than that the their them then there these they this those to too up us very was we were what
when where which while who whom whose why will with would you your yours
"""
_GERMAN = """
aber als also am an auch auf aus bei beim bin bis bist da damit dann das dass dein deine dem den denn der des dich die
dies diese diesem diesen dieser dieses dir doch du durch ein eine einem einen einer eines er es für haben habe hat hatte
hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ist ja jede jedem jeden jeder jedes kann können könnte man mein
meine meinem meinen meiner mich mir mit muss müssen nach noch nun nur ob oder sein seine seinem seinen seiner sich sie
sind so soll sollen sollte um und uns unser unsere vom von vor wann war waren warum was weil welche welchem welchen
welcher welches wem wen wenn wer werde werden wie wir wird wo wurde wurden würde zu zum zur über
"""
STOPWORDS = frozenset(f"{_ENGLISH} {_GERMAN}".split())
