"""Text from strangers in a form that can be printed, and phrases with numbers in them."""

_LONGEST_EXCERPT = 160


def visible(text: str, *, keep_lines: bool = False) -> str:
    """Text from a stranger, fit for a terminal: what does not print is shown by its code."""
    return "".join(
        character
        if character.isprintable() or (keep_lines and character == "\n")
        else " "
        if character.isspace()
        else character.encode("unicode_escape").decode()
        for character in text
    )


def excerpt(text: str, longest: int = _LONGEST_EXCERPT) -> str:
    """One line of a passage, cut at a word."""
    line = visible(" ".join(text.split()))
    if len(line) <= longest:
        return line
    blank = line.rfind(" ", 0, longest)
    return line[: blank if blank > 0 else longest] + " …"


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
