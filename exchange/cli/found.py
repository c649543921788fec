"""Write a freshly founded exercise to disk: a node's folder, and a context per endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from exchange.cli import state, witness_state, world
from exchange.cli.home import Home, write_private
from exchange.client.files import make_private
from exchange.client.transport import Profile
from exchange.custody import container, founding, ring
from exchange.model.trust import ACCEPT_ALL, DEFAULT_UNWITNESSED_S, Clock, Feed, Witnesses
from exchange.seal.software import SecretKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from exchange.custody.founding import Founded, MemberPlan
    from exchange.model.identity import Nation
    from exchange.model.trust import Label

NODE = "pa"
# What can be tried in one sitting: silence means nothing, and is told of.
CLOCKS = [Clock(founding.REGIME, minutes=10, reminders=[50])]


class Site(NamedTuple):
    """Where a node of an exercise will answer callers, and the other node; whom it serves.

    ``link`` is HOST:PORT; empty where there is no other node.
    """

    name: str
    url: str
    link: str = ""
    serves: tuple[Nation, ...] = ("pa", "us")


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
    return write_sites(folder, [Site(NODE, url)], members, feeds, secret, witnesses)


def write_sites(  # noqa: PLR0913, PLR0917  (as above)
    folder: Path,
    sites: Sequence[Site],
    members: Sequence[MemberPlan],
    feeds: Sequence[Feed],
    secret: str,
    witnesses: Witnesses | None = None,
) -> Place:
    """Found an exercise with a node for both nations, or one for each; as ``write_at``.

    The first node is written to ``node``, another to ``node-NAME``. Where each has a link, each
    is the other's witness, and its own: unless ``witnesses`` says otherwise, all must cosign.
    """
    place, certificates = _write(folder, sites, members, feeds, secret, witnesses)
    founded = place.founded
    _write_custodians(folder / CUSTODIANS, founded, secret)
    home = Home(place.home)
    for name, secrets in founded.endpoints.items():
        site = next(each for each in sites if name.partition(".")[0] in each.serves)
        profile = Profile(name, site.name, site.url, certificates[site.name], founded.anchor)
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
    site = Site(NODE, f"https://127.0.0.1:{port}")
    return _write(folder, [site], members, feeds, secret)[0]


def _write(  # noqa: PLR0913, PLR0917  (as above)
    folder: Path,
    sites: Sequence[Site],
    members: Sequence[MemberPlan],
    feeds: Sequence[Feed],
    secret: str,
    witnesses: Witnesses | None = None,
) -> tuple[Place, dict[str, str]]:
    """Found an exercise, write its nodes' folders, and return the nodes' certificates too."""
    now = world.now()
    seeds = {site.name: world.randomness(32) for site in sites}
    made = {
        site.name: state.make_certificate(
            urlsplit(site.url).hostname or "", seeds[site.name], now
        )
        for site in sites
    }
    plans = [each for member in members for each in member.endpoints]
    suites = tuple(dict.fromkeys([founding.SUITE, *(each.suite for each in plans)]))
    founder = founding.Founder(world.randomness, now, suites)
    nodes = [
        founding.NodePlan(site.name, site.url, made[site.name][1], serves=site.serves)
        for site in sites
    ]
    own = _witness_keys(sites) if witnesses is None else {}
    agreed = _mutual(sites, own) if own else witnesses
    founded = founding.found(founder, members, nodes, feeds, agreed, CLOCKS)
    for site in sites:
        keys = {**founded.nodes[site.name].keys, "tls": [SecretKey("ES256", seeds[site.name])]}
        if site.name in own:
            keys[witness_state.PURPOSE] = [own[site.name]]
        secrets = msgspec.structs.replace(founded.nodes[site.name], keys=keys)
        sealed = container.seal(secrets, secret, world.randomness)
        at = node_folder(folder, site, sites)
        _write_node(at, founded, made[site.name][0], sealed, _settings(site, sites, founded))
        if site.name in own:
            witness_state.begin(at / state.WITNESS)
    place = Place(folder / "node", folder / "home", founded)
    return place, {name: certificate for name, (certificate, _) in made.items()}


def node_folder(folder: Path, site: Site, sites: Sequence[Site]) -> Path:
    """Return where a node's folder is written."""
    return folder / ("node" if site == sites[0] else f"node-{site.name}")


def _settings(site: Site, sites: Sequence[Site], founded: Founded) -> state.Settings:
    peers = {each.name: f"https://{each.link}" for each in sites if each != site and each.link}
    return state.Settings(site.name, founded.anchor, link=site.link, peers=peers)


def _witness_keys(sites: Sequence[Site]) -> dict[str, SecretKey]:
    """Return a witness's key for each of several linked nodes; none for one by itself."""
    if len(sites) < 2 or not all(site.link for site in sites):
        return {}
    return {site.name: witness_state.fresh() for site in sites}


def _mutual(sites: Sequence[Site], own: Mapping[str, SecretKey]) -> Witnesses:
    """Return the policy by which each node's witness must have cosigned: nobody's own word."""
    lines = [
        witness_state.beside(site.name, own[site.name], f"https://{site.link}")
        for site in sites
    ]
    names = " ".join(witness_state.name_beside(site.name) for site in sites)
    policy = [*lines, f"group both all {names}", "quorum both"]
    return Witnesses(policy, DEFAULT_UNWITNESSED_S, ACCEPT_ALL)


def context_of(endpoint: str) -> str:
    """Return an endpoint's context: ``pa.senan/ops`` lies under ``pa.senan-ops``."""
    return endpoint.replace("/", "-")


def _write_node(
    folder: Path, founded: Founded, certificate: str, keys: bytes, settings: state.Settings
) -> None:
    make_private(folder)
    (folder / state.TRUST).mkdir(mode=0o700)
    (folder / state.SETTINGS).write_bytes(msgspec.json.encode(settings) + b"\n")
    (folder / state.CERTIFICATE).write_text(certificate, encoding="ascii")
    write_private(folder / state.KEYS, keys)
    for number, document in enumerate(founded.documents):
        (folder / state.TRUST / f"{number:04}.trust").write_bytes(document)


def _write_custodians(folder: Path, founded: Founded, secret: str) -> None:
    make_private(folder)
    for name, secrets in founded.custodians.items():
        sealed = container.seal(secrets, secret, world.randomness)
        write_private(folder / f"{name}.xk", sealed)


def feed(name: str, title: Label, types: Sequence[str], members: Sequence[MemberPlan]) -> Feed:
    """Return a feed that all these members may post to and read."""
    names = sorted(plan.member for plan in members)
    return Feed(name, title, sorted(types), names, names)
