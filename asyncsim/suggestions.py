"""What somebody may have meant: a hint only where it is near, and never the opposite."""

from __future__ import annotations

from collections.abc import Iterable

_LETTERS = 4
"""For each of so many letters, one may be wrong. Of `sid` none may: too much is near to it."""
_MOST = 2  # slips; a word with more of them is another word
_OPPOSITES = ("in", "un", "de", "dis", "no")
"""How words begin that mean the opposite of their rest: `inactive`, `--no-callbacks`."""


def closest_match(given: str, known: Iterable[str]) -> str | None:
    """The one that `given` is a misspelling of; None where there is none, or where it is risky.

    Never `deactivated` for `activated`, though two letters make the difference; and nothing for
    `nactive`, which is as near to `active` as to `inactive`.
    """
    word = given.casefold()
    most = min(len(word) // _LETTERS, _MOST)
    counted = [(_slips(word, one.casefold()), one) for one in known]
    near = sorted(pair for pair in counted if pair[0] <= most)
    turned = {_is_turned(one) for one in (given, *(one for _, one in near))}
    return near[0][1] if near and len(turned) == 1 else None


def _is_turned(word: str) -> bool:
    return word.casefold().lstrip("-").startswith(_OPPOSITES)


def _slips(one: str, other: str) -> int:
    """Letters that are wrong, missing, too many, or swapped with the next."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, its in enumerate(other, 1):
            slips = [last[column] + 1, line[-1] + 1, last[column - 1] + (letter != its)]
            if row > 1 and column > 1 and (letter, one[row - 2]) == (other[column - 2], its):
                slips.append(before[column - 2] + 1)
            line.append(min(slips))
        before, last = last, line
    return last[-1]
