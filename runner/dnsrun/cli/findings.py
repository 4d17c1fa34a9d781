"""What a gate found, as lines that are read at 100 columns. Pure; loads nothing."""

from __future__ import annotations

LONGEST = 89  # beside the time, at 100 columns


def parts_of(because: str) -> list[str]:
    """Return the findings of a gate one by one; a semicolon within a quoted text does not part them."""
    parts, quoted, start = [], False, 0
    for index, char in enumerate(because):
        if char == '"' and because[index - 1 : index] != "\\":
            quoted = not quoted
        elif char == "…":  # a text that was cut has lost its closing quote
            quoted = False
        elif because.startswith("; ", index) and not quoted:
            parts.append(because[start:index])
            start = index + 2
    return [*parts, because[start:]]


def fitted(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` characters where words allow it, the later ones indented."""
    import textwrap

    return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) or [""]


def listed(opening: str, because: str) -> list[str]:
    """Return a sentence with one finding, or the opening with a list of several."""
    findings = parts_of(because)
    if len(findings) == 1:
        return [f"{opening}: {because}."]
    return [f"{opening}:", *(f"  {line}" for finding in findings for line in fitted(finding, LONGEST))]


def summed_up(because: str) -> str:
    """Return the first of several findings, and how many more there are."""
    first, *rest = parts_of(because)
    return f"{first}; and {len(rest)} more, `dnsrun verify` lists them" if rest else first
