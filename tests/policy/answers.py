"""What our rules say of cases: ``python -m tests.policy.answers < cases.jsonl``.

``--fault NAME`` says it with a planted fault, ``--compare`` how many verdicts each changes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec

from exchange.errors import Refusal
from exchange.model.header import Header
from exchange.model.identity import member_of
from exchange.model.trust import Arrangement, Endpoint, Label, Member
from exchange.model.view import Directory, Heads, Standing, View
from exchange.policy import choices, rules
from exchange.policy.limits import Rate, Spent
from tests.policy import planted
from tests.policy.worlds import Json

_LABEL: Label = {"es": "EJERCICIO", "en": "EXERCISE"}
# What rules do not look at, and a document or header must have all the same.
_DIGEST = "A" * 43
_OF_HEADER = {
    "v": "xb1",
    "id": "01a229f1-2800-7768-b6ef-52555962d008",
    "observed": None,
    "due": None,
    "commit": _DIGEST,
}
_OF_DOCUMENT = {"v": "xb1", "version": 1, "issued": 0}


def view(world: Json) -> View:
    """The documents in force, as a node holds them."""
    agreed = world["arrangement"]
    members: dict[str, dict[str, Standing]] = {}
    for each in world["directory"]:
        name = each["endpoint"]
        members.setdefault(member_of(name), {})[name] = _standing(each)
    return View(
        anchor="",
        heads=Heads(world["heads"]),
        arrangement=None if agreed is None else _arrangement(agreed),
        endpoints=Directory(members),
    )


def _arrangement(agreed: Json) -> Arrangement:
    categories = [{"title": _LABEL, **each} for each in agreed.get("categories", ())]
    whole = {
        **_OF_DOCUMENT,
        "kind": "arrangement",
        "name": _LABEL,
        "suites": ["xb1-h"],
        "quorum": "none",
        **agreed,
        "limits": {"late_s": 3600, **agreed["limits"]},
        "feeds": [{"title": _LABEL, **each} for each in agreed["feeds"]],
        **({"categories": categories} if categories else {}),
    }
    return msgspec.convert(whole, Arrangement)


def _standing(said: Json) -> Standing:
    endpoint = msgspec.convert(
        {
            "id": said["endpoint"],
            "title": _LABEL,
            "suite": "xb1-h",
            "keys": [],
            "status": said["status"],
            "roles": said["roles"],
        },
        Endpoint,
    )
    member = Member("xb1", 1, 0, said["member"], said["nation"], _LABEL, [endpoint])
    return Standing(member, endpoint, {})


def _header(said: Json) -> Header:
    reference = {"id": _OF_HEADER["id"], "header_digest": _DIGEST}
    whole = {
        **_OF_HEADER,
        **said,
        "refs": [{**reference, **each} for each in said["refs"]],
        "body": {"digest": _DIGEST, **said["body"]},
        "attachments": [{"digest": _DIGEST, **each} for each in said["attachments"]],
    }
    # A head is any text here; a digest on the wire.
    header = msgspec.convert({**whole, "trust": {"position": 0, "head": _DIGEST}}, Header)
    point = msgspec.structs.replace(header.trust, **said["trust"])
    return msgspec.structs.replace(header, trust=point)


class Question:
    """One case, made ready, to be asked more than once."""

    def __init__(self, case: Json, under: View) -> None:
        self.case, self._view, self._said = case["case"], under, case
        self._header = None if case["header"] is None else _header(case["header"])
        rate, given = case["rate"], case["given"]
        spent = rate and Spent(rate["endpoint"], rate["member"])
        self._rate = rate and Rate(rate["now_ms"], spent)
        consent = given and given["consent"]
        said = consent and rules.Consent(consent["until"])
        self._given = given and rules.Given(given["by"], given["at"], said, given["holds"])

    def answer(self) -> Json:
        """The verdict, as ``docs/policy.md`` tells it."""
        try:
            self._ask(self._said)
        except Refusal as refusal:
            return {
                "case": self.case,
                "verdict": "refuse",
                "code": refusal.code.value,
                "at": refusal.at,
                "wait": refusal.facts.get("wait"),
            }
        return {
            "case": self.case,
            "verdict": "permit",
            "code": None,
            "at": None,
            "wait": None,
        }

    def _ask(self, said: Any) -> None:
        if self._header is None:
            choices.decide(said["recipient"], said["feeds"], self._view)
            return
        rules.decide(
            said["act"],
            self._header,
            self._view,
            said["now"],
            recipient=said["recipient"],
            given=self._given,
            here=said["here"],
            rate=self._rate,
            released=said["released"],
            holders=said["holders"],
        )


def questions(lines: Iterable[Json]) -> Iterator[Question]:
    """Every case under its world."""
    views: dict[int, View] = {}
    for line in lines:
        if "case" in line:
            yield Question(line, views[line["world"]])
        else:
            views[line["world"]] = view(line)


def compared(lines: Iterable[Json]) -> dict[str, int]:
    """How many verdicts each planted fault changes."""
    asked = list(questions(lines))
    right = [each.answer() for each in asked]
    counts: Counter[str] = Counter()
    for name, fault in planted.FAULTS.items():
        with fault():
            wrong = (each.answer() for each in asked)
            counts[name] = sum(one != other for one, other in zip(right, wrong, strict=True))
    return dict(counts)


def main() -> None:
    """Answer what comes on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", choices=sorted(planted.FAULTS))
    parser.add_argument("--compare", action="store_true")
    given = parser.parse_args()
    lines = map(json.loads, sys.stdin)
    if given.compare:
        sys.stdout.write(json.dumps(compared(lines), indent=1) + "\n")
        return
    with ExitStack() as stack:
        if given.fault:
            stack.enter_context(planted.FAULTS[given.fault]())
        for each in questions(lines):
            sys.stdout.write(json.dumps(each.answer(), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
