"""What changes from one state of the trust documents to another, in words.

Everything that differs is told, whatever it is called: documents are compared as trees, and the
table below only says how a member is called in each language. So nothing that is agreed later
can change unsaid because nobody thought of it here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from exchange.model.identity import ALPHA3
from exchange.render.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exchange.model.codes import Lang
    from exchange.model.identity import Nation
    from exchange.model.view import Custodians, View

    Tree = Mapping[str, "Tree"] | list[str] | str
    Circles = Mapping[str, Mapping[Nation, Custodians]]

# What makes a document another version of itself, and is told of its file.
_APART = frozenset({"v", "kind", "version", "issued"})
# By which member the items of a list are told apart.
_NAMES = ("id", "name", "member", "node", "jwk", "regime")
_DATES = frozenset({"since", "until"})
_PATH = " > "
_DAY_S = 86_400

_WORDS: dict[str, tuple[str, str]] = {
    "alg": ("algoritmo", "algorithm"),
    "arrangement": ("arreglo", "arrangement"),
    "asked": ("a quién se pide", "who is asked"),
    "clocks": ("plazos para responder a un abordaje", "time to answer a boarding request"),
    "custodians": ("custodios", "custodians"),
    "end": ("hasta antes del asiento", "to before entry"),
    "endpoints": ("puntos de enlace", "endpoints"),
    "exercise": ("es un ejercicio", "is an exercise"),
    "expires": ("válido hasta", "good until"),
    "feeds": ("canales", "feeds"),
    "first": ("desde el asiento", "from entry"),
    "flash": ("flash", "flash"),
    "four_eyes": ("sale solo si otra persona lo autoriza", "goes out only when released"),
    "immediate": ("inmediata", "immediate"),
    "keys": ("claves", "keys"),
    "late_s": ("se considera tardío tras", "counts as late after"),
    "lifetime_s": ("vida más larga de un boletín", "longest life of a bulletin"),
    "limits": ("límites", "limits"),
    "log": ("claves del diario", "log keys"),
    "losses": ("asientos perdidos", "lost entries"),
    "members": ("agencias", "members"),
    "minutes": ("minutos", "minutes"),
    "name": ("nombre", "name"),
    "nation": ("nación", "nation"),
    "nodes": ("nodos", "nodes"),
    "officers": ("lo que nombra a un oficial", "what names an officer"),
    "online": ("claves de los nodos para sellar la hora", "nodes' keys to timestamp by"),
    "post": ("publican", "may post"),
    "priority": ("prioritaria", "priority"),
    "quorum": ("testigos requeridos", "witnesses required"),
    "read": ("leen", "may read"),
    "receipts": ("claves de los recibos", "receipt keys"),
    "regime": ("régimen", "regime"),
    "regimes": ("regímenes de consentimiento", "consent regimes"),
    "reminders": ("recordatorios (% del plazo)", "reminders (% of the time)"),
    "roles": ("funciones", "roles"),
    "routine": ("rutina", "routine"),
    "schemas": ("esquemas", "schemas"),
    "serves": ("sirve a", "serves"),
    "signatories": ("firmantes", "signatories"),
    "silence": ("el silencio significa", "silence means"),
    "since": ("desde", "from"),
    "size": ("huellas conocidas hasta antes del asiento", "hashes known to before entry"),
    "skew_s": ("diferencia de relojes tolerada", "tolerated difference of clocks"),
    "status": ("estado", "status"),
    "subscriptions": ("suscripciones", "subscriptions"),
    "suite": ("conjunto de algoritmos", "suite"),
    "suites": ("conjuntos de algoritmos", "suites"),
    "targets": ("plazos de acuse", "targets to acknowledge"),
    "threshold": ("firmas necesarias", "signatures needed"),
    "title": ("título", "title"),
    "tls": ("certificado (huella)", "certificate (digest)"),
    "trust": ("último asiento de confianza antes", "newest trust entry before"),
    "types": ("tipos", "types"),
    "until": ("hasta", "until"),
    "url": ("dirección", "address"),
    "use": ("uso", "use"),
    "why": ("por qué", "why"),
    "active": ("activo", "active"),
    "suspended": ("suspendido", "suspended"),
    "sig": ("firma", "signs"),
    "enc": ("abre", "opens"),
    "none": ("ninguno", "none"),
    "express": ("nada: el consentimiento es expreso", "nothing: consent is express"),
    "advance-standing": ("nada: el consentimiento es previo", "nothing: it stands already"),
    "deemed-consent": ("consentimiento", "consent"),
    "deemed-refusal": ("negativa", "refusal"),
    "true": ("sí", "yes"),
    "false": ("no", "no"),
    "pa": ("Panamá", "Panama"),
    "us": ("Estados Unidos", "United States"),
    "root": ("raíz", "root"),
}
_SAID = {
    "es": ("nuevo", "se quita", "antes {before}, ahora {after}", "se añade {items}",
           "se quita {items}", "cambia el orden", "versión", "firma",
           "LAS CLAVES DE ANTES VUELVEN A VALER HASTA SU FIN, las tenga quien las tenga:"),
    "en": ("new", "removed", "was {before}, now {after}", "{items} added",
           "{items} removed", "order changes", "version", "signs",
           "THE KEYS FROM BEFORE ARE GOOD AGAIN UNTIL THEIR END, whoever holds them:"),
}  # fmt: skip


def changes(before: View, after: View, lang: Lang) -> list[str]:
    """Return a line for each thing that differs, in the order of the documents.

    Args:
        before: the trust documents in force.
        after: as they would be.
        lang: the reader's.
    """
    lines = [_file(role, before, after, lang) for role in after.files]
    told = [line for line in lines if line]
    old, new = _tree_of(before), _tree_of(after)
    old["custodians"], new["custodians"] = _custodians(before, after, lang)
    return [*told, *_differences(old, new, (), lang), *_good_again(before, after, lang)]


def _good_again(before: View, after: View, lang: Lang) -> Iterator[str]:
    """Yield, of each endpoint that is let in again, the keys it keeps: it is no difference.

    Also those that end at once, with their end: nobody can keep one off the page by its date.
    """
    for name, now in after.endpoints.items():
        was = before.endpoints.get(name)
        if was is None or was.is_active or not now.is_active:
            continue
        kept = [
            f"{kid} ({_word(key.use, lang)}, {_word('until', lang)} {_date(key.until)})"
            for kid, key in now.keys.items()
            if kid in was.keys
        ]
        if kept:
            yield f"{visible(name)}: {_SAID[lang][8]} {', '.join(kept)}"


def _file(role: str, before: View, after: View, lang: Lang) -> str:
    old, new = before.files.get(role), after.files.get(role)
    if new is None or (old is not None and old.version == new.version):
        return ""
    was = f"{old.version} → " if old else ""
    until = _word("expires", lang)
    name = role if role == "targets" else _word(role, lang)
    # The file's own name beside it: it is what TUF calls the role.
    named = name if name == role else f"{name} ({role})"
    return f"{named}: {_SAID[lang][6]} {was}{new.version}, {until} {_date(new.expires)}"


def _tree_of(view: View) -> dict[str, Tree]:
    """Return everything that people agreed on in a view, by name, but who signs."""
    found: dict[str, Tree] = {
        "custodians": {},
        "online": {name: [key.kid for key in each.keys] for name, each in view.online.items()},
        "nodes": {name: _tree(each) for name, each in view.nodes.items()},
        "members": {name: _tree(each) for name, each in view.endpoints.documents.items()},
        "subscriptions": {name: list(each.feeds) for name, each in view.subscriptions.items()},
    }
    if view.arrangement is not None:
        found["arrangement"] = _tree(view.arrangement)
    return found


def _custodians(before: View, after: View, lang: Lang) -> tuple[Tree, Tree]:
    """Return who signs, before and after, by nation: once for all files where that is the same.

    Where some of a nation's files get other people than the rest, each group of files is told
    by their names. A file that was not there before is compared with who signs the root: it is
    news only if it gets others.
    """
    old: dict[str, Tree] = {}
    new: dict[str, Tree] = {}
    for nation in ALPHA3:
        pairs = _pairs(before.custodians, after.custodians, nation)
        for was, now in pairs.values():
            alike = [role for role, pair in pairs.items() if pair == (was, now)]
            name = _signs(nation, alike if len(alike) < len(pairs) else [], lang)
            old |= {name: _circle(was)} if was else {}
            new |= {name: _circle(now)} if now else {}
    return old, new


def _pairs(
    before: Circles, after: Circles, nation: Nation
) -> dict[str, tuple[Custodians | None, Custodians | None]]:
    """Return a nation's people before and after, of each role that it signs."""
    found = {}
    for role in {**before, **after}:
        now = after.get(role, {}).get(nation)
        was = before.get(role, before.get("root", {}) if now else {}).get(nation)
        if was or now:
            found[role] = was, now
    return found


