"""Suggestions for misspelled words: only close matches, and never the opposite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_LETTERS_PER_TYPO = 4  # `sid`, with fewer letters, must be right: too many words are close to it
_MOST_TYPOS = 2  # a word with more of them is another word
# Prefixes that turn a word into its opposite: `inactive`, `--no-callbacks`.
_NEGATIONS = ("in", "un", "de", "dis", "no")


def did_you_mean(
    given: str, known: Iterable[str], otherwise: str, *, names: Mapping[str, str] | None = None
) -> str:
    """Return `did you mean 'active'?`, or `otherwise` where no known word is close.

    `names` maps a known spelling to the word to suggest, where they differ.
    """
    near = closest_match(given, known)
    if near is None:
        return otherwise
    meant = names[near] if names else near
    return f"did you mean {meant!r}?"


def closest_match(given: str, known: Iterable[str]) -> str | None:
    """Return the word that `given` is a misspelling of; None where a guess would be risky.

    Never `deactivated` for `activated`, though two letters make the difference; and nothing for
    `nactive`, which is as close to `active` as to `inactive`.
    """
    word = given.casefold()
    most = min(len(word) // _LETTERS_PER_TYPO, _MOST_TYPOS)
    counted = [(_edit_distance(word, one.casefold()), one) for one in known]
    near = sorted(pair for pair in counted if pair[0] <= most)
    candidates = [given, *(one for _, one in near)]
    negated = {one.casefold().lstrip("-").startswith(_NEGATIONS) for one in candidates}
    return near[0][1] if near and len(negated) == 1 else None


def _edit_distance(one: str, other: str) -> int:
    """Count letters that are wrong, missing, too many, or swapped with the next."""
    # Damerau's distance; difflib's ratio knows no swaps, the most frequent typo of all.
    row_before_last: list[int] = []
    last_row = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, its in enumerate(other, 1):
            steps = [last_row[column] + 1, line[-1] + 1, last_row[column - 1] + (letter != its)]
            if row > 1 and column > 1 and (letter, one[row - 2]) == (other[column - 2], its):
                steps.append(row_before_last[column - 2] + 1)
            line.append(min(steps))
        row_before_last, last_row = last_row, line
    return last_row[-1]
