"""A node's links: it answers other nodes on an address of their own, and pulls from each."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from exchange.cli import state, world
from exchange.errors import Code, Fault
from exchange.link.greeting import Greeter
from exchange.link.offering import make_app
from exchange.link.pulling import Puller
from exchange.link.serving import make_runner
from exchange.link.transport import Peer
from exchange.store.linked import LinkFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchange.model.trust import Node as NodeDocument
    from exchange.node.fronts import Secrets
    from exchange.node.node import Node

LINKS = "links"

_log = structlog.get_logger("exchange.link")


@asynccontextmanager
async def linked(
    here: state.State, node: Node, secrets: Secrets
) -> AsyncIterator[list[Puller]]:
    """Answer other nodes, and pull from them, for a while; nothing where there are none.

    Raises:
        Fault: the address cannot be had; or how far a link came cannot be read.
    """
    chosen = here.settings()
    async with _offered(chosen.link, node, secrets), asyncio.TaskGroup() as group:
        tasks, pullers = [], []
        for name, url in chosen.peers.items():
            memory = LinkFile(here.folder / LINKS, name)
            peer = Peer(
                url,
                (node.name, name),
                partial(_document, node, name),
                lambda: node.writer.rings.signer(node.view),
                node.now,
            )
            puller = Puller(peer, node, memory)
            pullers.append(puller)
            tasks.append(group.create_task(_pull(peer, puller), name=f"link-{name}"))
        yield pullers
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _pull(peer: Peer, puller: Puller) -> None:
    async with peer:
        await puller.run()


def _document(node: Node, name: str) -> NodeDocument:
    found = node.view.nodes.get(name)
    if found is None:
        raise Fault(Code.NODE_UNREACHABLE, name=name)
    return found


@asynccontextmanager
async def _offered(address: str, node: Node, secrets: Secrets) -> AsyncIterator[None]:
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    runner = make_runner(make_app(node, Greeter(node.name, world.randomness)))
    await runner.setup()
    try:
        context = state.server_context(secrets.certificate, secrets.tls_seed)
        try:
            await web.TCPSite(runner, host, int(port), ssl_context=context).start()
        except (OSError, ValueError) as error:
            kind = type(error).__name__
            raise Fault(Code.UNAVAILABLE, name=address, found=kind) from error
        _log.info("offering", node=node.name, address=address)
        yield
    finally:
        await runner.cleanup()
