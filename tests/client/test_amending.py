"""A correction is applied before it is sent, and refused as its readers would refuse it."""

from __future__ import annotations

import copy

import pytest

from exchange import resources
from exchange.client import bearing
from exchange.client.amending import Own, posted
from exchange.client.story import every
from exchange.errors import Code, Refusal
from exchange.model.bulletin.blocks import Target
from exchange.model.draft import read_draft
from tests.api.serving import serving
from tests.builders import DAY, NOW, WATCH
from tests.client.dealing import draft
from tests.client.granting import line, read
from tests.model.bulletins import CODES

PURITY = "/content/drugs/0/purity_pct"
KIND = "/content/drugs/0/drug"


def bulletin(name):
    return read_draft(resources.read(f"v1/examples/{name}"), toml=True).bulletin


def correcting(*changed):
    said = copy.deepcopy(bulletin("cor-1.es.toml"))
    del said["content"]["target"]
    told = [dict(zip(("pointer", "before", "after"), each, strict=True)) for each in changed]
    for each in told:
        if each["before"] is None:
            del each["before"]
    said["content"]["changes"] = told
    return draft(said)


async def sent(sender, said, target=None):
    """Post a draft; return it as what a correction is of."""
    prepared = await sender.prepare(said, target)
    await sender.post(prepared)
    header = prepared.header
    (found,) = [each for each in every(sender.world.outbox) if each.header.id == header.id]
    return Target(header.id, header.origin, header.type, found.digest)


async def refused(sender, said, target):
    with pytest.raises(Refusal) as caught:
        await sender.prepare(said, target)
    return caught.value.code, caught.value.at


async def test_correction_is_held_to_what_was_posted_and_to_what_corrected_it_since(tmp_path):
    async with serving() as door, line(door.url, tmp_path) as sender:
        target = await sent(sender, draft(bulletin("szr-1.es.toml")))
        at = "/bulletin/content/changes"
        lie = correcting((KIND, "cocaine-not-specified", "heroin"), (PURITY, 12.5, 79.0))
        assert await refused(sender, lie, target) == (Code.TARGET_MISMATCH, f"{at}/1")
        first = correcting((PURITY, None, 60.0))
        await sent(sender, first, target)
        assert await refused(sender, first, target) == (Code.TARGET_MISMATCH, f"{at}/0")
        assert await sent(sender, correcting((PURITY, 60.0, 79.0)), target)
        assert len(await read(door.url, tmp_path, WATCH)) == 3


async def test_what_only_the_whole_can_show_is_refused_before_it_is_told(tmp_path):
    async with serving() as door, line(door.url, tmp_path) as sender:
        target = await sent(sender, draft(bulletin("szr-1.es.toml")))
        # Alone each is a drug and a time; together with what stands beside it, it is wrong.
        seized = bulletin("szr-1.es.toml")["content"]["custody"][0]["at"]
        late = "2027-01-01T00:00:00Z"
        told = correcting(("/content/custody/0/at", seized, late))
        code, at = await refused(sender, told, target)
        assert (code, at) == (Code.WRONG_VALUE, "/bulletin/content/custody")
        shown = await sender.prepare(told, target, in_spite=True)
        assert shown.objection.at == at


async def test_nothing_is_opened_after_its_time_to_be_kept(tmp_path):
    async with serving() as door, line(door.url, tmp_path) as sender:
        target = await sent(sender, draft(bulletin("szr-1.es.toml")))
        own = Own(sender.world.outbox, sender.world.kept, sender.keys.openers, NOW)
        header = (await sender.prepare(correcting((PURITY, None, 79.0)), target)).header
        assert [each.bulletin is not None for each in posted(header, own, CODES)] == [True]
        late = own._replace(now=NOW + 31 * DAY)
        assert [each.bulletin for each in posted(header, late, CODES)] == [None]
        assert not sender.world.kept.has(target.id)


async def test_correction_of_what_is_not_here_is_left_to_its_readers_if_its_author_says_so(
    tmp_path,
):
    async with serving() as door, line(door.url, tmp_path) as sender:
        target = await sent(sender, draft(bulletin("szr-1.es.toml")))
        lie = correcting((PURITY, 12.5, 79.0))
        assert await refused(sender, lie, target)
        sender.world.kept.destroy(target.id)
        at = "/bulletin/content/target"
        assert await refused(sender, lie, target) == (Code.CORRECTION_UNCHECKED, at)
        assert (await sender.prepare(lie, target, unchecked=True)).objection.at == at


def quantity(*, packages=None, kg=None, basis="estimated"):
    told = {"qualifier": "estimate" if kg else "exact", "count": "field"}
    if packages is not None:
        return {**told, "packages": packages}
    return {**told, "value": kg, "unit": "kg", "basis": basis}


def seized(*found):
    said = copy.deepcopy(bulletin("szr-1.es.toml"))
    said["content"]["drugs"] = [{"drug": drug, "quantity": each} for drug, each in found]
    return draft(said)


async def test_packages_of_one_drug_become_no_weight_wherever_its_rows_are(tmp_path):
    cocaine, heroin = "cocaine-salts", "heroin"
    counted, guessed = quantity(packages=1200), quantity(kg=1200)
    async with serving() as door, line(door.url, tmp_path) as sender:
        target = await sent(sender, seized((cocaine, counted), (cocaine, quantity(kg=5))))
        # By itself it does not say of which drug its second change is.
        told = correcting(
            ("/content/drugs/0/drug", cocaine, heroin),
            ("/content/drugs/1/quantity", quantity(kg=5), guessed),
        )
        code, at = await refused(sender, told, target)
        assert (code, at) == (Code.WRONG_VALUE, "/bulletin/content/drugs/1/quantity/basis")
        shown = await sender.prepare(told, target, in_spite=True)
        assert [each.code for each in shown.warnings] == ["packages-to-weight"]
        await sender.post(shown)
        items = await read(door.url, tmp_path, WATCH)
        # Whoever holds its target is told; who does not has what it says alone.
        [found] = bearing.warnings(items[1], items, CODES)
        assert (found.code, found.at) == (
            "packages-to-weight",
            "/content/drugs/1/quantity/value",
        )
        assert bearing.warnings(items[1], items[1:], CODES) == []


async def test_update_from_packages_to_a_guess_is_warned_of_on_both_sides(tmp_path):
    async with serving() as door, line(door.url, tmp_path) as sender:
        target = await sent(sender, seized(("heroin", quantity(packages=1200))))
        weighed = seized(("heroin", quantity(kg=1187.5, basis="bulk")))
        assert (await sender.prepare(weighed, target)).warnings == []
        guessed = seized(("heroin", quantity(kg=1200)))
        shown = await sender.prepare(guessed, target)
        assert [each.code for each in shown.warnings] == ["packages-to-weight"]
        await sent(sender, guessed, target)
        items = await read(door.url, tmp_path, WATCH)
        told = [[each.code for each in bearing.warnings(one, items, CODES)] for one in items]
        assert told == [[], ["packages-to-weight"]]
