"""Intended differences from the documents, each with its reason.

`DIFFERENCES` are those of our declarations, `RESPONSES` those of the emulator's responses.
"""

from __future__ import annotations

from attrs import field, frozen


@frozen(kw_only=True)
class Difference:
    """A difference of one name in one product; `reason` says why."""

    product: str
    vendors: frozenset[str] = frozenset({"twilio", "kore"})
    list_path: str
    verbs: frozenset[str]
    name: str
    ours: frozenset[str] = field(factory=frozenset)
    """Values that we declare and the document lacks."""
    theirs: frozenset[str] = field(factory=frozenset)
    """Values of the document that we do not declare."""
    is_absent: bool = False
    """Whether the document lacks the name itself."""
    is_typed_otherwise: bool = False
    """Whether our type differs."""
    reason: str


READ = frozenset({"list", "fetch"})

DIFFERENCES = (
    Difference(
        product="wireless",
        vendors=frozenset({"twilio"}),
        list_path="/v1/Sims",
        verbs=READ | {"update"},
        name="status",
        ours=frozenset({"deleted"}),
        reason="one record for both vendors; only KORE's enum has it, Twilio's prose names it too",
    ),
    Difference(
        product="wireless",
        list_path="/v1/Sims",
        verbs=frozenset({"update"}),
        name="Status",
        theirs=frozenset({"canceled", "scheduled", "updating"}),
        reason="the prose names four, Twilio's own request example a fifth; the rest are rejected",
    ),
    Difference(
        product="wireless",
        list_path="/v1/Commands",
        verbs=frozenset({"create"}),
        name="IncludeSid",
        ours=frozenset({"none", "start", "end"}),
        reason="any text by the schema, these three by the prose of the same parameter",
    ),
    *(
        Difference(
            product="wireless",
            vendors=frozenset({"kore"}),
            list_path=path,
            verbs=frozenset({"list"}),
            name=name,
            is_typed_otherwise=True,
            reason="KORE's schema says any text, its prose ISO 8601, Twilio's schema date-time",
        )
        for path in ("/v1/UsageRecords", "/v1/Sims/{parent}/UsageRecords")
        for name in ("Start", "End", "period.start", "period.end")
    ),
    Difference(
        product="webhooks",
        vendors=frozenset({"kore"}),
        list_path="/v1/secrets",
        verbs=frozenset({"list", "update"}),
        name="secret",
        is_absent=True,
        reason="one record; the value is only in the response to the creation, else None",
    ),
)

NO_NULL = "null is what every example shows; the schema does not say nullable"
OTHER_META = (
    "KORE's ListMeta requires two keys that it does not define, and says nothing of the first and "
    "last page; its inline variants are Twilio's envelope"
)

RESPONSES: dict[tuple[str, str], str] = {
    ("twilio_wireless_v1", ".reset_status: null"): NO_NULL,
    ("kore_wireless_v1", ".meta.direct_token: missing"): OTHER_META,
    ("kore_wireless_v1", ".meta.list_key: missing"): OTHER_META,
    ("kore_wireless_v1", ".meta.next_page_url: null"): OTHER_META,
    ("kore_wireless_v1", ".meta.previous_page_url: null"): OTHER_META,
    ("kore_wireless_v1", ".usage_notification_method: null"): "no parameter sets it",
    ("kore_wireless_v1", ".usage_notification_url: null"): "no parameter sets it",
    ("twilio_supersim_v1", ".data_total_billed: not number"): "a string in every example",
    ("kore_supersim_v1", ".data_total_billed: not number"): "a string in every example",
}
"""Document and end of the violation -> why it is intended."""
