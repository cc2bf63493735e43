from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given, strategies as st

from asyncsim.wire.forms import format_date, parse_date

ANY_ZONE = st.timezones() | st.just(UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2015-07-30T20:00:00Z", datetime(2015, 7, 30, 20, 0, tzinfo=UTC)),
        ("2025-10-24T08:05:02.571Z", datetime(2025, 10, 24, 8, 5, 2, 571000, tzinfo=UTC)),
        ("2015-07-30T22:00:00+02:00", datetime(2015, 7, 30, 20, 0, tzinfo=UTC)),
    ],
)
def test_a_date_is_parsed_in_either_vendors_format(text: str, moment: datetime) -> None:
    assert parse_date(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2015-07-30T20:00:00",
        "2015-07-30 20:00:00",
        "2015-07-30 20:00:00Z",
        "2015-07-30 20:00:00 UTC",
        "2015-07-30t20:00:00z",
        " 2015-07-30T20:00:00Z ",
        "2015-07-30T20:00:00+0000",
        "2015-07-30T20:00:00-00:00",
        "2015-07-30T22:00+02:00",
        "20150730T200000Z",
        "Thu, 30 Jul 2015 20:00:00 +0000",
        "Thu, 30 Jul 2015 20:00:00 -0000",
        "Thu, 30 Jul 2015 20:00:00 GMT",
        "30 Jul 2015 22:00:00 +0200",
    ],
)
def test_other_iso_8601_forms_are_parsed_and_a_missing_zone_means_utc(text: str) -> None:
    assert parse_date(text) == datetime(2015, 7, 30, 20, 0, tzinfo=UTC)


def test_a_date_without_a_time_is_midnight() -> None:
    assert parse_date("2015-07-30") == datetime(2015, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fraction", "microsecond"),
    [("1234564", 123456), ("1234565", 123457), ("123456789", 123457), ("000000000001", 0)],
)
def test_fractions_finer_than_a_microsecond_are_rounded(fraction: str, microsecond: int) -> None:
    expected = datetime(2015, 7, 30, 20, 0, 0, microsecond, tzinfo=UTC)
    for text in (f"2015-07-30T20:00:00.{fraction}", f"2015-07-30T20:00:00.{fraction}Z"):
        assert parse_date(text) == expected
    assert msgspec.convert(f"2015-07-30T20:00:00.{fraction}Z", datetime) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2015-13-30T20:00:00Z",
        "1438286400",
        "Thu, 99 Jul 2015 20:00:00 +0000",
        "Thu, 30 Jul 2015 20:00:00 -9999",
        1438286400,
        None,
    ],
)
def test_anything_but_a_date_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError):
        parse_date(value)


def test_a_date_is_formatted_in_utc_without_a_fraction() -> None:
    moment = datetime(2015, 7, 30, 22, 0, 1, 999999, tzinfo=timezone(timedelta(hours=2)))
    assert format_date(moment) == "2015-07-30T20:00:01Z"


def test_a_date_without_a_time_zone_is_rejected_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"tzinfo=timezone\.utc"):
        format_date(datetime(2015, 7, 30, 20, 0))


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=ANY_ZONE)
)
def test_a_date_survives_formatting_and_parsing_to_the_second(moment: datetime) -> None:
    parsed = parse_date(format_date(moment))
    assert parsed.tzinfo is UTC
    assert timedelta(0) <= moment.astimezone(UTC) - parsed < timedelta(seconds=1)


@given(st.text())
def test_any_text_is_parsed_or_a_value_error(text: str) -> None:
    try:
        moment = parse_date(text)
    except ValueError:
        return
    assert moment.tzinfo is not None