def _signs(nation: Nation, roles: Sequence[str], lang: Lang) -> str:
    """Return how a nation's people are called who sign these files; none: all of them."""
    name = _word(nation, lang)
    return f"{name} ({_SAID[lang][7]} {', '.join(roles)})" if roles else name


def _circle(circle: Custodians) -> Tree:
    people = {each.name: [key.kid for key in each.keys] for each in circle.signatories}
    return {"threshold": str(circle.threshold), **people}


def _tree(document: msgspec.Struct) -> Tree:
    kept = {
        name: getattr(document, name)
        for name in document.__struct_fields__
        if name not in _APART
    }
    return {name: _of(name, value) for name, value in kept.items()}


def _of(name: str, value: Any) -> Tree:
    """Return a value as a tree; lists of things become things by name."""
    if isinstance(value, msgspec.Struct):
        if hasattr(value, "kid"):
            return str(value.kid)
        fields = value.__struct_fields__
        return {each: _of(each, getattr(value, each)) for each in fields}
    if isinstance(value, dict):
        return {each: _of(each, inner) for each, inner in value.items()}
    if isinstance(value, list):
        return _of_list(value)
    return "-" if value is None else _scalar(name, value)


def _scalar(name: str, value: Any) -> str:
    if name in _DATES:
        return _date(value)
    if name.endswith("_s") and isinstance(value, int):
        days, rest = divmod(value, _DAY_S)
        return f"{value} s" if rest else f"{value} s ({days} d)"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_list(value: list[Any]) -> Tree:
    if not value or not isinstance(value[0], msgspec.Struct):
        return [str(each) for each in value]
    if hasattr(value[0], "kid"):
        return [each.kid for each in value]
    found: dict[str, Tree] = {}
    for each in value:
        name = _name_of(each)
        # A second one of a name must not hide behind the first.
        found[name if name not in found else f"{name} #{len(found) + 1}"] = _of(name, each)
    return found


