"""Types, members, codes and rules: each refused at its place, by its own check alone."""

from __future__ import annotations

import re

import pytest

from exchange import resources
from exchange.model.bulletin import rules
from tests.model.bulletins import CODES, plain, put, said, verdict
from tests.model.contradictory import CONTRADICTIONS

OTHER = "0192f3a0-0000-7000-8000-0000000000ff"
POLYGON = [[[0, 0], [1, 0], [1, 1], [0, 0]]]
# rule: example, pointer, value, pointer told
BREAKS = {
    "boarding-nationality": (
        "brp-1",
        "/content/nationality_finding",
        "refuted",
        "/content/boarding_decision",
    ),
    "cell-once": ("mig-1", "/content/flow/1/sex", "m", "/content/flow"),
    "change-whole-person": (
        "cor-1",
        "/content",
        {
            "target": {"id": OTHER, "origin": "pa.senan", "type": "ocn"},
            "changes": [{"pointer": "/content/persons/0/surname", "before": "A", "after": "B"}],
        },
        "/content/changes/0/pointer",
    ),
    "boarded-vessel": ("brr-1", "/content/target", ..., "/content/vessel"),
    "visible": (
        "voi-1",
        "/content/suspicion/text",
        "\u200b\u2060",
        "/content/suspicion/text",
    ),
    "handover-told": ("brr-2", "/content/handover", ..., "/content/handover"),
    "notice-role": (
        "crm-2",
        "/content/person/person_role",
        "missing",
        "/content/person/person_role",
    ),
    "protection-told": (
        "smg-1",
        "/content/persons/1/protections",
        ["asylum-seeker", "minor"],
        "/content/persons/1/protections",
    ),
    "vehicle-described": ("crm-1", "/content/vehicle", {}, "/content/vehicle"),
    "aba": ("ocn-2", "/content/accounts/0/aba", "021000022", "/content/accounts/0/aba"),
    "account-number": ("ocn-2", "/content/accounts/0/aba", ..., "/content/accounts/0"),
    "asylum-nationality": (
        "smg-1",
        "/content/persons/1/nationality",
        ...,
        "/content/persons/1/nationality",
    ),
    "bic": ("smg-2", "/content/accounts/0/bic", "EXAMPPPPXXX", "/content/accounts/0/bic"),
    "boarding-conditions": ("brp-1", "/content/conditions", ..., "/content/conditions"),
    "boarding-times": (
        "brr-1",
        "/content/ended_at",
        "2026-11-25T07:44:59Z",
        "/content/ended_at",
    ),
    "boarding-valid": ("brp-1", "/content/valid_until", ..., "/content/valid_until"),
    "consent-answer": ("con-2", "/content/target/type", "szr", "/content"),
    "consent-request": ("con-1", "/content/consent", "grant", "/content"),
    "date": (
        "ocn-1",
        "/content/persons/0/birth_date",
        "1981-02-29",
        "/content/persons/0/birth_date",
    ),
    "deconfliction-answer": ("dcf-2", "/content/deconfliction_step", "answer", "/content"),
    "deconfliction-open": ("dcf-1", "/content/window_key", ..., "/content"),
    "deconfliction-subjects": ("dcf-2", "/content/target/type", "opn", "/content"),
    "document-check": (
        "ocn-1",
        "/content/persons/0/documents/0/check_digit",
        "7",
        "/content/persons/0/documents/0/check_digit",
    ),
    "force-account": ("brr-2", "/content/force_account", ..., "/content/force_account"),
    "iban": (
        "ocn-1",
        "/content/accounts/0/iban",
        "GB82WEST12345698765433",
        "/content/accounts/0/iban",
    ),
    "lei": (
        "ocn-1",
        "/content/organizations/0/lei",
        "5493001KJTIIGC8Y1R13",
        "/content/organizations/0/lei",
    ),
    "notice-subject": ("crm-1", "/content/imei", "490154203237518", "/content/imei"),
    "notice-warrant": ("crm-2", "/content/warrant", ..., "/content"),
    "operation-results": ("opn-2", "/content/results", ..., "/content/results"),
    "person-named": ("smg-1", "/content/persons/0/aliases", ..., "/content/persons/0"),
    "persons-declared": ("ocn-1", "/declares", [], "/declares"),
    "protected-declared": ("smg-1", "/declares", ["persons"], "/declares"),
    "protected-elsewhere": (
        "ocn-1",
        "/content/persons/0/protections",
        ["minor"],
        "/content/persons/0/protections",
    ),
    "ref-known": ("ocn-2", "/content/links/0/to_ref", "a2", "/content/links/0/to_ref"),
    "ref-once": ("ocn-2", "/content/accounts/0/ref", "o1", "/content/accounts/0/ref"),
    "regime-named": ("brq-1", "/regime", None, "/regime"),
    "small-cell": ("mig-1", "/content/flow/2/n", 4, "/content/flow/2/n"),
    "small-cell-total": ("mig-1", "/content/total_persons", 128, "/content/total_persons"),
    "suspicion-basis": (
        "smg-1",
        "/content/persons/0/suspicion",
        ...,
        "/content/persons/0/suspicion",
    ),
    "target-brq": ("brr-1", "/content/target/type", "rfi", "/content/target/type"),
    "valid-period": (
        "ocn-1",
        "/content/links/0/valid_until",
        "2024-01-01T00:00:00Z",
        "/content/links/0/valid_until",
    ),
    "vin": ("crm-1", "/content/vehicle/vin", "1M8GDM9A1KP042788", "/content/vehicle/vin"),
    "wallet-address": (
        "ocn-1",
        "/content/wallets/0/address",
        "1BoatSLRHtKNngkdXEeobR76b53LETtpyU",
        "/content/wallets/0/address",
    ),
    "imei": (
        "crm-1",
        "/content",
        {"notice_class": "phone", "vehicle": None, "imei": "490154203237519"},
        "/content/imei",
    ),
    "no-pictures": (
        "mig-1",
        "/attachments",
        [
            {
                "name": "x.png",
                "media_type": "image/png",
                "size": 1,
                "digest": "A" * 43,
                "key": "A" * 43,
            }
        ],
        "/attachments/0/media_type",
    ),
    "answer-text": ("rpy-1", "/content/answers/0/answer", ..., "/content/answers/0/answer"),
    "ascending": ("szr-1", "/content/custody/0/at", "2027-01-01T00:00:00Z", "/content/custody"),
    "change": (
        "cor-1",
        "/content/changes/0/after",
        "cocaine-not-specified",
        "/content/changes/0",
    ),
    "change-pointer": (
        "cor-1",
        "/content/changes/0/pointer",
        "/content/nothing",
        "/content/changes/0/pointer",
    ),
    "container": (
        "szr-2",
        "/content/containers/0/container_number",
        "EXRU0000014",
        "/content/containers/0/container_number",
    ),
    "due-is-reply-by": ("rfi-1", "/due", "2026-11-25T18:00:01Z", "/due"),
    "ground": ("rpy-2", "/content/answers/1/ground", ..., "/content/answers/1/ground"),
    "imo": ("voi-2", "/content/vessel/imo", "9074728", "/content/vessel/imo"),
    "must-purge-declared": ("can-1", "/content/must_purge", True, "/declares"),
    "numbered": ("rfi-1", "/content/questions/1/n", 3, "/content/questions"),
    "official-weighed": (
        "szr-2",
        "/content/drugs/0/quantity/basis",
        "estimated",
        "/content/drugs/0/quantity/basis",
    ),
    "percentiles": (
        "sta-2",
        "/content/response_times/0/p90_s",
        241,
        "/content/response_times/0/p99_s",
    ),
    "period": ("sta-2", "/content/period/end", "2026-07-01T00:00:00Z", "/content/period/end"),
    "place-somewhere": ("szr-1", "/content/place", {"zone": "eez"}, "/content/place"),
    "quantity-something": (
        "szr-1",
        "/content/drugs/0/quantity",
        {"qualifier": "exact", "count": "field"},
        "/content/drugs/0/quantity",
    ),
    "ring-closed": (
        "voi-1",
        "/content/seen/place/geometry",
        {"type": "Polygon", "coordinates": [*POLYGON, [[0, 0], [1, 0], [1, 1], [0, 1]]]},
        "/content/seen/place/geometry/coordinates/1",
    ),
    "seized-something": ("szr-1", "/content", {"drugs": [], "goods_seized": []}, "/content"),
    "sighting-seen": ("voi-1", "/content/seen", ..., "/content/seen"),
    "sorted-set": ("voi-1", "/declares", ["protected-person", "persons"], "/declares"),
    "target-not-a-cancellation": (
        "cor-1",
        "/content/target/type",
        "can",
        "/content/target/type",
    ),
    "target-not-itself": (
        "cor-1",
        "/id",
        "0192f3a0-0000-7000-8000-000000000003",
        "/content/target/id",
    ),
    "target-rfi": ("rpy-1", "/content/target/type", "voi", "/content/target/type"),
    "time": ("voi-1", "/observed", "2026-13-01T00:00:00Z", "/observed"),
    "translation-language": (
        "voi-1",
        "/title/translations/0/lang",
        "es",
        "/title/translations",
    ),
    "unit-with-value": (
        "szr-2",
        "/content/drugs/0/quantity/unit",
        ...,
        "/content/drugs/0/quantity/unit",
    ),
    "vessel-described": ("voi-1", "/content/vessel", {}, "/content/vessel"),
    "weighed-beside-packages": (
        "szr-2",
        "/content/drugs/0/quantity/basis",
        ...,
        "/content/drugs/0/quantity/basis",
    ),
    **CONTRADICTIONS,
}


