"""What objects look like at a prompt and in a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from asyncsim import BadRecord, DecodeError, Outcome, Page, reprs
from asyncsim.emulator import Emulator, Faults
from asyncsim.models.supersim.sims import Sim
from asyncsim.models.webhooks.secrets import Secret
from asyncsim.models.wireless.usage_records import Period, UsageRecord
from tests.parity import declarations

HOSTILE = "<script>alert(1)</script>\n\x1b[31m\u202e" + "x" * 100_000
SID = "HS" + "0a" * 16


def sim(**fields: Any) -> Sim:
    return Sim(sid=SID, **fields)


class Outline(HTMLParser):
    """The tags of a piece of HTML, which must be closed, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data + "|"


def outcome(**fields: Any) -> Outcome[Sim]:
    known = {"sid": SID, "requested": {"status": "active"}, "sim": sim(status="active")}
    return Outcome(**{**known, "error": None, "requests": 2, "seconds": 3.25, **fields})


# Text.


def test_a_page_shows_its_count_and_three_records() -> None:
    page = Page(tuple(sim(status="new", unique_name=f"van {n}") for n in range(1000)), True)
    first, *rows, last = repr(page).splitlines()
    assert first == "<Page of 1,000 Sims, more follow:"
    assert rows[0] == f"  Sim(sid='{SID}', status='new', unique_name='van 0')"
    assert len(rows) == 3
    assert last == "  and 997 more>"


def test_an_empty_page_is_short() -> None:
    assert repr(Page[Sim]((), False, model=Sim)) == "<Page of 0 Sims, the last page>"
    assert repr(Page[int]((), False)) == "<Page of 0 records, the last page>"


def test_a_page_counts_what_could_not_be_read() -> None:
    bad = BadRecord(0, {}, DecodeError("Sim", "no sid"))
    assert repr(Page((sim(),), False, (bad,))).startswith("<Page of 1 Sim, 1 unreadable, the last")


def test_a_page_of_converted_records_shows_any_value() -> None:
    assert repr(Page(("a", {"b": 1}), False)) == (
        "<Page of 2 strs, the last page:\n  'a'\n  {'b': 1}>"
    )


def test_hostile_texts_stay_short_and_on_one_line() -> None:
    shown = repr(Page((sim(unique_name=HOSTILE, status=HOSTILE),) * 50, False))
    assert len(shown) < 1000
    assert len(shown.splitlines()) == 5
    assert "\x1b" not in shown


def test_times_are_short_and_in_utc() -> None:
    created = datetime(2026, 11, 29, 4, 5, 6, tzinfo=UTC)
    assert "date_created=2026-11-29T04:05:06Z" in repr(Page((sim(date_created=created),), False))


async def test_objects_say_what_they_are_and_how_they_stand() -> None:
    emulator = Emulator(sims=3, speed=1000)
    assert repr(emulator) == "<Emulator, not started, 3 SIMs for each product>"
    async with emulator, emulator.client() as client:
        where = f"<Twilio at {emulator.url}/twilio/supersim>"
        assert repr(client) == f"<asyncsim.Client of {where}, open: 0 requests sent>"
        sims = client.supersim.sims
        assert repr(sims.list(limit=2)) == (
            "<Pager of Super SIM sims, at most 2: nothing requested yet; await it for the first"
            " page, or use `async for`>"
        )
        page = await sims.list()
        assert repr(emulator) == f"<Emulator at {emulator.url}: 12 SIMs, 1 request received>"
        many = sims.update_many({one.sid: {"status": "active"} for one in page})
        assert repr(many) == (
            "<UpdateMany of Super SIM sims, not started: iterate over it with `async for`;"
            " 0 ended, 0 of them failed, 0 pending>"
        )
        outcomes = [one async for one in many]
        assert len(outcomes) == 3
        assert repr(many) == (
            "<UpdateMany of Super SIM sims, ended; 3 ended, 0 of them failed, 0 pending>"
        )
        assert "3 reached their target" in Outline(many._repr_html_()).text
    assert repr(client) == f"<asyncsim.Client of {where}, closed>"
    assert repr(emulator).startswith("<Emulator stopped: 12 SIMs, ")


