"""The fast and the lenient way of decoding a response agree."""

from __future__ import annotations

import json as standard
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from asyncsim.errors import DecodeError
from asyncsim.models.supersim.esim_profiles import ESimProfile
from asyncsim.models.supersim.sims import Sim as SuperSim
from asyncsim.models.wireless.commands import Command
from asyncsim.models.wireless.sims import Sim
from asyncsim.vendors import KORE, TWILIO, Vendor
from asyncsim.wire import fast, json, records

MODELS: list[Any] = [Sim, SuperSim, Command, ESimProfile]
FIELDS = sorted({name for model in MODELS for name in model.__annotations__} | {"e_id"})
DATES = ["2015-07-30T20:00:00Z", "2015-07-30T20:00:00", "2015-07-30", "20150730T200000Z", "soon"]
FRACTIONS = st.from_regex(
    r"2015-07-30[Tt ]20:00:00[.][0-9]{1,12}([Zz]|[+-]0[0-9]:?30|)", fullmatch=True
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(DATES)
    | FRACTIONS
    | st.lists(st.text(max_size=1), max_size=1)
    | st.dictionaries(st.text(max_size=1), st.none() | st.text(max_size=1), max_size=2)
)
ROWS = st.dictionaries(st.sampled_from(FIELDS), VALUES).map(lambda row: {"sid": "XX1", **row})


def leniently(model: Any, body: bytes, vendor: Vendor) -> Any:
    try:
        return records.decode(model, json.read(body), vendor)
    except DecodeError:
        return None


@settings(max_examples=400)
@given(
    model=st.sampled_from(MODELS),
    vendor=st.sampled_from([TWILIO, KORE]),
    row=ROWS,
    ascii=st.booleans(),
)
def test_the_fast_way_decodes_what_the_lenient_way_decodes(
    model: Any, vendor: Vendor, row: dict[str, Any], ascii: bool
) -> None:
    body = standard.dumps(row, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    expected = leniently(model, body, vendor)
    assert fast.record_reader(model, vendor)(body) in (None, expected)


@pytest.mark.parametrize("model", MODELS)
def test_no_decoder_raises_an_error_of_a_library(model: Any) -> None:
    deep = b'{"sid": "XX1", "added_later": ' + b"[" * 100_000
    for body in (deep, b'{"sid": 9e999}', b'{"sid": "\\ud800"', b"\xff", b"\xef\xbb\xbf{}"):
        assert fast.record_reader(model, TWILIO)(body) is None
        assert fast.page_reader(model, "sims", TWILIO)(b'{"sims": [%s]' % body) is None
        assert fast.status_page_reader("sims")(b'{"sims": [%s]' % body) is None