@pytest.mark.parametrize("rule", sorted(rules.RULES))
def test_each_rule_refuses_what_breaks_it_alone(rule):
    name, pointer, value, told = BREAKS[rule]
    values = plain(name)
    assert verdict(values) is None
    if isinstance(value, dict) and pointer == "/content":
        values["content"] |= value
    else:
        put(values, pointer, value)
    refusal = verdict(values)
    assert refusal is not None
    assert (refusal.code.value, refusal.at) == ("wrong-value", told)
    assert refusal.facts["expected"] == rule


def test_no_rule_is_left_out_of_the_table_or_the_readme():
    assert set(BREAKS) == set(rules.RULES)
    readme = (resources.schemas() / "README.md").read_text()
    section = readme.split("## What only decoding checks")[1].split("## How v1 grows")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == set(rules.RULES)


def test_the_readme_tells_what_an_author_is_held_to_in_codes_that_are_there():
    readme = (resources.schemas() / "README.md").read_text()
    section = readme.split("## What an author is held to")[1].split("\n## ")[0]
    rows = re.findall(r"^\| .+ \| `([a-z-]+)` \| (.+) \|$", section, re.MULTILINE)
    assert {rule for rule, _ in rows} == {
        *("change-possible", "weighed-beside-packages"),
        *("small-cell", "small-cell-total"),
    }
    warnings = {code for _, told in rows for code in re.findall(r"`([a-z-]+)`", told)}
    known = set(CODES.lists["indicators"])
    told = {"packages-as-weight", "packages-beside-estimate", "packages-to-weight"}
    assert warnings == told | {"small-number"} <= known