# HTML.


def everything() -> dict[str, Callable[[], str]]:
    error = ValueError(HOSTILE)
    hostile = sim(status=HOSTILE, unique_name=HOSTILE, iccid=HOSTILE)
    return {
        "record": hostile._repr_html_,
        "page": Page((hostile,) * 1000, True)._repr_html_,
        "page of texts": Page((HOSTILE,), True)._repr_html_,
        "outcome": outcome(sid=HOSTILE, requested={HOSTILE: HOSTILE}, error=error)._repr_html_,
        "card": lambda: reprs.card(
            HOSTILE,
            reprs.table([HOSTILE], [[HOSTILE], [error], [{HOSTILE: HOSTILE}]]),
            reprs.facts_table([(HOSTILE, HOSTILE)]),
            reprs.counts_bar([(HOSTILE, 1, "ok")]),
            note=HOSTILE,
        ),
    }


@pytest.mark.parametrize("name", everything())
def test_html_is_escaped_bounded_and_has_no_script(name: str) -> None:
    html = everything()[name]()
    found = Outline(html)
    assert set(found.tags) <= {
        *("style", "div", "b", "table", "thead", "tbody", "tr", "th", "td", "code", "span")
    }
    assert found.attributes <= {"class", "style"}
    assert "alert(1)" in found.text
    assert len(html) < 30_000
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", html)


def test_html_needs_nothing_from_elsewhere_and_has_colours_for_both_themes() -> None:
    html = sim()._repr_html_()
    assert not re.search(r"https?:|@import|url\(", html)
    assert "prefers-color-scheme:dark" in html
    assert 'data-jp-theme-light="false"' in html
    # No background and no text colour of its own: it takes those of the page.
    assert not re.search(r"background:#|[^-]color:#", html)


def test_a_page_is_a_table_of_its_first_records() -> None:
    found = Outline(Page((sim(status="new"),) * 25, True)._repr_html_())
    assert found.tags.count("tr") == 1 + 10
    assert "Page of 25 Sims, more follow" in found.text
    assert "The first 10 are shown." in found.text
    assert "unique_name" not in found.text, "no record has one"


def test_an_outcome_shows_its_error() -> None:
    assert "Outcome: reached its target" in outcome()._repr_html_()
    failed = Outline(outcome(error=ValueError("no path"))._repr_html_()).text
    assert "did not reach its target" in failed
    assert "ValueError: no path" in failed


def test_no_secret_is_shown() -> None:
    secret = Secret(id="whs_1", secret="the-value")
    page = Page((secret,), False)
    shown = secret._repr_html_() + page._repr_html_() + repr(page) + repr(page.to_dicts())
    assert "whs_1" in shown
    assert "the-value" not in shown


def test_every_kind_of_record_has_html() -> None:
    models = {kind.model for kind in declarations.kinds().values()}
    assert len(models) > 15
    assert {one.__name__ for one in models if not hasattr(one, "_repr_html_")} == set()
    assert not hasattr(sim(), "__dict__"), "a record stays small"


def test_nested_records_are_shown_shortened() -> None:
    usage = UsageRecord(period=Period(start=None, end=None), account_sid="AC1")
    assert "Period(" in Outline(usage._repr_html_()).text


async def test_an_emulator_shows_its_sims_by_status_and_its_faults() -> None:
    emulator = Emulator(sims=2, faults=Faults(rate_limited=0.5))
    assert "not started" in emulator._repr_html_()
    async with emulator:
        text = Outline(emulator._repr_html_()).text
    assert "Super SIM" in text
    assert "2 new" in text
    assert "rate_limited 0.5" in text
