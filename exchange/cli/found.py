"""Write a freshly founded exercise to disk: a node's folder, and a context per endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from exchange.cli import state, world
from exchange.cli.home import Home, write_private
from exchange.client.transport import Profile
from exchange.custody import container, founding, ring
from exchange.model.trust import Feed, Witnesses
from exchange.seal.software import SecretKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exchange.custody.founding import Founded, MemberPlan
    from exchange.model.trust import Label

NODE = "pa"
# Beside the node's folder and the contexts: right for an exercise, and for nothing else.
CUSTODIANS = "custodians"


class Place(NamedTuple):
    """Where an exercise was written."""

    node: Path
    home: Path
    founded: Founded


def write(  # noqa: PLR0913, PLR0917  (as below)
    folder: Path,
    port: int,
    members: Sequence[MemberPlan],
    feeds: Sequence[Feed],
    secret: str,
    witnesses: Witnesses | None = None,
) -> Place:
    """Found an exercise whose node will answer at a port of loopback; see ``write_at``."""
    return write_at(folder, f"https://127.0.0.1:{port}", members, feeds, secret, witnesses)


def write_at(  # noqa: PLR0913, PLR0917  (all that an exercise is founded on)
    folder: Path,
    url: str,
    members: Sequence[MemberPlan],
    feeds: Sequence[Feed],
    secret: str,
    witnesses: Witnesses | None = None,
) -> Place:
    """Found an exercise and write it: everything is there to start the node and post.

    Args:
        folder: without ``node`` and ``home`` in it.
        url: where the node will answer its callers.
        members: the agencies.
        feeds: what may flow.
        secret: the passphrase of every key container.
        witnesses: who must cosign the node's checkpoints; None: nobody.
    """
    place, certificate = _write(folder, url, members, feeds, secret, witnesses)
    founded = place.founded
    _write_custodians(folder / CUSTODIANS, founded, secret)
    home = Home(place.home)
    for name, secrets in founded.endpoints.items():
        profile = Profile(name, NODE, url, certificate, founded.anchor)
        whole = ring.with_storage(secrets, world.randomness)
        sealed = container.seal(whole, secret, world.randomness)
        home.add(context_of(name), profile, sealed)
    return place


def write_node(
    folder: Path, port: int, members: Sequence[MemberPlan], feeds: Sequence[Feed], secret: str
) -> Place:
    """Write the node's folder alone: the keys of the endpoints stay in memory.

    Each container takes a moment to seal: with a hundred endpoints that is a minute.
    """
    return _write(folder, f"https://127.0.0.1:{port}", members, feeds, secret)[0]


def _write(  # noqa: PLR0913, PLR0917  (as above)
    folder: Path,
    url: str,
    members: Sequence[MemberPlan],
    feeds: Sequence[Feed],
    secret: str,
    witnesses: Witnesses | None = None,
) -> tuple[Place, str]:
    """Found an exercise, write its node's folder, and return the node's certificate too."""
    now, seed = world.now(), world.randomness(32)
    certificate, tls = state.make_certificate(urlsplit(url).hostname or "", seed, now)
    plans = [each for member in members for each in member.endpoints]
    suites = tuple(dict.fromkeys([founding.SUITE, *(each.suite for each in plans)]))
    founder = founding.Founder(world.randomness, now, suites)
    node_plan = founding.NodePlan(NODE, url, tls)
    founded = founding.found(founder, members, [node_plan], feeds, witnesses)
    node = _write_node(folder / "node", founded, certificate, seed, secret)
    return Place(node, folder / "home", founded), certificate


def context_of(endpoint: str) -> str:
    """Return an endpoint's context: ``pa.senan/ops`` lies under ``pa.senan-ops``."""
    return endpoint.replace("/", "-")


def _write_node(
    folder: Path, founded: Founded, certificate: str, seed: bytes, secret: str
) -> Path:
    (folder / state.TRUST).mkdir(parents=True)
    settings = state.Settings(NODE, founded.anchor)
    (folder / state.SETTINGS).write_bytes(msgspec.json.encode(settings) + b"\n")
    (folder / state.CERTIFICATE).write_text(certificate, encoding="ascii")
    keys = {**founded.node.keys, "tls": [SecretKey("ES256", seed)]}
    secrets = msgspec.structs.replace(founded.node, keys=keys)
    write_private(folder / state.KEYS, container.seal(secrets, secret, world.randomness))
    for number, document in enumerate(founded.documents):
        (folder / state.TRUST / f"{number:04}.trust").write_bytes(document)
    return folder


def _write_custodians(folder: Path, founded: Founded, secret: str) -> None:
    folder.mkdir()
    for name, secrets in founded.custodians.items():
        sealed = container.seal(secrets, secret, world.randomness)
        write_private(folder / f"{name}.xk", sealed)


def feed(name: str, title: Label, types: Sequence[str], members: Sequence[MemberPlan]) -> Feed:
    """Return a feed that all these members may post to and read."""
    names = sorted(plan.member for plan in members)
    return Feed(name, title, sorted(types), names, names)
