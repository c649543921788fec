"""Nobody is sealed to whom its nation has shut out, whichever node took that in."""

from __future__ import annotations

import msgspec
import pytest

from exchange.client.strictness import strictest
from exchange.errors import Code, Refusal
from tests.builders import COAST, DAY, NOW, OPS, border, suspended
from tests.client.abroad import abroad
from tests.client.dealing import draft
from tests.client.test_abroad_trust import theirs as of_theirs

WORLD = border()
VIEW = WORLD.view
replace = msgspec.structs.replace


def of_keys(change):
    """An endpoint whose keys to seal to are others."""

    def changed(endpoint):
        keys = [change(key) if key.use == "enc" else key for key in endpoint.keys]
        return replace(endpoint, keys=[key for key in keys if key is not None])

    return changed


def named(*names):
    """The draft for these."""
    read = draft()
    return replace(read, post=replace(read.post, to=list(names)))


def ending(key):
    return replace(key, until=NOW + DAY)


def beginning(key):
    return replace(key, since=NOW - 1)


def as_it_was(endpoint):
    return endpoint


def keys_of(view):
    return [(key.use, key.since, key.until) for key in view.endpoints[OPS].endpoint.keys]


def test_endpoint_is_as_strict_as_the_newest_that_its_nation_signed_wherever_that_is():
    assert strictest(VIEW, [VIEW]) is VIEW
    shut = WORLD.later(WORLD.amended(OPS, suspended))
    for ours, theirs in ((VIEW, shut), (shut, VIEW)):
        assert not strictest(ours, [theirs]).endpoints[OPS].is_active
    deaf = WORLD.later(WORLD.amended(OPS, lambda each: replace(each, roles=["poster"])))
    assert strictest(VIEW, [deaf]).endpoints[OPS].endpoint.roles == ["poster"]
    for change in (ending, beginning):
        changed = WORLD.later(WORLD.amended(OPS, of_keys(change)))
        assert keys_of(strictest(VIEW, [changed])) == keys_of(changed) != keys_of(VIEW)
    keyless = WORLD.later(WORLD.amended(OPS, of_keys(lambda _: None)))
    assert keys_of(strictest(VIEW, [keyless])) == keys_of(keyless)
    member = WORLD.member("pa.senan")
    gone = replace(member, version=2, endpoints=[e for e in member.endpoints if e.id != OPS])
    gone_view = VIEW.with_document(gone)
    assert not strictest(VIEW, [gone_view]).endpoints[OPS].is_active
    # What the header names is still our own node's.
    assert (strictest(VIEW, [shut]).heads, strictest(VIEW, [shut]).index) == (
        VIEW.heads,
        VIEW.index,
    )


def test_older_version_in_another_journal_says_nothing_and_newer_keys_are_not_given():
    shut = WORLD.after(WORLD.amended(OPS, suspended))
    again = shut.later(shut.amended(OPS, lambda each: replace(each, status="active")))
    assert strictest(again, [shut.view]) is again
    longer = WORLD.later(
        WORLD.amended(OPS, of_keys(lambda key: replace(key, until=key.until + 1)))
    )
    assert keys_of(strictest(VIEW, [longer])) == keys_of(VIEW)


async def refused(call):
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value.code, caught.value.at


async def test_recipient_whose_suspension_is_in_force_at_its_home_alone_is_not_sealed_to(
    tmp_path,
):
    """Our node does not take it in: it lies, or it cannot."""
    async with abroad() as both:
        async with both.agency(tmp_path) as line:
            assert [each.endpoint for each in (await line.prepare(named(OPS))).readers] == [OPS]
            posted = await line.prepare(named(COAST))
            await line.post(posted)
            await both.trusts(WORLD.amended(OPS, suspended))
            suspension = (Code.ENDPOINT_SUSPENDED, "/post/to/0")
            assert await refused(line.prepare(named(OPS))) == suspension
            grant = line.prepare_grant(posted.header.id, OPS)
            assert await refused(grant) == (Code.ENDPOINT_SUSPENDED, "/to")
            assert (await line.view()).endpoints[OPS].is_active
        # What our node tells of the other one's journal is broken now: what was folded counts.
        both.liar.change = of_theirs(lambda item: item.update(document="{}"))
        async with both.agency(tmp_path) as line:
            assert await refused(line.prepare(named(OPS))) == suspension
            with pytest.raises(Refusal):
                line.trust.home("pa")