def test_answers_out_of_order_are_refused():
    values = put(plain("rpy-2"), "/content/answers/1/n", 1)
    assert said(values) == ("wrong-value", "/content/answers")


def test_decisions_are_numbered_from_one():
    values = put(plain("dlg-1"), "/content/decisions/0/n", 2)
    assert said(values) == ("wrong-value", "/content/decisions")


def test_a_ground_without_a_refusal_is_refused():
    values = put(plain("rpy-1"), "/content/answers/0/ground", "legal")
    assert said(values) == ("wrong-value", "/content/answers/0/ground")


@pytest.mark.parametrize("pointer", ["/id", "/origin", "/type", "/schema"])
def test_a_correction_cannot_change_what_a_bulletin_is(pointer):
    at = "/content/changes/0/pointer"
    assert said(put(plain("cor-1"), at, pointer)) == ("wrong-value", at)


def test_packages_alone_are_a_quantity_and_stay_packages():
    quantity = {"qualifier": "exact", "count": "field", "packages": 34}
    assert verdict(put(plain("szr-1"), "/content/drugs/0/quantity", quantity)) is None


def test_there_is_no_unit_for_packages():
    assert not {unit for unit in CODES.lists["units"] if "pack" in unit}


@pytest.mark.parametrize(
    ("name", "pointer", "value", "told"),
    [
        ("voi-1", "/content/vessel/flag", "PAX", ("wrong-value", "/content/vessel/flag")),
        ("voi-1", "/content/vessel/flag", "pan", ("wrong-value", "/content/vessel/flag")),
        ("voi-1", "/content/action", "Report", ("wrong-value", "/content/action")),
        ("voi-1", "/content/action", 1, ("wrong-type", "/content/action")),
        ("voi-1", "/content/action", ..., ("missing-member", "/content/action")),
        ("voi-1", "/grading/reliability", "A", ("wrong-value", "/grading/reliability")),
        ("voi-1", "/type", "xyz", ("wrong-value", "/type")),
        ("voi-1", "/type", 1, ("wrong-type", "/type")),
        ("voi-1", "/type", ..., ("missing-member", "/type")),
        ("voi-1", "/a~b", 1, ("unknown-member", "/a~0b")),
        ("voi-1", "/content/vessel/speed", 1, ("unknown-member", "/content/vessel/speed")),
        ("voi-2", "/content/vessel/mmsi", "151999901", ("wrong-value", "/content/vessel/mmsi")),
        ("voi-1", "/content/seen/course_deg", 360, ("wrong-value", "/content/seen/course_deg")),
        ("voi-1", "/content/vessel/name", "  ", ("wrong-value", "/content/vessel/name")),
        (
            "voi-1",
            "/content/seen/place/geometry/coordinates/1",
            90.5,
            ("wrong-value", "/content/seen/place/geometry/coordinates/1"),
        ),
        (
            "voi-1",
            "/content/seen/place/geometry/coordinates",
            [1, 2, 3],
            ("wrong-value", "/content/seen/place/geometry/coordinates"),
        ),
        (
            "szr-1",
            "/content/arrested/1/n",
            "1",
            ("wrong-type", "/content/arrested/1/n"),
        ),
        ("szr-1", "/content/arrested/0/n", -1, ("wrong-value", "/content/arrested/0/n")),
        ("szr-1", "/content/cash", None, ("wrong-type", "/content/cash")),
        (
            "cor-1",
            "/content/acknowledgement",
            "no",
            ("wrong-value", "/content/acknowledgement"),
        ),
        ("voi-1", "/schema", "one", ("wrong-value", "/schema")),
        ("voi-1", "/origin", "senan", ("wrong-value", "/origin")),
        ("voi-1", "/id", OTHER.replace("-7", "-4"), ("wrong-value", "/id")),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(name, pointer, value, told):
    assert said(put(plain(name), pointer, value)) == told


def test_what_was_expected_is_told_by_name():
    refusal = verdict(put(plain("voi-1"), "/content/action", 1))
    assert refusal is not None
    assert refusal.facts == {"expected": "code", "list": "actions"}
    refusal = verdict(put(plain("szr-1"), "/content/arrested/0/n", -1))
    assert refusal is not None
    assert refusal.facts == {"expected": "integer", "least": "0", "most": "1000000000"}


@pytest.mark.parametrize("number", ["9074729", "0123450"])
def test_known_good_imo_numbers_pass(number):
    assert verdict(put(plain("voi-2"), "/content/vessel/imo", number)) is None


def test_the_known_good_container_number_passes():
    at = "/content/containers/0/container_number"
    assert verdict(put(plain("szr-2"), at, "CSQU3054383")) is None


@pytest.mark.parametrize(
    ("name", "pointer", "value"),
    [
        ("brr-1", "/content/vessel", {"flag": "PAN"}),
        ("brr-2", "/content/disposition", "sunk"),
        ("crm-2", "/content/vehicle", {"plate": "EX 0001"}),
        ("crm-2", "/content/imei", "490154203237518"),
        ("mig-1", "/content/vulnerable/1/n", 0),
        (
            "szr-2",
            "/content/drugs/0/quantity",
            {"qualifier": "exact", "count": "official", "value": 900, "unit": "{tbl}"},
        ),
        ("voi-1", "/content/vessel/name", "\u6d77\u9dd7"),
        ("voi-1", "/content/suspicion/text", "?"),
        ("crm-1", "/content/vehicle/chassis", "EX-12345"),
    ],
)
def test_what_is_honest_is_not_refused(name, pointer, value):
    assert verdict(put(plain(name), pointer, value)) is None


@pytest.mark.parametrize(
    ("name", "pointer", "value", "rule"),
    [
        ("crm-1", "/content/imei", "490154203237518", "notice-subject"),
        ("brp-1", "/content/target/type", "rfi", "target-brq"),
        ("brp-1", "/content/actions_authorised", [], "boarding-valid"),
        ("szr-2", "/content/drugs/0/quantity/basis", ..., "weighed-beside-packages"),
        (
            "szr-2",
            "/content/drugs/0/quantity",
            {"qualifier": "exact", "count": "official", "value": 9, "unit": "kg"},
            "official-weighed",
        ),
        ("voi-1", "/title/text", "\u3164\u2800", "visible"),
        ("voi-1", "/content/vessel/name", "\u00ad\u200b", "visible"),
        ("crm-1", "/content/vehicle/chassis", "1M8GDM9AXKP042789", "chassis"),
    ],
)
def test_what_only_looks_honest_is_refused(name, pointer, value, rule):
    refusal = verdict(put(plain(name), pointer, value))
    assert refusal is not None
    assert refusal.facts["expected"] == rule


@pytest.mark.parametrize("data", [b"[]", b"1", b"null", b'"x"'])
def test_a_document_that_is_no_object_is_of_the_wrong_type(data):
    assert said(data) == ("wrong-type", "")
