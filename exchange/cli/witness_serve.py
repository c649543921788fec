"""Serve a witness on its folder until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from exchange.cli import state, witness_state, world
from exchange.cli.processes import run_fast
from exchange.cli.serve import call_at_eof
from exchange.errors import Code, Fault
from exchange.journal.witness import ring_of
from exchange.link.serving import make_app, make_runner
from exchange.node.witness import Witness
from exchange.store.witnessed import WitnessFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchange.cli.serve import How
    from exchange.cli.witness_state import WitnessState
    from exchange.journal.witness import Rings

_FINISH_S = 5.0

_log = structlog.get_logger("exchange.witness")


async def serve(here: WitnessState, how: How, say: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``say`` is called when logs are answered.

    Raises:
        Fault: what it remembers cannot be trusted, or its files cannot be read.
    """
    settings, secrets, logs = here.settings(), here.secrets(), here.logs()
    certificate, tls = here.certificate(), secrets.of("tls")[0].seed
    recall = WitnessFiles.open(here.memory)
    try:
        await _must_know(recall, logs, str(here.folder / witness_state.LOGS))
        signer = witness_state.signer(settings.name, secrets)
        runner = make_runner(make_app(Witness(logs, signer, recall, world.clock_ms)))
        await runner.setup()
        try:
            context = state.server_context(certificate, tls)
            host, port = how.address
            await web.TCPSite(runner, host, port, ssl_context=context).start()
            say()
            _log.info("ready", witness=settings.name, host=host, port=port, logs=sorted(logs))
            await _until_told(until_eof=how.until_eof)
        finally:
            await runner.cleanup()
    finally:
        await recall.close()


async def _must_know(recall: WitnessFiles, logs: Mapping[str, Rings], path: str) -> None:
    """Hold the list of logs to what was cosigned: without its keys, nothing convicts.

    Raises:
        Fault: ``file``: keys were taken out of the list that signed what is remembered.
    """
    for origin, rings in logs.items():
        kept = await recall.newest(origin)
        if kept is not None and ring_of(kept.note, rings) is None:
            raise Fault(Code.FILE, name=path, expected=origin)


async def _until_told(*, until_eof: bool) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    if until_eof:
        call_at_eof(loop, stop.set)
    await stop.wait()


def run(here: WitnessState, how: How, say: Callable[[], None]) -> None:
    """Run ``serve``.

    Raises:
        Fault: as ``serve``; or the address cannot be had.
    """
    try:
        run_fast(serve(here, how, say))
    except OSError as error:
        host, port = how.address
        raise Fault(
            Code.UNAVAILABLE, name=f"{host}:{port}", found=type(error).__name__
        ) from error
