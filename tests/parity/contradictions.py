"""Where we differ from a document on purpose, each with its reason. The only such table."""

from __future__ import annotations

from attrs import field, frozen


@frozen(kw_only=True)
class Difference:
    """What is different about one name in one product; `reason` says why."""

    product: str
    vendors: frozenset[str] = frozenset({"twilio", "kore"})
    list_path: str
    verbs: frozenset[str]
    name: str
    ours: frozenset[str] = field(factory=frozenset)
    """Values that we know and the document lacks."""
    theirs: frozenset[str] = field(factory=frozenset)
    """Values of the document that we lack."""
    is_absent: bool = False
    """Whether the document lacks the name itself."""
    is_typed_otherwise: bool = False
    """Whether our type is another."""
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
        reason="the prose names four, Twilio's own request example a fifth; the rest are refused",
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
        reason="one record; the value is in the answer to the creation only, else None",
    ),
)
