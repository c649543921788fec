"""An agency of the crash suite's exercise, as its users have it: drafts, outbox, inbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from exchange import resources
from exchange.cli import found, world
from exchange.client.agency import Agency
from exchange.client.cabinet import Cabinet
from exchange.client.transport import Profile
from exchange.client.world import Keys, World
from exchange.errors import Code, Fault
from exchange.model.draft import Draft, read_draft
from exchange.model.objects import Receipt
from exchange.seal.open import SoftwareOpener
from tests.crash.exercise import Exercise

if TYPE_CHECKING:
    from exchange.client.attaching import Tell

POSTER, READER = "pa.exercise/alfa", "us.exercise/echo"


def agency(exercise: Exercise, endpoint: str, port: int, folder: Path) -> Agency:
    secrets = exercise.founded.endpoints[endpoint]
    keys = Keys(
        exercise.signers[endpoint], [SoftwareOpener(each) for each in secrets.of("open")]
    )
    profile = Profile(
        endpoint,
        found.NODE,
        f"https://127.0.0.1:{port}",
        exercise.certificate,
        exercise.view.anchor,
    )
    mail = Cabinet(folder, [bytes(32)], world.randomness)
    here = World(world.clock_ms, world.randomness, world.codes(), mail)
    return Agency(profile, keys, here)


def draft() -> Draft:
    read = read_draft(resources.read("v1/examples/voi-1.es.toml"), toml=True)
    return msgspec.structs.replace(
        read, post=msgspec.structs.replace(read.post, feed="maritime", to=[READER])
    )


def _untold(_done: int, _whole: int) -> None:
    """Tell nobody."""


async def post_over(agency: Agency, path: Path, tell: Tell = _untold) -> Receipt:
    """Post a file as its author would over a link that breaks: whatever waits is resumed."""
    while True:
        try:
            prepared = await agency.prepare(draft(), attach=[path])
            return await agency.post(prepared, tell=tell)
        except Fault as fault:
            must_pass(fault)
        while agency.world.outbox.waiting():
            try:
                for receipt in await agency.resume(tell):
                    return receipt
            except Fault as fault:
                must_pass(fault)


def must_pass(fault: Fault) -> None:
    """A link that breaks, a node that is gone: nothing else may go wrong."""
    if fault.code not in (Code.NODE_UNREACHABLE, Code.OUTCOME_UNKNOWN, Code.UNAVAILABLE):
        raise fault
