"""Whoever gives leave to pass something on is told whom it names, or that this is not known."""

from __future__ import annotations

import json

from exchange.client.consented import of_request
from exchange.model.bulletin import decode
from exchange.model.bulletin.blocks import Target
from tests.api.serving import serving
from tests.client.granting import line
from tests.client.test_bearing import delivered
from tests.model.bulletins import CODES, example, plain


def request(of, index=6):
    """A request of another member to pass on what this endpoint holds."""
    values = plain("con-1")
    values["content"]["target"] = {
        "id": of.header.id,
        "origin": of.header.origin,
        "type": of.header.type,
        "header_digest": of.digest,
    }
    return delivered(index, decode(json.dumps(values).encode(), CODES), type="con")


async def test_what_a_colleague_posted_is_known_by_what_came_of_it(tmp_path):
    theirs = delivered(
        5, example("smg-1"), type="smg", declares=["persons", "protected-person"]
    )
    locked = delivered(7, type="smg", declares=["persons", "protected-person"])
    plainly = delivered(8, type="voi")
    asked = [request(theirs), request(locked, 9), request(plainly, 10)]
    items = [theirs, locked, plainly, *asked]
    async with serving() as door, line(door.url, tmp_path) as sender:
        found = []
        for each in asked:
            header = each.header
            target = Target(header.id, header.origin, header.type, each.digest)
            found.append(of_request(sender, items, target))
        assert [each.text is not None for each in found] == [True, False, False]
        assert [each.may_protect for each in found] == [True, True, False]
        # Neither the request nor what it is about is here: nobody can tell.
        lost = of_request(sender, [theirs], Target(asked[0].header.id, "us.jiatfs", "con", "x"))
        assert (lost.header, lost.may_protect) == (None, True)
