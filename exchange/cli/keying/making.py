"""``keys new`` and ``keys rotate``: fresh keys, and the request that has them listed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from exchange.cli import fingerprint, output, world
from exchange.cli.home import KEYS, PLACES, write_private
from exchange.cli.main import Session, verb
from exchange.cli.times import zulu
from exchange.cli.usage import Unusable, in_the_way
from exchange.custody import container, ring, signers, uris
from exchange.custody.container import Life, Secrets
from exchange.errors import Code, Refusal
from exchange.model.identity import digest, uuid7
from exchange.model.objects import Enrolment
from exchange.seal.software import new_opening, new_signing
from exchange.seal.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchange.cli.home import Context
    from exchange.model.identity import Jwk, SuiteId
    from exchange.model.trust import Endpoint, EndpointKey
    from exchange.model.view import View
    from exchange.seal.jws import Signer
    from exchange.seal.software import SecretKey

# What a session is refused with when the keys in use are no longer, or not yet, listed.
_NOT_LISTED = {Code.UNKNOWN_KEY, Code.KEY_NOT_VALID, Code.BAD_SESSION}
_PLACES = click.option(
    "--place",
    "places",
    multiple=True,
    metavar="URI",
    help="Where a signing key lies, once for each algorithm of the suite, in order: "
    f"file:{KEYS} for a fresh one in the container, or pkcs11:... for one in a token.",
)


class Place(NamedTuple):
    """Who asks: the endpoint, its suite, and the node that it posts at."""

    endpoint: str
    suite: SuiteId
    node: str


class Fresh(NamedTuple):
    """New signing keys: those for the container, and all of them in the suite's order."""

    secrets: list[SecretKey]
    signer: Signer


def _fresh(suite: SuiteId, places: Sequence[str]) -> Fresh:
    """Make signing keys, but for those that a token has made."""
    secrets = new_signing(suite, world.randomness)
    if not places:
        return Fresh(secrets, signers.software(secrets))
    if len(places) != len(secrets):
        algorithms = ", ".join(key.alg for key in secrets)
        raise Unusable(
            f"{suite} pide un lugar por clave: {algorithms}.",
            f"{suite} takes one place for each key: {algorithms}.",
            "--place",
        )
    ours = []
    for key, uri in zip(secrets, places, strict=True):
        place = uris.parse(uri)
        if isinstance(place, uris.FilePlace):
            # The key goes into the container; looked for elsewhere, it would not be found.
            if place.path != KEYS:
                raise Unusable(
                    f"{uri}: una clave nueva va en file:{KEYS} o en un token.",
                    f"{uri}: a new key goes into file:{KEYS} or a token.",
                    "--place",
                )
            ours.append(key)
    made = Secrets("", {ring.SIGN: ours})
    sources = signers.Sources(lambda _: made, world.pin)
    return Fresh(ours, signers.gather(suite, places, ring.SIGN, sources))


def _with_signing(secrets: Secrets, purpose: str, fresh: Fresh, now: int) -> Secrets:
    life = Life(now, now + ring.SIGNING_DAYS * ring.DAY_S)
    held = {ring.public(key).kid for key in fresh.secrets}
    elsewhere = [jwk for jwk in fresh.signer.keys if jwk.kid not in held]
    return ring.with_keys(secrets, purpose, fresh.secrets, life, elsewhere)


def _with_opening(
    secrets: Secrets, purpose: str, suites: Iterable[SuiteId], now: int
) -> Secrets:
    life = Life(now, now + ring.OPENING_DAYS * ring.DAY_S)
    fresh = [new_opening(suite, world.randomness) for suite in suites]
    return ring.with_keys(secrets, purpose, fresh, life)


def new_secrets(holder: str, suite: SuiteId) -> Secrets:
    """Return fresh keys for an endpoint, all of them in software."""
    return _new_secrets(holder, _fresh(suite, ()), world.now())


def _new_secrets(holder: str, fresh: Fresh, now: int) -> Secrets:
    secrets = _with_signing(Secrets(holder, {}), ring.SIGN, fresh, now)
    # A sender seals by its own suite: who has a key of each can be sealed to by everybody.
    secrets = _with_opening(secrets, ring.OPEN, SUITES, now)
    return ring.with_storage(secrets, world.randomness)


def first(place: Place, secrets: Secrets, signer: Signer) -> Enrolment:
    """Return the request of an endpoint that nobody knows yet, for the keys it has."""
    keys = ring.asked(secrets, signer.keys, secrets.of(ring.OPEN))
    return _enrolment(place, keys, [], world.now())


