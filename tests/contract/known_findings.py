"""Findings of Prism and schemathesis that are expected, and why; any other fails."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen


@frozen
class Finding:
    """One finding of Prism or schemathesis."""

    document: str
    operation: str
    what: str

    def __str__(self) -> str:
        return f"{self.document}  {self.operation}  {self.what}"


@frozen
class KnownFinding:
    """An expected kind of finding; patterns match the whole text."""

    document: str
    operation: str
    what: str
    why: str

    def covers(self, found: Finding) -> bool:
        pairs = [
            (self.document, found.document),
            (self.operation, found.operation),
            (self.what, found.what),
        ]
        return all(re.fullmatch(pattern, text) for pattern, text in pairs)


_ANY = ".*"
_KORE_USAGE = r"GET /v1/(Sims/\{\}/)?UsageRecords"

PRISM = [
    KnownFinding(
        "twilio_wireless_v1",
        r".* /v1/Sims(/\{\})?",
        r"response: .*\breset_status must be (string|equal to one of .*)",
        "null when no reset runs, says its own description; its enum was not marked nullable",
    ),
    KnownFinding(
        "(twilio|kore)_supersim_v1",
        r"GET /v1/ESimProfiles(/\{\})?",
        r'response: .*\bsmdp_plus_address must match format "uri"',
        "a bare host in the documents' own examples",
    ),
    KnownFinding(
        "kore_wireless_v1",
        _KORE_USAGE,
        r"response: .*\bmeta must have required property '(list_key|direct_token)'",
        "`ListMeta` requires properties which neither it nor any other document has",
    ),
    KnownFinding(
        "kore_wireless_v1",
        _KORE_USAGE,
        r"response: .*\bmeta\.(next|previous)_page_url must be string",
        "null on the last and the first page, as in all inline variants of the same envelope",
    ),
    KnownFinding(
        _ANY,
        "POST /v1/(RatePlans|NetworkAccessProfiles)",
        r"request: .*\b(InternationalRoaming|Networks) must be array",
        "Prism reads `Networks=a&Networks=b` as an array, and a list of one as a text",
    ),
    KnownFinding(
        "(twilio|kore)_supersim_v1",
        r"POST /v1/Fleets/\{\}",
        r'request: .*\bIpCommandsUrl must match format "uri"',
        "the empty text that clears a URL",
    ),
]

# What only the integration tests provoke, on purpose.
REHEARSED = [
    *PRISM,
    KnownFinding(
        _ANY,
        _ANY,
        "response: (4|5)[0-9]{2} is no status of this operation",
        "a rejection: the documents have few error responses, all KORE's; the pages have them",
    ),
    KnownFinding(
        "kore_wireless_v1",
        r"GET /v1/Sims/\{\}",
        r"response: Response body must have required property '(code|status)'",
        "an expired token: the gateway's rejection, as captured, has neither",
    ),
]

_SCHEMA = "200: Response violates schema /components/schemas/"

SCHEMATHESIS = [
    KnownFinding(
        "twilio_.*|kore_supersim_v1",
        _ANY,
        "4[0-9]{2}: Undocumented status code",
        "these documents have no error responses; the pages about errors have them",
    ),
    KnownFinding(
        "twilio_wireless_v1",
        r".* /v1/Sims(/\{\})?",
        f"{_SCHEMA}sim_enum_reset_status",
        "null when no reset runs, says its own description; its enum was not marked nullable",
    ),
    KnownFinding(
        "(twilio|kore)_supersim_v1",
        r"GET /v1/ESimProfiles(/\{\})?",
        f"{_SCHEMA}supersim.v1.esim_profile/properties/smdp_plus_address",
        "a bare host in the documents' own examples",
    ),
    KnownFinding(
        "(twilio|kore)_supersim_v1",
        "GET /v1/UsageRecords",
        f"{_SCHEMA}supersim.v1.usage_record/properties/data_total_billed",
        "a number in the schema, a text in every example of the documents",
    ),
    KnownFinding(
        "kore_wireless_v1",
        _KORE_USAGE,
        f"{_SCHEMA}ListMeta.*",
        "`ListMeta` requires properties which neither it nor any other document has",
    ),
    KnownFinding(
        _ANY,
        ".* /v1/(Sims|Fleets).*",
        "20[0-9]: Response violates schema .*/properties/.*_url",
        "schemathesis had set a text that is no URL; no document says whether it is rejected",
    ),
]


def unexpected(found: Iterable[Finding], known: list[KnownFinding]) -> list[str]:
    """Findings that no known one covers, without duplicates."""
    news = {str(one) for one in found if not any(line.covers(one) for line in known)}
    return sorted(news)


def unused(found: Iterable[Finding], known: list[KnownFinding], document: str) -> list[str]:
    """Known findings of a document that no longer occur."""
    seen = list(found)
    return [
        line.what
        for line in known
        if re.fullmatch(line.document, document) and not any(map(line.covers, seen))
    ]
