"""A second opinion on the policy, written from ``docs/policy.md`` alone.

``python -m tests.oracle.oracle < cases.jsonl > verdicts.jsonl``: who wrote this had not read
the rules of the exchange, and nothing of them is imported. Where the two disagree, one of
them, or the page, is wrong.

Each rule below is a row of the page, in its order and under its number: the acts it is for, and
a function that says one demand after another. The first demand that is not met is the
answer, and nothing after it is looked at; so a demand may rest on those before it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Demand = tuple[bool, str, str]  # is it met; else the code, and the place

CODES_OF_NATIONS = {"pa": "PAN", "us": "USA"}
STATUSES = ("actual", "exercise", "test")
COLOURS = ("red", "amber+strict", "amber", "green", "clear")
HANDLING = ("h0", "h1", "h2", "h3")
BUDGETS = {
    "endpoint": {"burst": 250_000, "every_ms": 2},
    "member": {"burst": 500_000, "every_ms": 1},
    "urgent_endpoint": {"burst": 20_000, "every_ms": 20},
    "urgent_member": {"burst": 40_000, "every_ms": 10},
}
SIZES = {"body": 524_288, "attachment": 135_266_304, "attachments": 2_164_260_864}
WRAPS = {"xb1-h": 1_668, "xb1-c": 2_266, "xb1-ch": 2_395}
VERBS = {"cor": {"correct"}, "can": {"cancel"}, "rpy": {"reply"}, "brp": {"reply"}}
RELATIONS = {
    "update": "supersedes",
    "correct": "corrects",
    "cancel": "cancels",
    "reply": "answers",
}
MARKS: dict[str, Callable[[Json], Sequence[str | None]]] = {
    "tlp": lambda header: [header["marking"]["tlp"]],
    "status": lambda header: [header["status"]],
    "precedence": lambda header: [header["precedence"]],
    "type": lambda header: [header["type"]],
    "feed": lambda header: [header["feed"]],
    "regime": lambda header: [header["regime"]],
    "handling": lambda header: header["marking"]["handling"],
    "declares": lambda header: header["declares"],
    "originator-control": lambda header: (
        ["yes"] if header["marking"]["originator_control"] else []
    ),
}


@dataclass(frozen=True)
class Question:
    """A case as it came, with the names by which the table speaks of its parts."""

    case: Json

    @property
    def act(self) -> str:
        return str(self.case["act"])

    @property
    def header(self) -> Any:
        return self.case["header"]

    @property
    def marking(self) -> Any:
        return self.header["marking"]

    @property
    def arrangement(self) -> Any:
        return self.case["arrangement"]

    @property
    def feed(self) -> Any:
        return named(self.arrangement["feeds"], "name", self.header["feed"])

    @property
    def sizes(self) -> Any:
        return self.arrangement.get("sizes", SIZES)

    def row(self, endpoint: str) -> Any:
        """Return what the directory says of an endpoint, or ``None``."""
        return named(self.case["directory"], "endpoint", endpoint)


def named(rows: Iterable[Json], key: str, name: str) -> Any:
    return next((row for row in rows if row[key] == name), None)


def member_of(endpoint: str) -> str:
    return endpoint.partition("/")[0]


# --- rules of the bulletin --------------------------------------------------------------------


def arrangement(q: Question) -> Iterator[Demand]:
    yield q.case["arrangement"] is not None, "trust-invalid", "/trust"


def rate(q: Question) -> Iterator[Demand]:
    yield q.case["rate"] is None or longest_wait_ms(q) <= 0, "too-many", ""


def longest_wait_ms(q: Question) -> int:
    """Return how long both budgets have to be waited for; 0 or less where both have room.

    Source: ITU-T I.371, generic cell rate algorithm.
    """
    budgets, spent = q.arrangement.get("budgets", BUDGETS), q.case["rate"]
    is_urgent = q.header["precedence"] == "flash" or q.header["verb"] == "cancel"
    waits: list[int] = []
    for whose in ("endpoint", "member"):
        budget = budgets[f"urgent_{whose}" if is_urgent else whose]
        room = (budget["burst"] - 1) * budget["every_ms"]
        waits.append(spent[whose] - spent["now_ms"] - room)
    return max(waits)


def author(q: Question) -> Iterator[Demand]:
    yield from in_force(q, q.header["endpoint"])


def granter(q: Question) -> Iterator[Demand]:
    yield q.case["given"] is not None, "may-not-post", "/endpoint"
    yield from in_force(q, q.case["given"]["by"])


def in_force(q: Question, endpoint: str) -> Iterator[Demand]:
    row = q.row(endpoint)
    yield row is not None, "unknown-endpoint", "/endpoint"
    yield row["status"] == "active", "endpoint-suspended", "/endpoint"


def foreign(q: Question) -> Iterator[Demand]:
    yield q.header["origin"][:2] not in q.case["here"], "not-home", "/endpoint"


def feed(q: Question) -> Iterator[Demand]:
    yield q.feed is not None, "unknown-feed", "/of" if q.act == "grant" else "/feed"


def type_on_feed(q: Question) -> Iterator[Demand]:
    yield q.header["type"] in q.feed["types"], "type-not-on-feed", "/type"


def post_by_author(q: Question) -> Iterator[Demand]:
    yield may_post(q, q.row(q.header["endpoint"])), "may-not-post", "/feed"


def post_by_granter(q: Question) -> Iterator[Demand]:
    yield may_post(q, q.row(q.case["given"]["by"])), "may-not-post", "/endpoint"


def post_by_origin(q: Question) -> Iterator[Demand]:
    yield q.header["origin"] in q.feed["post"], "may-not-post", "/feed"


def may_post(q: Question, row: Json) -> bool:
    return row["member"] in q.feed["post"] and "poster" in row["roles"]


def status(q: Question) -> Iterator[Demand]:
    allowed = q.feed.get("statuses", STATUSES)
    yield q.header["status"] in allowed, "status-not-on-feed", "/status"


def tlp(q: Question) -> Iterator[Demand]:
    allowed = q.feed.get("tlp", COLOURS)
    yield q.marking["tlp"] in allowed, "marking-not-on-feed", "/marking/tlp"


def handling(q: Question) -> Iterator[Demand]:
    allowed = q.feed.get("handling", HANDLING)
    for n, code in enumerate(q.marking["handling"]):
        yield code in allowed, "marking-not-on-feed", f"/marking/handling/{n}"


def kind(q: Question) -> Iterator[Demand]:
    verb = q.header["verb"]
    fitting = VERBS.get(q.header["type"], {"new", "update"})
    yield verb in fitting, "verb-type-mismatch", "/verb"
    if verb == "new":
        return
    count = sum(ref["rel"] == RELATIONS[verb] for ref in q.header["refs"])
    yield count >= 1, "reference-missing", "/refs"
    yield verb == "reply" or count == 1, "wrong-value", "/refs"


def times(q: Question) -> Iterator[Demand]:
    latest = q.case["now"] + q.arrangement["limits"]["skew_s"]
    yield q.header["issued"] <= latest, "not-yet-issued", "/issued"
    yield q.header["expires"] > q.case["now"], "expired", "/expires"


def lifetime(q: Question) -> Iterator[Demand]:
    issued, expires = q.header["issued"], q.header["expires"]
    longest = q.arrangement["limits"]["lifetime_s"]
    yield 0 < expires - issued <= longest, "lifetime", "/expires"
    yield q.header["retain_until"] >= expires, "lifetime", "/retain_until"


def retained(q: Question) -> Iterator[Demand]:
    code, at = ("expired", "/of") if q.act == "grant" else ("retention-over", "/retain_until")
    yield q.case["now"] < q.header["retain_until"], code, at


def schema(q: Question) -> Iterator[Demand]:
    yield q.header["schema"] in q.arrangement["schemas"], "schema-not-known", "/schema"


def regime(q: Question) -> Iterator[Demand]:
    value = q.header["regime"]
    yield value is None or value in q.arrangement["regimes"], "wrong-value", "/regime"


def trust_point(q: Question) -> Iterator[Demand]:
    trust, heads = q.header["trust"], q.case["heads"]
    position = trust["position"]
    yield 1 <= position < len(heads), "trust-invalid", "/trust"
    yield heads[position] == trust["head"], "trust-invalid", "/trust"


def size(q: Question) -> Iterator[Demand]:
    attachments = [attachment["size"] for attachment in q.header["attachments"]]
    yield q.header["body"]["size"] <= q.sizes["body"], "oversized", "/body/size"
    for n, each in enumerate(attachments):
        yield each <= q.sizes["attachment"], "oversized", f"/attachments/{n}/size"
    yield sum(attachments) <= q.sizes["attachments"], "oversized", "/attachments"


def persons(q: Question) -> Iterator[Demand]:
    declares, colour = q.header["declares"], q.marking["tlp"]
    is_narrow = colour in {"red", "amber+strict"}
    is_wide = colour in {"green", "clear"}
    yield "protected-person" not in declares or is_narrow, "protected-persons", "/marking/tlp"
    yield "persons" not in declares or not is_wide, "persons-audience", "/marking/tlp"


BULLETIN: Sequence[tuple[str, Callable[[Question], Iterator[Demand]]]] = (
    ("accept grant deliver ingress", arrangement),  # 1
    ("accept", rate),  # 2
    ("accept", author),  # 3
    ("grant", granter),
    ("ingress", foreign),
    ("accept grant deliver ingress", feed),  # 4
    ("accept ingress", type_on_feed),  # 5
    ("accept", post_by_author),  # 6
    ("grant", post_by_granter),
    ("ingress", post_by_origin),
    ("accept ingress", status),  # 7
    ("accept ingress", tlp),  # 8
    ("accept ingress", handling),  # 9
    ("accept ingress", kind),  # 10
    ("accept", times),  # 11
    ("accept ingress", lifetime),  # 12
    ("grant deliver ingress", retained),  # 13
    ("accept ingress", schema),  # 14
    ("accept ingress", regime),  # 15
    ("accept", trust_point),  # 16
    ("accept ingress", size),  # 17
    ("accept ingress", persons),  # 18
)


# --- rules of each recipient ------------------------------------------------------------------


def place(q: Question, recipient: str) -> str:
    """Where a refusal says that it was this recipient."""
    if q.act == "deliver":
        return ""
    if q.act == "grant" or recipient not in q.header["to"]:
        return "/to"
    return f"/to/{q.header['to'].index(recipient)}"


def recipient_demands(q: Question, recipient: str) -> Iterator[Demand]:
    """Say every demand on one recipient, rules 19 to 27."""
    at = place(q, recipient)
    row = q.row(recipient)
    is_there = row is not None
    yield is_there, "unknown-endpoint" if q.act == "deliver" else "unknown-recipient", at  # 19
    yield row["status"] == "active", "endpoint-suspended", at
    if q.act in {"deliver", "ingress"}:  # 20
        is_addressed = recipient in q.header["to"] or q.case["given"] is not None
        yield is_addressed, "not-a-recipient", at
    if q.act == "ingress":  # 21
        yield row["nation"] in q.case["here"], "not-home", at
    may_read = row["member"] in q.feed["read"] and "reader" in row["roles"]
    yield may_read, "may-not-read", at  # 22
    is_releasable = CODES_OF_NATIONS[row["nation"]] in q.marking["releasable_to"]
    yield is_releasable, "not-releasable", at  # 23
    if q.act != "accept":
        yield from onward_demands(q, recipient, at)  # 24, 25
    yield holds(q, row, "restrictive", all), "category-not-held", at  # 26
    yield holds(q, row, "permissive", any), "no-category-held", at  # 27


def onward_demands(q: Question, recipient: str, at: str) -> Iterator[Demand]:
    """Say what rules 24 and 25 ask where another than the originator gives it."""
    given = q.case["given"]
    if given is None or recipient in q.header["to"]:
        return
    if member_of(given["by"]) == q.header["origin"]:
        return
    held_by = []
    if q.marking["originator_control"] or "h2" in q.marking["handling"]:
        held_by.append("originator-control")
    if stays_by_tlp(q.marking["tlp"], given["by"], recipient):
        held_by.append("tlp-onward")
    for code in held_by:
        yield given["consent"] is not None, code, at
    if held_by:
        until = given["consent"]["until"]
        yield until is not None, "consent-withdrawn", at
        yield given["at"] < until, "consent-over", at


def stays_by_tlp(colour: str, giver: str, recipient: str) -> bool:
    """Return whether a colour keeps from a recipient what a holder would give it."""
    if colour in {"amber", "amber+strict"}:
        return member_of(giver) != member_of(recipient)
    return colour not in {"green", "clear"}


def holds(q: Question, row: Json, kind: str, enough: Callable[[list[bool]], bool]) -> bool:
    """Return whether of each category of a kind enough of what the bulletin bears is held."""
    for category in q.arrangement.get("categories", []):
        if category["kind"] != kind:
            continue
        held = [
            row["endpoint"] in value["holders"] or row["member"] in value["holders"]
            for value in category["values"]
            if any(is_true(mark, q.header) for mark in value["marks"])
        ]
        if held and not enough(held):
            return False
    return True


def is_true(mark: str, header: Json) -> bool:
    """Return whether a mark is true of a header.

    Raises:
        KeyError: a mark that the page does not list; what is not understood is not judged.
    """
    what, _, word = mark.partition(":")
    return word in MARKS[what](header)


# --- rule 28, of the bulletin once more -------------------------------------------------------


def release_demands(q: Question) -> Iterator[Demand]:
    """Say what rule 28 asks of an act: nothing, or the one release."""
    released = q.case["released"] if q.act != "deliver" else None
    if released is None and q.act != "ingress":
        return
    if waits_for_release(q):
        is_released = any(is_release(q, endpoint) for endpoint in released or ())
        yield is_released, "release-required", ""


def waits_for_release(q: Question) -> bool:
    if not any(is_true(mark, q.header) for mark in q.arrangement.get("four_eyes", ())):
        return False
    if q.act == "grant":
        return is_new_audience(q)
    return is_new_audience(q) or not is_plain_cancellation(q)


def is_new_audience(q: Question) -> bool:
    """Return whether the originator's member gives what is marked to somebody new."""
    given = q.case["given"]
    if given is None or given["holds"]:
        return False
    is_by_origin = member_of(given["by"]) == q.header["origin"]
    return is_by_origin and q.case["recipient"] not in q.header["to"]


