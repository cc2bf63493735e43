"""Columns that are applied, and the change of each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, SID, read_csv

ACCOUNT = "AC" + "0a" * 16


@pytest.mark.parametrize(
    ("product", "heading", "value", "change"),
    [
        ("supersim", "Status", "Active", {"status": "active"}),
        ("supersim", "target_status", "READY", {"status": "ready"}),
        ("supersim", "new status", "active", {"status": "active"}),
        ("supersim", "Fleet SID", "f", {"fleet": "f"}),
        ("supersim", "fleet-name", " my fleet ", {"fleet": "my fleet"}),
        ("supersim", "account", ACCOUNT, {"account_sid": ACCOUNT}),
        ("supersim", "unique_name", "van 7", {"unique_name": "van 7"}),
        ("supersim", "New Name", "van 7", {"unique_name": "van 7"}),
        ("supersim", "new_unique_name", "van 7", {"unique_name": "van 7"}),
        ("wireless", "Rate Plan", "p", {"rate_plan": "p"}),
        ("wireless", "rate_plan_sid", "p", {"rate_plan": "p"}),
        ("wireless", "friendly name", "'s van", {"friendly_name": "'s van"}),
        ("wireless", "reset_status", "Resetting", {"reset_status": "resetting"}),
        ("wireless", "sms_url", "https://x", {"sms_url": "https://x"}),
        ("wireless", "sms_method", "get", {"sms_method": "GET"}),
    ],
)
async def test_columns_are_recognized_by_many_headings(
    product: str, heading: str, value: str, change: Any, path: Path
) -> None:
    found = await read_csv(path, f"iccid,{heading}\n{ICCID},{value}\n", product=product)
    assert found.problems == []
    assert found.changes == [change]
    assert found.reading.applied == tuple(change)


async def test_without_a_change_all_known_columns_are_applied(path: Path) -> None:
    content = f"note,fleet,iccid,status\nx,f,{ICCID},active\ny,,{OTHER},ready\n"
    found = await read_csv(path, content)
    assert found.changes == [{"fleet": "f", "status": "active"}, {"status": "ready"}]
    assert found.reading.applied == ("fleet", "status")
    assert found.reading.notes == ()


async def test_the_columns_option_limits_what_is_applied(path: Path) -> None:
    found = await read_csv(path, f"fleet,iccid,status\nf,{ICCID},active\n", columns=["Fleet SID"])
    assert found.changes == [{"fleet": "f"}]
    (note,) = found.reading.notes
    assert note.startswith("the column 'status' could be applied but is not")


async def test_with_a_change_columns_are_carried_along_unless_named(path: Path) -> None:
    content = f"fleet,iccid,status\nf,{ICCID},rubbish\n,{OTHER},\n"
    found = await read_csv(path, content, change=ACTIVE)
    assert found.changes == [None, None]
    (note,) = found.reading.notes
    assert note.startswith("the columns 'fleet', 'status' could be applied but are not")
    found = await read_csv(path, content, change=ACTIVE, columns={"fleet"})
    assert found.changes == [{"fleet": "f"}, None]
    assert found.reading.applied == ("fleet",)


async def test_a_named_but_missing_column_is_a_problem(path: Path) -> None:
    found = await read_csv(path, f"iccid\n{ICCID}\n", change=ACTIVE, columns=["fleet"])
    assert found.problems == ["no column fleet to apply (found: iccid)"]


async def test_a_row_without_a_change_is_a_problem(path: Path) -> None:
    content = f"iccid,status,fleet\n{ICCID},,\n{OTHER},,f\n"
    assert (await read_csv(path, content)).problems == [
        "line 2: no change is given: status and fleet are empty"
    ]


async def test_a_file_without_any_change_is_one_problem(path: Path) -> None:
    for content in (f"{ICCID}\n{OTHER}\n", f"iccid,note\n{ICCID},a\n{OTHER},b\n"):
        (problem,) = (await read_csv(path, content)).problems
        assert problem.startswith("no change is given")
        assert "status" in problem


async def test_a_new_column_wins_over_the_plain_column(path: Path) -> None:
    found = await read_csv(path, f"iccid,status,new_status\n{ICCID},inactive,active\n")
    assert found.changes == [ACTIVE]
    assert found.problems == []


async def test_a_unique_name_is_a_change_only_next_to_a_sid_or_iccid(path: Path) -> None:
    content = f"sid,unique_name,status\n{SID},van 7,active\n,van 8,active\n"
    found = await read_csv(path, content)
    assert found.names == [(2, "sid", SID), (3, "unique_name", "van 8")]
    assert found.changes == [{"unique_name": "van 7", "status": "active"}, ACTIVE]


async def test_a_unique_name_next_to_a_sid_is_no_change_where_another_was_given(path: Path) -> None:
    found = await read_csv(path, f"sid,unique_name\n{SID},van 7\n", change=ACTIVE)
    assert found.changes == [None]
    (note,) = found.reading.notes
    assert "'unique_name'" in note


async def test_a_sim_may_be_renamed_by_its_old_name(path: Path) -> None:
    found = await read_csv(path, "unique_name,new_name\nvan 7,van 8\n")
    assert found.names == [(2, "unique_name", "van 7")]
    assert found.changes == [{"unique_name": "van 8"}]


async def test_name_columns_alone_are_not_reported_as_changes(path: Path) -> None:
    assert (await read_csv(path, "unique_name\nvan 7\n", change=ACTIVE)).reading.notes == ()


async def test_the_change_of_a_row_is_checked_together_with_the_jobs(path: Path) -> None:
    found = await read_csv(
        path,
        f"iccid,status\n{ICCID},active\n{OTHER},\n",
        product="wireless",
        change={"reset_status": "resetting"},
        columns=["status"],
    )
    (problem,) = found.problems
    assert problem.startswith("line 2: reset_status and status cannot be sent together")


@pytest.mark.parametrize(
    ("heading", "cell", "message"),
    [
        ("status", "actve", "status cannot be 'actve'; did you mean 'active'?"),
        ("status", "suspended", "status cannot be 'suspended'"),
        ("account", "ACME", "account_sid must be the SID of an account"),
    ],
)
async def test_invalid_values_are_reported_with_their_line(
    heading: str, cell: str, message: str, path: Path
) -> None:
    found = await read_csv(path, f"iccid,{heading}\n{ICCID},{cell}\n{OTHER},{cell}\n")
    assert [text[: 8 + len(message)] for text in found.problems] == [
        f"line 2: {message}",
        f"line 3: {message}",
    ]


async def test_registering_needs_an_iccid_and_a_code(path: Path) -> None:
    content = f"sid,iccid,Registration Code\n,{ICCID},'h3llow0rld\n{SID},,h3llow0rld\n,{OTHER},\n"
    found = await read_csv(path, content, action="register")
    assert found.names == [(2, "iccid", ICCID)]
    assert found.changes == [{"registration_code": "h3llow0rld"}]
    assert found.problems == ["line 3: names no SIM", "line 4: registration_code is empty"]


async def test_registering_a_bare_list_takes_the_code_from_the_job(path: Path) -> None:
    assert (await read_csv(path, ICCID, action="register")).problems == [
        "register needs registration_code for every SIM: give it for all rows, or in a column of"
        " that name (registration_code)"
    ]
    found = await read_csv(
        path, ICCID, action="register", change={"registration_code": "h3llow0rld"}
    )
    assert (found.problems, found.changes) == ([], [None])
    (problem,) = (
        await read_csv(path, SID, action="register", change={"registration_code": "h3llow0rld"})
    ).problems
    assert "not an ICCID" in problem


@pytest.mark.parametrize(("product", "keyword"), [("supersim", "payload"), ("wireless", "command")])
@pytest.mark.parametrize("heading", ["payload", "command", "Message"])
async def test_texts_are_taken_verbatim_from_a_column(
    product: str, keyword: str, heading: str, path: Path
) -> None:
    content = f"iccid,{heading}\n{ICCID}, reboot \n{OTHER}, \n"
    found = await read_csv(path, content, product=product, action="send")
    assert found.changes == [{keyword: " reboot "}]
    assert found.problems == [f"line 3: {keyword} is empty"]


async def test_the_jobs_text_wins_over_the_column_unless_the_column_is_named(path: Path) -> None:
    content = f"iccid,payload\n{ICCID},a\n{OTHER},\n"
    expected: dict[str, Any] = {"action": "send", "change": {"payload": "b"}}
    assert (await read_csv(path, content, **expected)).changes == [None, None]
    found = await read_csv(path, content, **expected, columns=["payload"])
    assert (found.changes, found.problems) == ([{"payload": "a"}, None], [])


async def test_with_other_command_keywords_the_text_comes_from_the_column(path: Path) -> None:
    found = await read_csv(
        path,
        f"iccid,command\n{ICCID},{'x' * 161}\n{OTHER},{'x' * 189}\n",
        product="wireless",
        action="send",
        change={"command_mode": "binary"},
    )
    assert found.changes == [{"command": "x" * 161}]
    assert found.problems == ["line 3: command has 189 characters; the maximum is 188"]


async def test_deleting_needs_names_only(path: Path) -> None:
    found = await read_csv(
        path, f"iccid,status\n{ICCID},active\n", product="wireless", action="delete"
    )
    assert (found.changes, found.problems, found.reading.notes) == ([None], [], ())


async def test_rows_with_equal_changes_share_one_object(path: Path) -> None:
    found = await read_csv(path, f"iccid,status\n{ICCID},active\n{OTHER},active\n")
    first, second = found.changes
    assert first is second


async def test_duplicate_columns_are_allowed_where_neither_is_applied(path: Path) -> None:
    found = await read_csv(path, f"iccid,fleet_sid,fleet name\n{ICCID},HF,f\n", change=ACTIVE)
    assert found.problems == []


@pytest.mark.parametrize(
    ("heading", "message"),
    [
        ("staus", "the column 'staus' is only copied to the results: did you mean 'status'?"),
        ("icccid", "the column 'icccid' is only copied to the results: did you mean 'iccid'?"),
        (
            "Rate Plan",
            "the column 'Rate Plan' is only copied to the results: a Super SIM Sim has no such"
            " field",
        ),
    ],
)
async def test_a_column_that_may_have_been_intended_is_mentioned(
    heading: str, message: str, path: Path
) -> None:
    content = f"sid,{heading},fleet\n{SID},x,f\n"
    assert (await read_csv(path, content)).reading.notes == (message,)
    with_change = (await read_csv(path, content, change=ACTIVE)).reading.notes
    assert message not in with_change


async def test_other_columns_are_not_mentioned(path: Path) -> None:
    content = f"sid,id,note,state,name,phone,fleet\n{SID},1,2,3,4,5,f\n"
    assert (await read_csv(path, content)).reading.notes == ()


@pytest.mark.parametrize(
    "code",
    [
        "1.23E+09",
        "123456789",
        "12345678901",
        "H3LL0 W0RL",
        "1234567.89",
        "H\N{LATIN CAPITAL LETTER E WITH ACUTE}LL0W0RLD",
    ],
)
async def test_a_registration_code_rounded_by_a_spreadsheet_is_rejected(
    code: str, path: Path
) -> None:
    content = f"iccid,registration code\n{ICCID},{code}\n"
    (problem,) = (await read_csv(path, content, action="register")).problems
    assert problem.startswith("line 2: registration_code must be the 10 letters and digits")
    assert repr(code) in problem


async def test_a_cell_can_clear_a_field(path: Path) -> None:
    content = f"iccid,unique_name,fleet\n{ICCID},!clear,\n{OTHER},a, !CLEAR \n"
    found = await read_csv(
        path, content, change={"status": "inactive"}, columns=["unique_name", "fleet"]
    )
    assert found.problems == []
    assert found.changes == [{"unique_name": None}, {"unique_name": "a", "fleet": None}]


async def test_clearing_a_required_field_is_rejected(path: Path) -> None:
    found = await read_csv(path, f"iccid,status\n{ICCID},!clear\n")
    assert found.problems == ["line 2: status cannot be cleared; leave it out to keep it as it is"]


async def test_a_text_may_have_any_content(path: Path) -> None:
    found = await read_csv(path, f"iccid,payload\n{ICCID},!clear\n", action="send")
    assert found.changes == [{"payload": "!clear"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_a_heading_may_contain_a_line_break(delimiter: str, path: Path) -> None:
    header = delimiter.join(['"SIM\nICCID"', '"New\r\nStatus"', "note"])
    found = await read_csv(path, f"{header}\n" + delimiter.join([ICCID, "active", "x"]) + "\n")
    assert found.problems == []
    assert found.names == [(4, "iccid", ICCID)]  # below the three lines of the header
    assert found.changes == [{"status": "active"}]
