"""What changed between two views of the trust documents: one row a change, and its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.cli.times import zulu

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exchange.model.codes import Lang
    from exchange.model.trust import Endpoint, EndpointKey
    from exchange.model.view import Standing, View


class Change(NamedTuple):
    """One change: of what kind, of whom, and from what to what, where it says so."""

    kind: str
    name: str
    before: str = ""
    after: str = ""


WORDS = {
    "renewed": {
        "es": "{name}: versión {before} pasa a {after}",
        "en": "{name}: version {before} becomes {after}",
    },
    "custodian-added": {
        "es": "{name}: nuevo custodio {after}",
        "en": "{name}: custodian {after} is new",
    },
    "custodian-gone": {
        "es": "{name}: el custodio {before} ya no está",
        "en": "{name}: custodian {before} is gone",
    },
    "threshold": {
        "es": "{name}: hacen falta {after} custodios, antes {before}",
        "en": "{name}: it takes {after} custodians, before {before}",
    },
    "arrangement": {
        "es": "arreglo, {name}: antes {before}, ahora {after}",
        "en": "arrangement, {name}: before {before}, now {after}",
    },
    "feed-added": {"es": "canal nuevo: {name}", "en": "new feed: {name}"},
    "feed-gone": {"es": "canal suprimido: {name}", "en": "feed taken away: {name}"},
    "feed": {"es": "canal {name}: antes {before}, ahora {after}",
             "en": "feed {name}: before {before}, now {after}"},
    "node-added": {"es": "nodo nuevo: {name}", "en": "new node: {name}"},
    "node": {"es": "nodo {name}: cambió {after}", "en": "node {name}: {after} changed"},
    "endpoint-added": {"es": "punto de enlace nuevo: {name}", "en": "new endpoint: {name}"},
    "endpoint-gone": {
        "es": "punto de enlace suprimido: {name}",
        "en": "endpoint taken away: {name}",
    },
    "status": {"es": "{name}: antes {before}, ahora {after}",
               "en": "{name}: before {before}, now {after}"},
    "roles": {"es": "{name}: roles, antes {before}, ahora {after}",
              "en": "{name}: roles, before {before}, now {after}"},
    "key-added": {"es": "{name}: clave nueva {after}", "en": "{name}: new key {after}"},
    "key-gone": {
        "es": "{name}: la clave {before} ya no figura",
        "en": "{name}: key {before} is listed no more",
    },
    "key-dates": {
        "es": "{name}: la clave vence {after}, antes {before}",
        "en": "{name}: a key ends {after}, before {before}",
    },
    "subscription": {
        "es": "{name}: suscrito a {after}, antes {before}",
        "en": "{name}: subscribes to {after}, before {before}",
    },
}  # fmt: skip


def line(change: Change, lang: Lang) -> str:
    """Return a change as a sentence."""
    nothing = {"es": "nada", "en": "nothing"}[lang]
    told = {"before": change.before or nothing, "after": change.after or nothing}
    return WORDS[change.kind][lang].format(name=change.name, **told)


def changes(before: View, after: View) -> Iterator[Change]:
    """Yield what one view says and the other does not, in the order of who signs it."""
    for name, file in after.files.items():
        old = before.version_of(name)
        if file.version != old:
            yield Change("renewed", name, str(old), str(file.version))
    yield from _custodians(before, after)
    yield from _arrangement(before, after)
    yield from _nodes(before, after)
    for name in sorted({*before.endpoints, *after.endpoints}):
        yield from _endpoint(name, before.endpoints.get(name), after.endpoints.get(name))
    for name, chosen in after.subscriptions.items():
        old_feeds = before.subscriptions[name].feeds if name in before.subscriptions else []
        if chosen.feeds != old_feeds:
            told = ", ".join(old_feeds), ", ".join(chosen.feeds)
            yield Change("subscription", name, *told)


def _custodians(before: View, after: View) -> Iterator[Change]:
    for role, circles in after.custodians.items():
        for nation, circle in circles.items():
            name = role if role == nation else f"{role}/{nation}"
            old = before.custodians.get(role, {}).get(nation)
            then = {each.name: each.keys for each in (old.signatories if old else ())}
            now = {each.name: each.keys for each in circle.signatories}
            for who, keys in now.items():
                if keys != then.get(who):
                    yield Change("custodian-added", name, after=who)
            for who, keys in then.items():
                if keys != now.get(who):
                    yield Change("custodian-gone", name, before=who)
            if old is not None and old.threshold != circle.threshold:
                told = str(old.threshold), str(circle.threshold)
                yield Change("threshold", name, *told)


def _arrangement(before: View, after: View) -> Iterator[Change]:
    old, new = before.arrangement, after.arrangement
    if new is None or old == new:
        return
    told = msgspec.to_builtins(old) if old else {}
    for name, value in msgspec.to_builtins(new).items():
        if name not in {"kind", "v", "version", "issued", "feeds"} and told.get(name) != value:
            yield Change("arrangement", name, _text(told.get(name)), _text(value))
    then = {feed.name: feed for feed in (old.feeds if old else ())}
    now = {feed.name: feed for feed in new.feeds}
    for name in now.keys() - then.keys():
        yield Change("feed-added", name)
    for name in then.keys() - now.keys():
        yield Change("feed-gone", name)
    for name in sorted(now.keys() & then.keys()):
        for member in ("types", "post", "read"):
            was, is_now = getattr(then[name], member), getattr(now[name], member)
            if was != is_now:
                yield Change("feed", f"{name}, {member}", ", ".join(was), ", ".join(is_now))


def _nodes(before: View, after: View) -> Iterator[Change]:
    for name, node in after.nodes.items():
        old = before.nodes.get(name)
        if old is None:
            yield Change("node-added", name)
            continue
        for member in ("serves", "url", "tls", "receipts", "log"):
            if getattr(old, member) != getattr(node, member):
                yield Change("node", name, after=member)


def _endpoint(name: str, before: Standing | None, after: Standing | None) -> Iterator[Change]:
    if after is None:
        yield Change("endpoint-gone", name)
        return
    if before is None:
        yield Change("endpoint-added", name)
    old, new = (before.endpoint if before else None), after.endpoint
    if old is not None and old.status != new.status:
        yield Change("status", name, old.status, new.status)
    if old is not None and old.roles != new.roles:
        yield Change("roles", name, ", ".join(old.roles), ", ".join(new.roles))
    yield from _keys(name, _by_kid(old), _by_kid(new))


def _by_kid(endpoint: Endpoint | None) -> dict[str, EndpointKey]:
    return {key.jwk.kid: key for key in (endpoint.keys if endpoint else ())}


def _keys(
    name: str, before: Mapping[str, EndpointKey], after: Mapping[str, EndpointKey]
) -> Iterator[Change]:
    for kid, key in after.items():
        if kid not in before:
            yield Change("key-added", name, after=f"{key.jwk.alg} {kid}")
        elif key.until != before[kid].until:
            yield Change("key-dates", name, zulu(before[kid].until), zulu(key.until))
    for kid in before.keys() - after.keys():
        yield Change("key-gone", name, before=f"{before[kid].jwk.alg} {kid}")


def _text(value: object) -> str:
    return "" if value is None else msgspec.json.encode(value).decode()
