"""Round trips: a table gives the same rows in every format."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings, strategies as st

from asyncsim.emulator.fixtures import luhn_digit
from tests.bulk.input.reads import ACTIVE, read_csv

# Without quotes a carriage return ends a line, and `csv.writer` does not always set them.
# Nor other control characters: a file with many of them is rejected as no text.
IN_CELLS = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n")
NOTES = st.text(IN_CELLS, max_size=12)
BODIES = st.text("0123456789", min_size=18, max_size=19)
SIDS = st.text("0123456789abcdef", min_size=32, max_size=32).map(lambda digits: f"HS{digits}")
ROWS = st.fixed_dictionaries(
    {
        "iccid": BODIES.map(lambda body: body + luhn_digit(body)),
        "sid": st.one_of(st.just(""), SIDS),
        "status": st.sampled_from(["active", "ready", "inactive"]),
        "fleet": st.sampled_from(["", "f", "my; fl,eet"]),
        "note": NOTES,
        "more notes": NOTES,
    }
)
HEADINGS = {
    "iccid": ["iccid", "ICCID", "Icc-Id", " sim iccid "],
    "sid": ["sid", "Sid", "SIM SID"],
    "status": ["status", "Status", "New Status"],
    "fleet": ["fleet", "Fleet", "fleet_sid"],
    "note": ["note"],
    "more notes": ["more notes"],
}


def written(
    rows: Sequence[Mapping[str, str]], order: Sequence[str], headings: Sequence[str], **how: str
) -> str:
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=how["delimiter"],
        lineterminator=how["end"],
        quoting=csv.QUOTE_ALL if how["quoting"] == "all" else csv.QUOTE_MINIMAL,
    )
    writer.writerow(headings)
    writer.writerows([row[key] for key in order] for row in rows)
    return out.getvalue()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(ROWS, min_size=1, max_size=5),
    order=st.permutations(list(HEADINGS)),
    delimiter=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from(["all", "minimal"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    data=st.data(),
)
def test_a_table_gives_the_same_rows_in_every_format(
    rows: list[dict[str, str]],
    order: list[str],
    delimiter: str,
    end: str,
    quoting: str,
    encoding: str,
    data: st.DataObject,
    path: Path,
) -> None:
    headings = [data.draw(st.sampled_from(HEADINGS[key])) for key in order]
    text = written(rows, order, headings, delimiter=delimiter, end=end, quoting=quoting)
    found = asyncio.run(read_csv(path, text.encode(encoding)))
    assert found.problems == []
    assert found.reading.header == tuple(headings)
    assert [row.cells for row in found.rows] == [tuple(row[key] for key in order) for row in rows]
    assert [row.name for row in found.rows] == [row["sid"] or row["iccid"] for row in rows]
    assert found.changes == [
        {key: row[key] for key in ("status", "fleet") if row[key]} for row in rows
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_file_content_raises_an_unexpected_error(content: bytes, path: Path) -> None:
    found = asyncio.run(read_csv(path, content, change=ACTIVE))
    assert found.rows or found.problems
    for row in found.rows:
        for text in (row.name, *(row.cells or ())):
            text.encode()  # can be stored