def _enrolment(
    place: Place, keys: list[EndpointKey], replaces: list[str], now: int
) -> Enrolment:
    return Enrolment(
        v="xb1",
        suite=place.suite,
        id=uuid7(world.clock_ms(), world.randomness(10)),
        origin=place.endpoint.partition("/")[0],
        endpoint=place.endpoint,
        node=place.node,
        keys=keys,
        replaces=sorted(replaces),
        issued=now,
    )


@click.command()
@click.argument("holder")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--suite",
    type=click.Choice(list(SUITES)),
    default=next(iter(SUITES)),
    show_default=True,
    help="The algorithms that it signs and seals by.",
)
@click.option("--node", help="The node it will post at; needed for --request.")
@click.option(
    "--request",
    "wanted",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the request that has these keys listed, for the nation's custodians.",
)
@_PLACES
@verb
def new(  # noqa: PLR0913  (the options of the verb)
    session: Session,
    holder: str,
    file: Path,
    *,
    suite: SuiteId,
    node: str | None,
    wanted: Path | None,
    places: tuple[str, ...],
) -> None:
    """Make fresh keys for the endpoint HOLDER, sealed under a passphrase, into FILE."""
    if file.exists():
        in_the_way(file)
    if wanted is not None and node is None:
        raise Unusable("--request necesita --node.", "--request needs --node.")
    now, fresh = world.now(), _fresh(suite, places)
    secrets = _new_secrets(holder, fresh, now)
    passphrase = world.passphrase(holder, is_new=True)
    if places:
        # Before the container: stopped in between, the same command goes through again.
        kept = signers.Places(suite, list(places))
        write_private(file.parent / PLACES, msgspec.json.encode(kept) + b"\n")
    write_private(file, container.seal(secrets, passphrase, world.randomness))
    named = None
    if wanted is not None and node is not None:
        enrolment = first(Place(holder, suite, node), secrets, fresh.signer)
        named = _write(wanted, ring.request(enrolment, [fresh.signer]))
    if session.as_json:
        asked = {"request": str(wanted) if wanted else None, "digest": named}
        words = {"words": fingerprint.spoken(named)} if named else {}
        output.show_json({"holder": holder, "file": str(file), **asked, **words})
    session.say(f"Claves nuevas en {file}", f"New keys in {file}")
    if named:
        _tell_digest(session, named)


@click.command()
@click.option("--signing", is_flag=True, help="New signing keys (yearly).")
@click.option("--opening", is_flag=True, help="A new opening key (monthly; the default).")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the request; the context's folder unless told.",
)
@_PLACES
@verb
def rotate(
    session: Session,
    signing: bool,
    opening: bool,
    out: Path | None,
    places: tuple[str, ...],
) -> None:
    """Take the next step of a rotation: ask for new keys, or take listed ones into use.

    The first run makes the keys and writes a request, which the nation's custodians admit.
    The next run takes the keys into use, once they are listed; before, it writes the request
    again. Old bulletins stay readable; the old key stays valid for an overlap (7 days unless
    the custodians say otherwise).
    """
    if places and not signing:
        raise Unusable("--place necesita --signing.", "--place needs --signing.")
    asyncio.run(_rotate(session, signing, opening or not signing, out, places))


async def _rotate(
    session: Session, signing: bool, opening: bool, out: Path | None, places: tuple[str, ...]
) -> None:
    context = session.context()
    secrets, passphrase = context.unlocked()
    if places:
        _must_be_free(context, ring.aged(secrets, world.now()), places)
    view, node = await _view(context, secrets)
    standing, now = view.standing(secrets.holder), world.now()
    after = ring.taken_up(secrets, standing.keys, now)
    if after != secrets:
        context.keep(after, passphrase)
        _tell_in_use(session, after)
        return
    suite, secrets = standing.endpoint.suite, ring.aged(secrets, now)
    noted = None
    if signing and ring.SIGN_NEXT not in secrets.keys:
        fresh = _fresh(suite, places)
        noted = _next_places(context, secrets, places, fresh.signer)
        secrets = _with_signing(secrets, ring.SIGN_NEXT, fresh, now)
    if opening and ring.OPEN_NEXT not in secrets.keys:
        received = _received(view, standing.endpoint)
        secrets = _with_opening(secrets, ring.OPEN_NEXT, received, now)
    context.keep(secrets, passphrase, noted)
    path = out or context.folder / "enrolment.jws"
    place = Place(secrets.holder, suite, node)
    enrolment, named = _write_request(context, secrets, place, standing.keys, path)
    _tell_asked(session, enrolment, path, named)


def _received(view: View, endpoint: Endpoint) -> list[SuiteId]:
    """Return the suites to be sealed to by: its own, and others that it has keys of."""
    wraps = {key.jwk.alg for key in endpoint.keys if key.use == "enc"}
    wraps.add(SUITES[endpoint.suite].wrap)
    return [suite for suite in view.agreed().suites if SUITES[suite].wrap in wraps]


