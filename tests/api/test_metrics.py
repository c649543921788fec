"""What a node counts, for whoever runs it: keys about to end, without a name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from exchange.cli import state
from exchange.errors import Code, Fault
from exchange.node.ports import Shipped
from exchange.store.shipped import ShippedFiles
from tests import builders
from tests.api.attached import BLOB, accepted, send
from tests.api.serving import certificate, serving
from tests.broker.amending import cancelling, correcting
from tests.builders import COAST, DAY, MINSA, NOW, OPS, WATCH
from tests.node.running import Clock, post, until
from tests.policy.test_expiry import ending


def gauge(text: str, name: str) -> int:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return int(line.rpartition(" ")[2])


def expiring(text: str) -> list[int]:
    """Endpoints whose key has ended, or ends within 1, 7 and 30 days."""
    name = 'exchange_endpoints_key_expiring{{within_days="{}"}}'
    return [gauge(text, name.format(days)) for days in (0, 1, 7, 30)]


async def test_endpoints_whose_key_is_about_to_end_are_counted_and_not_named() -> None:
    world = builders.world()
    async with serving() as door:
        assert expiring((await door.get("/metrics", None)).body.decode()) == [0, 0, 0, 0]
        for document in (
            world.amended(OPS, ending("enc", NOW + 5 * DAY)),
            world.amended(WATCH, ending("sig", NOW + 20 * DAY)),
        ):
            assert (await door.post(document + b"\n\n", MINSA)).status == 201
        text = (await door.get("/metrics", None)).body.decode()
        assert expiring(text) == [0, 0, 1, 2]
        assert OPS not in text
        assert WATCH not in text


async def test_how_far_the_second_place_is_behind_is_told_where_there_is_one(
    tmp_path: Path,
) -> None:
    name = "exchange_second_place_lag_entries"
    async with serving() as door:
        assert name not in (await door.get("/metrics", None)).body.decode()
    async with serving(second=ShippedFiles(tmp_path)) as door:
        await until(lambda: door.node.shipped == door.node.size)
        assert gauge((await door.get("/metrics", None)).body.decode(), name) == 0
    async with serving(second=Unplugged()) as door:
        text = (await door.get("/metrics", None)).body.decode()
        assert gauge(text, name) == door.node.size > 0


class Unplugged:
    """A second place that was there when the node started."""

    def size(self) -> int:
        return 0

    def claim(self, epoch: int) -> None:
        """Anybody may."""

    def append(self, groups: Sequence[Shipped]) -> None:
        raise Fault(Code.STORE_FAILED, found=len(groups))


async def test_seconds_until_the_node_s_certificate_ends_are_told() -> None:
    async with serving() as door:
        text = (await door.get("/metrics", None)).body.decode()
        left = gauge(text, "exchange_certificate_expiry_seconds")
        assert left == state.certificate_ends(certificate()) - door.node.now()
        assert left == pytest.approx(builders.TLS_MADE + 3650 * DAY - NOW, abs=2)


async def test_seconds_until_what_custodians_signed_ends_are_told_by_role() -> None:
    async with serving() as door:
        text = (await door.get("/metrics", None)).body.decode()
        for role in ("root", "targets", "pa", "us"):
            left = gauge(text, f'exchange_trust_expiry_seconds{{role="{role}"}}')
            assert left == door.node.view.files[role].expires - NOW > 0


async def test_what_is_kept_of_each_organisation_s_attachments_is_told() -> None:
    async with serving() as door:
        await send(door)
        await accepted(door, BLOB)
        text = (await door.get("/metrics", None)).body.decode()
        assert gauge(text, 'exchange_kept_bytes{member="pa.senan"}') == BLOB.size


def pressing(text: str, what: str) -> list[int]:
    name = f'exchange_unacknowledged{what}{{{{precedence="{{}}"}}}}'
    return [gauge(text, name.format(each)) for each in ("flash", "immediate")]


async def test_flash_that_nobody_acknowledged_is_counted_and_alarmed_once_overdue() -> None:
    clock = Clock()
    async with serving(clock=clock) as door:

        async def told() -> tuple[list[int], list[int]]:
            text = (await door.get("/metrics", None)).body.decode()
            assert WATCH not in text
            return pressing(text, ""), pressing(text, "_overdue")

        flash = builders.world().envelope(precedence="flash", to=[WATCH, COAST])
        await post(door.node, flash)
        await post(door.node, builders.world().envelope(precedence="immediate", to=[WATCH]))
        await post(door.node, builders.world().envelope(precedence="routine", to=[WATCH]))
        assert await told() == ([2, 1], [0, 0])
        clock.ms += 600 * 1000
        assert await told() == ([2, 1], [2, 0])
        await post(door.node, builders.world().ack(flash, WATCH))
        assert await told() == ([1, 1], [1, 0])
        clock.ms += 1200 * 1000
        assert await told() == ([1, 1], [1, 1])


def chased(text: str) -> tuple[list[int], list[int], int]:
    names = ("flash", "immediate", "priority", "routine")
    counts, over = (
        [gauge(text, f'exchange_chased{what}{{precedence="{each}"}}') for each in names]
        for what in ("", "_overdue")
    )
    return counts, over, gauge(text, 'exchange_chase_given_up{rule="holder-revoked"}')


async def test_corrections_and_cancellations_that_no_holder_acknowledged_are_counted() -> None:
    clock, world = Clock(), builders.world()
    async with serving(clock=clock) as door:

        async def told() -> tuple[list[int], list[int], int]:
            text = (await door.get("/metrics", None)).body.decode()
            assert WATCH not in text
            return chased(text)

        sent = world.envelope(to=[WATCH, COAST])
        await post(door.node, sent)
        correction = correcting(sent, to=[WATCH], precedence="immediate")
        await post(door.node, correction)
        assert await told() == ([0, 2, 0, 0], [0, 0, 0, 0], 0)
        clock.ms += 1800 * 1000
        assert await told() == ([0, 2, 0, 0], [0, 2, 0, 0], 0)
        await post(door.node, world.ack(correction, WATCH, outcome="delivered"))
        await post(door.node, world.ack(correction, COAST, outcome="unreadable"))
        assert await told() == ([0, 1, 0, 0], [0, 1, 0, 0], 0)
        cancellation = cancelling(sent, to=[WATCH], precedence="flash")
        await post(door.node, cancellation)
        assert await told() == ([2, 0, 0, 0], [0, 0, 0, 0], 0)
        suspended = world.amended(COAST, lambda each: replace(each, status="suspended"))
        assert (await door.post(suspended + b"\n\n", MINSA)).status == 201
        assert await told() == ([1, 0, 0, 0], [0, 0, 0, 0], 1)
        await post(door.node, world.ack(cancellation, WATCH))
        assert await told() == ([0, 0, 0, 0], [0, 0, 0, 0], 1)
