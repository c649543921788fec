"""The scalars of a bulletin: lines, codes, times and numbers, each with its bounds.

What a bound cannot say is noted beside it: ``codes`` names the closed list a value is from,
``names`` an open list that gives words to some values, ``form`` a check digit or a format.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

SCHEMA = "1.0"

# A phone's film of a few minutes; over 64 kbit/s it is on its way for four hours and a half.
MAX_ATTACHMENT_BYTES = 128 * 1024 * 1024

Schema = Annotated[str, Meta(pattern=r"^1\.0$", extra={"form": "schema"})]
Id = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        extra={"form": "uuid7"},
    ),
]
Member = Annotated[str, Meta(pattern=r"^[a-z]{2}\.[a-z0-9]{1,30}$", extra={"form": "member"})]
# Who is no member may be proposed as a reader: an agency of another nation, or under ``int`` an
# organization of many, such as int.interpol.
ThirdParty = Annotated[
    str,
    Meta(pattern=r"^([a-z]{2}|int)\.[a-z0-9]{1,30}$", extra={"form": "third-party"}),
]
HeaderDigest = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$", extra={"form": "header-digest"})
]
# A last character that leaves no bits over: one value, one spelling.
Digest = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", extra={"form": "digest"}),
]
# Like a digest in form; never shown, wherever it is.
Key = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", extra={"form": "secret"}),
]
Regime = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.+-]{0,47}$", extra={"form": "regime"})]
Pointer = Annotated[
    str, Meta(pattern=r"^(/[A-Za-z0-9_]{1,40}){1,16}$", extra={"form": "pointer"})
]

# RFC 3339 in UTC, whole seconds, with Z, from 1970 on: the header counts seconds from there.
TIME_PATTERN = r"^(19[7-9]|[2-9][0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"

# A line is a name or a reference: no language, no line break. Prose may hold LF and TAB.
Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", extra={"form": "line"})]
Prose = Annotated[
    str, Meta(min_length=1, max_length=20_000, pattern=r"\S", extra={"form": "prose"})
]
# The lexical rules hold its one spelling, TIME_PATTERN.
Time = Annotated[datetime, Meta(tz=True)]

Number = Annotated[int, Meta(ge=0, le=10**9)]
Octets = Annotated[int, Meta(ge=0, le=MAX_ATTACHMENT_BYTES)]
Ordinal = Annotated[int, Meta(ge=1, le=1000)]
Seconds = Annotated[int, Meta(ge=0, le=10**9)]
Year = Annotated[int, Meta(ge=1900, le=2999)]
Amount = Annotated[float, Meta(ge=0, le=1e12)]
Metres = Annotated[float, Meta(ge=0, le=1e6)]
Degrees = Annotated[float, Meta(ge=0, lt=360)]
Knots = Annotated[float, Meta(ge=0, le=1000)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]

Imo = Annotated[str, Meta(pattern=r"^[0-9]{7}$", extra={"form": "imo"})]
Mmsi = Annotated[str, Meta(pattern=r"^[2-7][0-9]{8}$", extra={"form": "mmsi"})]
ContainerNumber = Annotated[
    str, Meta(pattern=r"^[A-Z]{3}[UJZ][0-9]{7}$", extra={"form": "container"})
]
CallSign = Annotated[str, Meta(pattern=r"^[A-Z0-9]{3,8}$", extra={"form": "call-sign"})]
Locode = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}[A-Z2-9]{3}$", extra={"form": "locode", "names": "ports"})
]
Subdivision = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$", extra={"form": "subdivision"})
]

# A day, a month or a year: as precise as it is written.
Date = Annotated[
    str,
    Meta(
        pattern=r"^(1[89]|20)[0-9]{2}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$",
        extra={"form": "date"},
    ),
]
# As in a machine-readable zone, with spaces for its fillers.
MrzName = Annotated[
    str, Meta(max_length=39, pattern=r"^[A-Z]+( [A-Z]+)*$", extra={"form": "mrz-name"})
]
DocumentNumber = Annotated[
    str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{2,19}$", extra={"form": "document-number"})
]
CheckDigit = Annotated[str, Meta(pattern=r"^[0-9]$", extra={"form": "check-digit"})]
Ref = Annotated[str, Meta(pattern=r"^[a-z][0-9]{1,4}$", extra={"form": "ref"})]
Phone = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}$", extra={"form": "phone"})]
Vin = Annotated[str, Meta(pattern=r"^[A-HJ-NPR-Z0-9]{17}$", extra={"form": "vin"})]
# Of what has no VIN: made before 1981, or a trailer, a machine. One of 17 characters is a VIN,
# and must not pass with a slip in it as a number that nobody can check.
Chassis = Annotated[
    str,
    Meta(pattern=r"^([A-Z0-9-]{4,16}|[A-Z0-9-]{18,20})$", extra={"form": "chassis"}),
]
HullId = Annotated[str, Meta(pattern=r"^([A-Z]{2}-)?[A-Z0-9]{12}$", extra={"form": "hull-id"})]
Imei = Annotated[str, Meta(pattern=r"^[0-9]{15}$", extra={"form": "imei"})]
Iban = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$", extra={"form": "iban"})
]
Bic = Annotated[
    str, Meta(pattern=r"^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$", extra={"form": "bic"})
]
Aba = Annotated[str, Meta(pattern=r"^[0-9]{9}$", extra={"form": "aba"})]
Lei = Annotated[str, Meta(pattern=r"^[A-Z0-9]{18}[0-9]{2}$", extra={"form": "lei"})]
LedgerAddress = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9]{20,120}$", extra={"form": "ledger-address"})
]
# Geohash: three characters are some 150 km across, six are 1 km.
Cell = Annotated[str, Meta(pattern=r"^[0-9b-hjkmnp-z]{3,6}$", extra={"form": "cell"})]
Token = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", extra={"form": "subject-token"}),
]

Language = Annotated[str, Meta(extra={"codes": "languages"})]
TranslationWay = Annotated[str, Meta(extra={"codes": "translation-ways"})]
Declaration = Annotated[str, Meta(extra={"codes": "declarations"})]
BulletinType = Annotated[str, Meta(extra={"codes": "types"})]
Reliability = Annotated[str, Meta(extra={"codes": "reliability"})]
Credibility = Annotated[str, Meta(extra={"codes": "credibility"})]
Country = Annotated[str, Meta(extra={"codes": "countries"})]
Currency = Annotated[str, Meta(extra={"codes": "currencies"})]
Zone = Annotated[str, Meta(extra={"codes": "zones"})]
Unit = Annotated[str, Meta(extra={"codes": "units"})]
Qualifier = Annotated[str, Meta(extra={"codes": "qualifiers"})]
Basis = Annotated[str, Meta(extra={"codes": "bases"})]
CountKind = Annotated[str, Meta(extra={"codes": "count-kinds"})]
VesselType = Annotated[str, Meta(extra={"codes": "vessel-types"})]
Sex = Annotated[str, Meta(extra={"codes": "sexes"})]
AgeBand = Annotated[str, Meta(extra={"codes": "age-bands"})]
Notice = Annotated[str, Meta(extra={"codes": "notices"})]
Action = Annotated[str, Meta(extra={"codes": "actions"})]
Drug = Annotated[str, Meta(extra={"codes": "drugs"})]
Modality = Annotated[str, Meta(extra={"codes": "modalities"})]
Goods = Annotated[str, Meta(extra={"codes": "goods"})]
CustodyAction = Annotated[str, Meta(extra={"codes": "custody-actions"})]
AnswerOutcome = Annotated[str, Meta(extra={"codes": "answer-outcomes"})]
Ground = Annotated[str, Meta(extra={"codes": "refusal-grounds"})]
CorrectionReason = Annotated[str, Meta(extra={"codes": "correction-reasons"})]
CancellationReason = Annotated[str, Meta(extra={"codes": "cancellation-reasons"})]
AcknowledgementRule = Annotated[str, Meta(extra={"codes": "acknowledgement-rules"})]
Precedence = Annotated[str, Meta(extra={"codes": "precedence"})]
Step = Annotated[str, Meta(extra={"codes": "steps"})]
Reconciliation = Annotated[str, Meta(extra={"codes": "reconciliation"})]
Horizon = Annotated[str, Meta(extra={"codes": "horizons"})]
InitiativeState = Annotated[str, Meta(extra={"codes": "initiative-states"})]
MediaType = Annotated[str, Meta(extra={"codes": "media-types"})]
SupportKind = Annotated[str, Meta(extra={"codes": "support-kinds"})]
NationalityClaim = Annotated[str, Meta(extra={"codes": "nationality-claims"})]
NationalityFinding = Annotated[str, Meta(extra={"codes": "nationality-findings"})]
BoardingAction = Annotated[str, Meta(extra={"codes": "boarding-actions"})]
BoardingDecision = Annotated[str, Meta(extra={"codes": "boarding-decisions"})]
Jurisdiction = Annotated[str, Meta(extra={"codes": "jurisdictions"})]
ConsentBasis = Annotated[str, Meta(extra={"codes": "consent-bases"})]
Force = Annotated[str, Meta(extra={"codes": "force"})]
Disposition = Annotated[str, Meta(extra={"codes": "dispositions"})]
Offence = Annotated[str, Meta(extra={"codes": "offences"})]
Direction = Annotated[str, Meta(extra={"codes": "directions"})]
Minority = Annotated[str, Meta(extra={"codes": "minorities"})]
Transport = Annotated[str, Meta(extra={"codes": "transports"})]
Trend = Annotated[str, Meta(extra={"codes": "trends"})]
Vulnerability = Annotated[str, Meta(extra={"codes": "vulnerabilities"})]
PersonRole = Annotated[str, Meta(extra={"codes": "person-roles"})]
Protection = Annotated[str, Meta(extra={"codes": "protections"})]
DocumentKind = Annotated[str, Meta(extra={"codes": "document-kinds"})]
Typology = Annotated[str, Meta(extra={"codes": "typologies"})]
PropertyKind = Annotated[str, Meta(extra={"codes": "property-kinds"})]
LinkKind = Annotated[str, Meta(extra={"codes": "link-kinds"})]
Chain = Annotated[str, Meta(extra={"codes": "chains"})]
SmugglingKind = Annotated[str, Meta(extra={"codes": "smuggling-kinds"})]
Phase = Annotated[str, Meta(extra={"codes": "phases"})]
UnitKind = Annotated[str, Meta(extra={"codes": "unit-kinds"})]
DeconflictionStep = Annotated[str, Meta(extra={"codes": "deconfliction-steps"})]
DeconflictionAnswer = Annotated[str, Meta(extra={"codes": "deconfliction-answers"})]
NoticeClass = Annotated[str, Meta(extra={"codes": "notice-classes"})]
Caution = Annotated[str, Meta(extra={"codes": "cautions"})]
ConsentStep = Annotated[str, Meta(extra={"codes": "consent-steps"})]
Consent = Annotated[str, Meta(extra={"codes": "consents"})]
