"""Items of an inbox, made up, and a shelf that holds them."""

from __future__ import annotations

from exchange.client.reading import Acked, Delivered, PurgeOrdered
from exchange.desk.shelf import Shelf
from exchange.model.header import Reference
from exchange.model.identity import digest
from exchange.model.objects import Acknowledgement, Subject
from tests.builders import NOW, OPS, WATCH, world
from tests.model.bulletins import CODES

TARGET_S = {"flash": 600, "immediate": 1800, "priority": 7200, "routine": 86_400}


def delivered(index, bulletin=None, *, taken_s=NOW, came=None, grant=None, **header):
    made = world().header(**header)
    return Delivered(
        position=index,
        index=index,
        taken_ms=taken_s * 1000,
        header=made,
        digest=digest(str(index).encode()),
        late=False,
        target=None,
        accepted=index,
        accepted_ms=taken_s * 1000,
        bulletin=bulletin,
        taken_in=came,
        grant=grant,
    )


def refers(rel, item):
    return [Reference(rel, item.header.id, item.digest)]


def subject(item):
    return Subject(item.header.endpoint, item.header.id, item.digest)


def acked(index, item, outcome="opened", officer="watch-1"):
    ack = Acknowledgement(
        v="xb1", suite="xb1-h", id=item.header.id, origin="us.jiatfs", endpoint=WATCH,
        of=subject(item), outcome=outcome, at=NOW, officer=officer,
    )  # fmt: skip
    return Acked(index, index, (NOW + index) * 1000, ack)


def purged(index, of):
    return PurgeOrdered(index, index, (NOW + index) * 1000, of, "retention-over", None)


def shelf(*items):
    made = Shelf(CODES, TARGET_S.__getitem__)
    made.take(items)
    return made


__all__ = ["CODES", "NOW", "OPS", "acked", "delivered", "purged", "refers", "shelf", "subject"]
