"""A node's links: it answers other nodes on an address of their own, and pulls from each.

On the same address its witness cosigns their journals, and its own.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog

from exchange.cli import state, witness_state, world
from exchange.cli.incoming import Incoming
from exchange.cli.standing import Standing
from exchange.errors import Code, Fault
from exchange.link.greeting import Greeter
from exchange.link.leaves import Leaves
from exchange.link.offering import DOOR, make_app
from exchange.link.pulling import Puller
from exchange.link.serving import make_runner
from exchange.link.transport import Peer
from exchange.node.listed import ListedLogs
from exchange.node.witness import Witness
from exchange.store.homeheads import HomeHeadFiles
from exchange.store.leaf_files import LeafFile
from exchange.store.linked import LinkFile
from exchange.store.witnessed import WitnessFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchange.custody import container
    from exchange.link.door import Door
    from exchange.model.trust import Node as NodeDocument
    from exchange.node.fronts import Secrets
    from exchange.node.node import Node

# A page that waits for news, or an attachment, is asked for again from where it was cut.
_FINISH_S = 1.0

_log = structlog.get_logger("exchange.link")


@asynccontextmanager
async def linked(
    here: state.State, node: Node, secrets: Secrets, keys: container.Secrets
) -> AsyncIterator[None]:
    """Answer other nodes, and pull from them, for a while; nothing where there are none.

    Raises:
        Fault: the address cannot be had; or how far a link came cannot be read.
    """
    chosen = here.settings()
    if not chosen.link and not chosen.peers:
        yield
        return
    node.crossed = HomeHeadFiles(here.links)
    standing = Standing(here, node)
    async with AsyncExitStack() as stack:
        witness = await stack.enter_async_context(_witnessing(here, node, keys, standing))
        standing.door = await stack.enter_async_context(
            _offered(chosen.link, node, secrets, witness)
        )
        tasks = [asyncio.create_task(standing.run(), name="links")]
        for name, url in chosen.peers.items():
            peer = Peer(
                url,
                (node.name, name),
                partial(_document, node, name),
                lambda: node.writer.rings.signer(node.view),
                node.now,
            )
            puller = Puller(peer, node, LinkFile(here.links, name))
            puller.leaves = Leaves(peer, puller, LeafFile(here.links, name))
            standing.pullers[name] = puller
            if not url:
                standing.by_file.add(name)
                continue
            running = _pull(peer, puller, puller.leaves)
            tasks.append(asyncio.create_task(running, name=f"link-{name}"))
        incoming = Incoming(here.links, node.name, standing.pullers)
        tasks.append(asyncio.create_task(incoming.run(), name="incoming"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _pull(peer: Peer, puller: Puller, leaves: Leaves) -> None:
    try:
        async with peer:
            following = asyncio.create_task(_follow(peer, leaves))
            try:
                await puller.run()
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
    except Exception as error:
        # The node goes on without this link: who runs it is told.
        _log.critical("stopped", part=f"link-{peer.node}", error=type(error).__name__)
        raise


async def _follow(peer: Peer, leaves: Leaves) -> None:
    try:
        await leaves.run()
    except Exception as error:
        # What crosses goes on without them.
        _log.critical("stopped", part=f"leaves-{peer.node}", error=type(error).__name__)
        raise


def _document(node: Node, name: str) -> NodeDocument:
    found = node.view.nodes.get(name)
    if found is None:
        raise Fault(Code.NODE_UNREACHABLE, name=name)
    return found


@asynccontextmanager
async def _witnessing(
    here: state.State, node: Node, keys: container.Secrets, standing: Standing
) -> AsyncIterator[Witness | None]:
    """Have a witness of every node in the directory; None where none was made here.

    One that lost its memory vouches for nobody, and hinders the node in nothing else.
    """
    if witness_state.PURPOSE not in keys.keys:
        yield None
        return
    name = standing.witness = witness_state.name_beside(node.name)
    try:
        signer = witness_state.signer(name, keys)
        recall = WitnessFiles.open(here.witness)
    except (Fault, OSError) as error:
        code = error.code if isinstance(error, Fault) else Code.WITNESS_BEHIND
        standing.trouble = code.value
        _log.critical("no-witness", witness=name, code=code.value)
        yield None
        return
    standing.recall = recall
    try:
        yield Witness(ListedLogs(lambda: node.view), signer, recall, world.clock_ms)
    finally:
        await recall.close()


@asynccontextmanager
async def _offered(
    address: str, node: Node, secrets: Secrets, witness: Witness | None
) -> AsyncIterator[Door | None]:
    if not address:
        yield None
        return
    app = make_app(node, Greeter(node.name, world.randomness), witness)
    door, runner = app[DOOR], make_runner(app, shutdown_timeout=_FINISH_S)
    with _bound(address) as listening:
        await runner.setup()
        try:
            context = state.server_context(secrets.certificate, secrets.tls_seed)
            door.open(listening, runner.server, context)
            _log.info("offering", node=node.name, address=address)
            yield door
        finally:
            door.close()
            await runner.cleanup()


def _bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family)
    except (OSError, ValueError, OverflowError) as error:
        kind = type(error).__name__
        raise Fault(Code.UNAVAILABLE, name=address, found=kind) from error