def _name_of(item: msgspec.Struct) -> str:
    name = next(getattr(item, each) for each in _NAMES if hasattr(item, each))
    return str(getattr(name, "kid", name))


def _differences(
    old: Tree | None, new: Tree | None, path: tuple[str, ...], lang: Lang
) -> Iterator[str]:
    """Yield a line for each place at which two trees differ."""
    if old == new:
        return
    fresh, gone, changed = _SAID[lang][:3]
    where = _PATH.join(_word(each, lang) for each in path)
    if isinstance(old, dict) or isinstance(new, dict):
        before, after = _members(old), _members(new)
        if new is None:
            yield f"{where}: {gone}"
            return
        if old is None and path:
            yield f"{where}: {fresh}"
        for name in [*after, *(each for each in before if each not in after)]:
            # A thing that is told by its name need not say it again.
            if old is None and path and after[name] == path[-1]:
                continue
            yield from _differences(before.get(name), after.get(name), (*path, name), lang)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _of_lists(old, new, where, lang)
    elif new is None:
        yield f"{where}: {gone}"
    elif old is None:
        yield f"{where}: {_value(new, lang)}"
    else:
        told = changed.format(before=_value(old, lang), after=_value(new, lang))
        yield f"{where}: {told}"


def _members(found: Tree | None) -> Mapping[str, Tree]:
    return found if isinstance(found, dict) else {}


def _of_lists(old: list[str], new: list[str], where: str, lang: Lang) -> Iterator[str]:
    added, removed, order = _SAID[lang][3:6]
    more = [each for each in new if each not in old]
    less = [each for each in old if each not in new]
    if less:
        yield f"{where}: {removed.format(items=_values(less, lang))}"
    if more:
        yield f"{where}: {added.format(items=_values(more, lang))}"
    if not more and not less:
        yield f"{where}: {order}: {_values(new, lang)}"


def _values(items: list[str], lang: Lang) -> str:
    return ", ".join(_value(each, lang) for each in items)


def _value(found: Tree, lang: Lang) -> str:
    if isinstance(found, list):
        return _values(found, lang) or "-"
    return _word(str(found), lang)


def _word(name: str, lang: Lang) -> str:
    words = _WORDS.get(name)
    return visible(name) if words is None else words[0 if lang == "es" else 1]


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