def is_plain_cancellation(q: Question) -> bool:
    header, holders = q.header, q.case["holders"]
    if header["verb"] != "cancel" or header["attachments"]:
        return False
    if header["body"]["size"] > 16_384 + WRAPS[header["suite"]] * len(header["to"]):
        return False
    if q.act == "ingress":
        return holders is None or q.case["recipient"] in holders
    if holders is None:
        return False
    return set(header["to"]) <= set(holders)


def is_release(q: Question, endpoint: str) -> bool:
    """Return whether what this endpoint released may go out by it."""
    origin = q.header["origin"]
    signer = q.case["given"]["by"] if is_new_audience(q) else q.header["endpoint"]
    if endpoint == signer:
        return False
    if q.act == "ingress":  # the other nation's directory was its home's to look at
        return member_of(endpoint) == str(origin)
    row = q.row(endpoint)
    is_releaser = row is not None and row["status"] == "active" and "releaser" in row["roles"]
    return is_releaser and bool(row["member"] == origin)


# --- rules of a choice of feeds ---------------------------------------------------------------


def choice_demands(q: Question) -> Iterator[Demand]:
    """Say every demand on a choice, rules S1 to S6."""
    chosen = q.case["feeds"]
    yield q.arrangement is not None, "trust-invalid", "/trust"  # S1
    reader = q.row(q.case["recipient"])
    yield reader is not None, "unknown-endpoint", "/endpoint"  # S2
    yield reader["status"] == "active", "endpoint-suspended", "/endpoint"
    yield not chosen or "reader" in reader["roles"], "missing-role", "/endpoint"  # S3
    for number, name in enumerate(chosen):
        at = f"/feeds/{number}"
        its_feed = named(q.arrangement["feeds"], "name", name)
        yield its_feed is not None, "unknown-feed", at  # S4
        yield reader["member"] in its_feed["read"], "may-not-read", at  # S5
        for holders in holders_asked_by_feed(q, name):  # S6
            is_held = reader["endpoint"] in holders or reader["member"] in holders
            yield is_held, "category-not-held", at


