"""What objects look like at a prompt and in a notebook: short text, and calm HTML.

Imported when something is shown, not before. Texts of the vendors are shortened and escaped. The
HTML takes its colours from the page around it, so that it fits light and dark themes.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Literal

import attrs

Tone = Literal["ok", "bad", "wait", "rest"]
"""How a count is coloured: reached, failed, pending, or anything else."""

_LONGEST = 60  # characters of a value
_LONGEST_NOTE = 300
_TEXT_ROWS, _HTML_ROWS = 3, 10
_TEXT_FIELDS, _HTML_COLUMNS = 6, 8
# The same in every row, or only for machines.
_DULL = frozenset({"account_sid", "url", "links"})

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _LONGEST
_short.maxdict = _short.maxlist = _short.maxtuple = 2

# `:is(#...)` gives the rules the weight of an id, because JupyterLab and marimo style tables, too.
_STYLE = """<style>
.asyncsim{--ok:#1a7f37;--bad:#cf222e;--wait:#9a6700;--line:rgba(128,128,128,.3);
font:13px/1.5 system-ui,sans-serif;color:inherit;margin:.25em 0;max-width:100%;overflow-x:auto}
@media (prefers-color-scheme:dark){.asyncsim{--ok:#3fb950;--bad:#f85149;--wait:#d29922}}
[data-jp-theme-light="true"] .asyncsim,.light .asyncsim{--ok:#1a7f37;--bad:#cf222e;--wait:#9a6700}
[data-jp-theme-light="false"] .asyncsim,.dark .asyncsim{--ok:#3fb950;--bad:#f85149;--wait:#d29922}
@ b{font-weight:600}
@ .note{opacity:.7;margin:.25em 0}
@ table{border-collapse:collapse;margin:.35em 0;border:0;font:inherit;color:inherit;width:auto;
table-layout:auto;display:table;background:none}
@ tr{background:none;border:0}
@ thead{border:0}
@ th,@ td{text-align:left;vertical-align:top;padding:.2em 1.2em .2em 0;color:inherit;
background:none;border:0;border-bottom:1px solid var(--line);white-space:nowrap;max-width:none}
@ th{font-weight:600;opacity:.7}
@ td.long{white-space:normal;min-width:16em}
@ code{font:.95em/1.5 ui-monospace,monospace;background:none;color:inherit;padding:0;border:0}
@ .bar{display:flex;height:6px;max-width:40em;border-radius:3px;overflow:hidden;
background:var(--line);margin:.4em 0}
@ .ok{color:var(--ok)}
@ .bad{color:var(--bad)}
@ .wait{color:var(--wait)}
@ .rest{color:inherit}
@ .bar span{background:currentColor}
@ .bar .rest{opacity:.4}
@ .key{margin-right:1.2em;white-space:nowrap}
</style>""".replace("@ ", ":is(#asyncsim,.asyncsim) ")


# Text.


def shortened(value: object) -> str:
    """Return the repr of a value, whatever its size, as one short line."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return _short.repr(value).replace("\n", " ")


def record_text(record: Any) -> str:
    """Return a record as one line with its first fields that have a value."""
    if not attrs.has(type(record)):
        return shortened(record)
    filled = [(name, value) for name, value in _fields(record) if value is not None]
    shown = [f"{name}={shortened(value)}" for name, value in filled[:_TEXT_FIELDS]]
    more = ["..."] if len(filled) > _TEXT_FIELDS else []
    return f"{type(record).__name__}({', '.join([*shown, *more])})"


def page_text(page: Any) -> str:
    """Return a page: its count and first records."""
    rows = [f"  {record_text(record)}" for record in page.items[:_TEXT_ROWS]]
    if (more := len(page.items) - _TEXT_ROWS) > 0:
        rows.append(f"  and {more:,} more")
    return "\n".join([f"<Page of {_page_note(page)}{':' if rows else ''}", *rows]) + ">"


def _page_note(page: Any) -> str:
    count = len(page.items)
    noun = "record" if page.model is None else page.model.__name__
    parts = [f"{count:,} {noun}{'' if count == 1 else 's'}"]
    if page.bad:
        parts.append(f"{len(page.bad):,} unreadable")
    parts.append("more follow" if page.has_next else "the last page")
    return ", ".join(parts)


def _fields(record: Any) -> list[tuple[str, Any]]:
    """Return the fields that say something about a record; no secret."""
    fields = [one for one in attrs.fields(type(record)) if one.repr and one.name not in _DULL]
    return [(one.name, getattr(record, one.name)) for one in fields]


# HTML.


def page_html(page: Any) -> str:
    """Return a page as a table."""
    shown = page.items[:_HTML_ROWS]
    rows = [_fields(one) if attrs.has(type(one)) else [("", one)] for one in shown]
    filled = {name for row in rows for name, value in row if value is not None}
    names = dict.fromkeys(name for row in rows for name, _ in row)
    header = [name for name in names if name in filled][:_HTML_COLUMNS]
    cells = [[dict(row).get(name) for name in header] for row in rows]
    more = len(page.items) - len(shown)
    note = f"The first {len(shown)} are shown." if more > 0 else ""
    return card(f"Page of {_page_note(page)}", table(header, cells) if rows else "", note=note)


def record_html(record: Any) -> str:
    """Return a record as a table of its fields."""
    facts = [(name, value) for name, value in _fields(record) if value is not None]
    return card(type(record).__name__, facts_table(facts))


def outcome_html(outcome: Any) -> str:
    """Return the outcome of one SIM's change."""
    tone: Tone = "ok" if outcome.ok else "bad"
    facts = [
        ("sid", outcome.sid),
        ("requested", ", ".join(f"{key}={value}" for key, value in outcome.requested.items())),
        ("status", getattr(outcome.sim, "status", None)),
        ("settled by", outcome.settled_by),
        ("confirmed", "by a read" if outcome.confirmed else None),
        ("requests", outcome.requests),
        ("seconds", f"{outcome.seconds:.1f}"),
    ]
    title = "Outcome: " + ("reached its target" if outcome.ok else "did not reach its target")
    note = "" if outcome.error is None else f"{type(outcome.error).__name__}: {outcome.error}"
    facts = [(name, value) for name, value in facts if value not in (None, "")]
    return card(title, facts_table(facts), note=note, tone=tone)


def card(title: str, *bodies: str, note: str = "", tone: Tone = "rest") -> str:
    """Return a box of HTML parts under a title; title and note are text."""
    note = f'<div class="note">{_text(note, _LONGEST_NOTE)}</div>' if note else ""
    head = f'<b class="{tone}">{_text(title, _LONGEST_NOTE)}</b>'
    return f'{_STYLE}<div class="asyncsim">{head}{"".join(bodies)}{note}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table of values."""
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts_table(facts: Iterable[tuple[str, object]]) -> str:
    """Return a table of names and values, without a header."""
    body = "".join(f"<tr><th>{_text(name)}</th>{_cell(value)}</tr>" for name, value in facts)
    return f"<table><tbody>{body}</tbody></table>"


def counts_bar(counts: Iterable[tuple[str, int, Tone]], whole: int = 0) -> str:
    """Return counts as a bar and its key; `whole` if they are parts of more."""
    found = [one for one in counts if one[1]]
    whole = max(whole, sum(number for _, number, _ in found)) or 1
    parts = "".join(
        f'<span class="{tone}" style="width:{100 * number / whole:.2f}%"></span>'
        for _, number, tone in found
    )
    key = "".join(
        f'<span class="key {tone}">{number:,} {_text(label)}</span>'
        for label, number, tone in found
    )
    return f'<div class="bar">{parts}</div><div>{key}</div>'


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"<td>{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC</td>"
    if value is None:
        return "<td></td>"
    if isinstance(value, str) and " " in value:
        return f'<td class="long">{_text(value, _LONGEST_NOTE)}</td>'
    if isinstance(value, bool | int | float) or not isinstance(value, str):
        text = f"{value:,}" if type(value) is int else str(value)
        return f"<td>{_text(text if isinstance(value, int | float) else shortened(value))}</td>"
    is_identifier = len(value) > 9 and any(one.isdigit() for one in value)
    return f"<td><code>{_text(value)}</code></td>" if is_identifier else f"<td>{_text(value)}</td>"


def _text(value: object, longest: int = _LONGEST) -> str:
    """Return a text for HTML: shortened, without control characters, escaped."""
    text = str(value)
    text = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return escape("".join(one if one.isprintable() else " " for one in text))
