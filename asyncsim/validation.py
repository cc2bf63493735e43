"""Characters that slip into what is copied or read from a file: none of them is ever meant."""

from __future__ import annotations

from unicodedata import category

# Of Unicode's categories: control characters, half surrogate pairs, and breaks of lines.
_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})


def invalid_characters(text: str) -> str | None:
    """Say what does not belong into a SID, a name, a secret or a URL; None where all does.

    Blanks within are no business of ours: a unique name may have some.
    """
    if text.isascii() and text.isalnum():
        return None
    if any(category(one) in _NEVER for one in text.strip()):
        return "a control character in it"
    # Zero-width characters count where they can have no meaning: at the ends.
    if text and any(one.isspace() or category(one) == "Cf" for one in (text[0], text[-1])):
        return "white space around it"
    return None
