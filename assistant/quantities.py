"""The numbers of a text with what they count, in one spelling: ``€1,500`` and ``1.500 Euro`` are both ``1500€``.

A number that only names a place (``§ 10``, ``(2)``, ``Article 5``) is a reference and no quantity: a passage that
stands under § 10 does not say "10 %".
"""

import re

_REFERENCE = re.compile(
    r"(?P<sign>§+|\b(?:art|artikel|article|clause|section|sec|ziffer|ziff|abs|absatz|no|nr|para|paragraph|page|seite)\b\.?)"
    r"\s*(?P<number>\d+[a-z]?)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"\((\d{1,3})\)")
_UNITS = {
    "%": ("%", "percent", "per cent", "prozent"),
    "€": ("€", "eur", "euro", "euros"),
    "$": ("$", "usd", "dollar", "dollars"),
    "£": ("£", "gbp", "pound", "pounds"),
}
_UNIT_OF = {name: unit for unit, names in _UNITS.items() for name in names}
_NAMES = "|".join(sorted(map(re.escape, _UNIT_OF), key=len, reverse=True))
_QUANTITY = re.compile(
    rf"(?P<before>[€$£])?\s?(?P<number>\d+(?:[.,]\d+)*)(?:\s?(?P<after>{_NAMES})(?!\w))?", re.IGNORECASE
)
_THOUSANDS = re.compile(r"(?<=\d)[.,](?=\d{3}(?!\d))")


def quantities(text: str) -> list[str]:
    """The quantities and references of ``text``, in order: ``14``, ``10%``, ``1500€``, ``§10``, ``(2)``."""
    found = [f"§{match['number'].lower()}" for match in _REFERENCE.finditer(text)]
    found += [match[0] for match in _CLAUSE.finditer(text)]
    rest = _CLAUSE.sub(" ", _REFERENCE.sub(" ", text))
    return found + [_spelled(match) for match in _QUANTITY.finditer(rest)]


def is_said(quantity: str, among: set[str]) -> bool:
    """Whether a quantity of a sentence is one of those of a text; a bare number may have any unit there."""
    return quantity in among or any(f"{quantity}{unit}" in among for unit in _UNITS)


def _spelled(match: re.Match[str]) -> str:
    number = _THOUSANDS.sub("", match["number"]).replace(",", ".")
    whole, point, rest = number.partition(".")
    number = whole + (point + rest.rstrip("0")).rstrip(".") if rest.isdigit() else number
    unit = match["before"] or match["after"] or ""
    return number + _UNIT_OF.get(unit.lower(), "")