async def _view(context: Context, secrets: Secrets) -> tuple[View, str]:
    """Return the directory, in a session by the keys in use or else by those asked for."""
    try:
        return await _view_as(context, secrets, ring.SIGN)
    except Refusal as refusal:
        if refusal.code not in _NOT_LISTED or ring.SIGN_NEXT not in secrets.keys:
            raise
    return await _view_as(context, secrets, ring.SIGN_NEXT)


async def _view_as(context: Context, secrets: Secrets, purpose: str) -> tuple[View, str]:
    signer = context.signer(secrets, purpose)
    async with context.agency_as(secrets, signer) as agency:
        return await agency.view(), agency.profile.node


def _tell_in_use(session: Session, after: Secrets) -> None:
    in_use = [each.kid for each in ring.held(after) if each.state == "in-use"]
    if session.as_json:
        output.show_json({"endpoint": after.holder, "step": "in-use", "keys": in_use})
    session.say(
        "Las claves solicitadas ya figuran en el directorio y están en uso. Lo sellado para la"
        " anterior se sigue abriendo; «exchange keys backup» guarda las nuevas.",
        "The keys that were asked for are listed, and in use now. What was sealed to the one"
        " before still opens; `exchange keys backup` keeps the new ones safe.",
    )


def _must_be_free(context: Context, secrets: Secrets, places: tuple[str, ...]) -> None:
    """Refuse other places than those of signing keys that were asked for already."""
    waiting = secrets.keys.get(ring.SIGN_NEXT, [])
    noted = context.places(secrets)
    asked = noted.next if noted else [f"file:{KEYS}"] * len(waiting)
    if waiting and asked != list(places):
        raise Refusal(Code.ROTATION_UNDER_WAY, "", name=secrets.holder)


def _next_places(
    context: Context, secrets: Secrets, places: tuple[str, ...], signer: Signer
) -> signers.Places | None:
    """Return where the keys lie that are asked for; None where all lie in the container."""
    before = context.places(secrets)
    if not before and not places:
        return None
    here, asked = _all_here(signer.suite), [jwk.kid for jwk in signer.keys]
    sign = before.sign if before else here
    return signers.Places(signer.suite, sign, list(places) or here, asked)


def _all_here(suite: SuiteId) -> list[str]:
    return [f"file:{KEYS}" for _ in SUITES[suite].signatures]


def _write_request(
    context: Context,
    secrets: Secrets,
    place: Place,
    listed: dict[str, EndpointKey],
    path: Path,
) -> tuple[Enrolment, str]:
    by = [context.signer(secrets)]
    signing: Sequence[Jwk] = []
    if ring.SIGN_NEXT in secrets.keys:
        by.append(context.signer(secrets, ring.SIGN_NEXT))
        signing = by[1].keys
    asked = ring.asked(secrets, signing, secrets.keys.get(ring.OPEN_NEXT, []))
    algs, kids = {key.jwk.alg for key in asked}, {key.jwk.kid for key in asked}
    replaces = [kid for kid, key in listed.items() if key.jwk.alg in algs and kid not in kids]
    enrolment = _enrolment(place, asked, replaces, world.now())
    return enrolment, _write(path, ring.request(enrolment, by))


def _write(path: Path, request: bytes) -> str:
    """Write a request; return its digest, by which people tell that it is the same file."""
    write_private(path, request + b"\n")
    return digest(request)


def _tell_digest(session: Session, named: str) -> None:
    fingerprint.show(
        session,
        "Huella de la solicitud, para cotejarla de viva voz con los custodios:",
        "Fingerprint of the request, to be compared with the custodians by voice:",
        named,
    )


def _tell_asked(session: Session, enrolment: Enrolment, path: Path, named: str) -> None:
    if session.as_json:
        asked = [
            {"use": key.use, "alg": key.jwk.alg, "kid": key.jwk.kid, "until": zulu(key.until)}
            for key in enrolment.keys
        ]
        told = {"endpoint": enrolment.endpoint, "step": "asked", "request": str(path)}
        more = {"digest": named, "keys": asked, "replaces": enrolment.replaces}
        output.show_json({**told, **more, "words": fingerprint.spoken(named)})
    session.say(
        f"Solicitud de {len(enrolment.keys)} claves en {path}. Entréguela a los custodios de su"
        " nación («exchange keys admit»); cuando figure, repita «exchange keys rotate».",
        f"Request for {len(enrolment.keys)} keys in {path}. Give it to your nation's custodians"
        " (`exchange keys admit`); once it is listed, run `exchange keys rotate` again.",
    )
    _tell_digest(session, named)