def holders_asked_by_feed(q: Question, name: str) -> Iterator[Sequence[str]]:
    """Say who holds each restrictive value that every bulletin of a feed bears."""
    for category in q.arrangement.get("categories", ()):
        if category["kind"] == "restrictive":
            for value in category["values"]:
                if f"feed:{name}" in value["marks"]:
                    yield value["holders"]


# --- the answer -------------------------------------------------------------------------------


def demands(q: Question) -> Iterator[Demand]:
    """Say every demand of the table that the act has to meet, in order."""
    if q.act == "subscribe":
        yield from choice_demands(q)
        return
    for acts, rule in BULLETIN:
        if q.act in acts.split():
            yield from rule(q)
    recipients = q.header["to"] if q.act == "accept" else [q.case["recipient"]]
    for recipient in recipients:
        yield from recipient_demands(q, recipient)
    yield from release_demands(q)


def judge(case: Json) -> Json:
    """Return the verdict on a case that holds the documents in force and the question.

    Returns:
        ``verdict``, ``code``, ``at``, and ``wait`` in seconds (``None`` but for ``too-many``).
    """
    if case["act"] not in {"accept", "grant", "deliver", "ingress", "subscribe"}:
        raise ValueError(case["act"])
    q = Question(case)
    for is_met, code, at in demands(q):
        if not is_met:
            wait = -(-longest_wait_ms(q) // 1000) if code == "too-many" else None
            return {"verdict": "refuse", "code": code, "at": at, "wait": wait}
    return {"verdict": "permit", "code": None, "at": None, "wait": None}


def read(lines: Iterable[str]) -> Iterator[Json]:
    """Put each case of a file under the documents of its world."""
    worlds: dict[int, Mapping[str, Any]] = {}
    for line in lines:
        row = json.loads(line)
        if "case" in row:
            yield {**worlds[row["world"]], **row}
        else:
            worlds[row["world"]] = row


def main() -> None:
    for case in read(sys.stdin):
        answer = {"case": case["case"], **judge(case)}
        sys.stdout.write(json.dumps(answer, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
