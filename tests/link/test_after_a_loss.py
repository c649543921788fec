"""After a declared loss: all comes anew by files too, and what is declared lost is gone."""

from __future__ import annotations

from contextlib import AsyncExitStack

import msgspec
import pytest

from exchange.errors import Code, Fault, Refusal
from exchange.journal.proofs import inclusion_proof
from exchange.journal.tiles import MemoryHashes
from exchange.link.pages import Offered
from exchange.link.proving import Pulled, prove
from exchange.model import entry as entries
from exchange.model.lost import MAX_LOST
from tests.api.serving import serve
from tests.builders import OPS, WATCH
from tests.client.abroad import officer
from tests.client.dealing import Liar, fronted
from tests.link.bordered import Kept
from tests.link.test_carrying import Stick
from tests.link.test_losing import between, declared, hashes, lose, us


async def test_what_is_declared_lost_comes_anew_by_files_and_none_of_it_is_believed_again(
    tmp_path,
):
    stick = Stick(tmp_path / "stick")
    stick.folder.mkdir()
    async with AsyncExitStack() as stack:
        other, memory = await stack.enter_async_context(us(tmp_path)), Kept()
        lost, said = await lose(tmp_path, other, memory)
        loss = await lost.drafted()
        with pytest.raises(Refusal) as caught:
            await lost.drafted(room=MAX_LOST)
        assert (caught.value.code, caught.value.at) == (Code.LOST_UNDECLARED, "/end")
        await _no_other_is_bound_to_it_before(other.node, loss)
        await lost.entered(declared(loss))
        both = await stack.enter_async_context(between(other, lost.journal, memory))
        await _anew_by_file(stick, both, loss)
        await _nothing_of_it_crosses(both, loss)
        await _no_receipt_of_it_counts(both, tmp_path, said, loss)


async def _no_other_is_bound_to_it_before(node, loss):
    """Else, where it is found again, no arrangement holds at both nodes any more."""
    answer = await node.submit("", declared(loss), b"")
    assert (answer.refusal.code, answer.refusal.at) == (Code.LOSS_NOT_ENTERED, "/losses")
    # As much as no journal takes is declared nowhere.
    much = msgspec.structs.replace(loss, end=loss.first + MAX_LOST + 1)
    answer = await node.submit("", declared(much), b"")
    assert (answer.refusal.code, answer.refusal.at) == (Code.TRUST_INVALID, "/files/0/losses/0")
    # What both agree on instead holds: nothing was taken of the other.
    assert node.view.version_of("arrangement") == 1


async def _anew_by_file(stick, both, loss):
    puller = both.us.puller
    before = puller.pulled
    assert loss.first <= before.after
    # One that goes on from where the other node stands has not what is to come anew.
    await stick.export(both.pa, "us", before.after)
    with pytest.raises(Refusal) as caught:
        await stick.bring(both.us)
    assert (caught.value.code, caught.value.facts["expected"]) == (Code.EXPORT_MISSING, -1)
    assert puller.trouble is None
    # As the operator finds it who was told nothing: from the beginning at once.
    puller.pulled = before
    await stick.export(both.pa, "us", -1)
    await stick.bring(both.us)
    assert puller.trouble is None
    assert puller.pulled.after + 1 == puller.size > loss.end
    assert len(await both.us.inbox(WATCH)) == 2
    await both.settle()
    assert puller.trouble is both.pa.puller.trouble is None
    # Entered at home, it took effect here too, though it was refused here before.
    assert both.us.node.view.agreed().losses == [loss]


async def _nothing_of_it_crosses(both, loss):
    """The other node holds a bulletin whose entry is declared lost: it is shown once more."""
    held = [await both.us.entry(index) for index in range(both.us.node.size)]
    home, raw = next(
        (home, each.at_home)
        for each in held
        if isinstance(each.facts, entries.Accepted)
        and (home := each.facts.home)
        and loss.first <= home.index < loss.size
    )
    page = await both.us.puller._far.entries(-1, 0)
    size = both.us.puller.size
    leaves = MemoryHashes(await hashes(both.pa.node, page.note))
    path = inclusion_proof(home.index, size, leaves)
    shown = Offered(home.index, home.index, raw, entries.decode(raw).facts, path, None, False)
    ground = both.us.puller.ground()
    begun = Pulled(lost=1)
    for is_ahead in (False, True):
        item = msgspec.structs.replace(shown, is_ahead=is_ahead)
        with pytest.raises(Refusal) as caught:
            prove(page._replace(items=[item]), begun, ground)
        told = (caught.value.code, caught.value.at, caught.value.facts["found"])
        assert told == (Code.ENTRY_UNTRUE, "/index", home.index)
    # What is honestly shown holds.
    assert prove(page, begun, ground).after == page.cursor


async def _no_receipt_of_it_counts(both, folder, said, loss):
    identity, old = said["abroad"]
    async with serve(both.pa.node) as door:
        liar = Liar(door)
        async with (
            fronted(liar.handle) as url,
            officer(url, "pa", folder, OPS, both.clock) as author,
        ):
            await author.prove()
            assert identity in author.world.outbox.waiting()
            told = msgspec.json.decode(msgspec.json.encode(old))
            liar.change = lambda path, value: told if path == "/v1/objects" else value
            with pytest.raises(Fault) as caught:
                await author.resolve(identity)
            found = (caught.value.code, caught.value.at, caught.value.facts["found"])
            assert found == (Code.ENTRY_UNTRUE, "/index", old.index)
            assert identity in author.world.outbox.waiting()
            # What stands behind the declaration is asked for, and holds.
            liar.change = lambda _, value: value
            receipt = await author.resolve(identity)
            assert receipt.index > loss.end
            assert identity not in author.world.outbox.waiting()
