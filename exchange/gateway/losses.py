"""What a bulletin loses in each format: told with each export, and held true by tests.

A pattern is a member's path under its type, lists passed through; ``*`` stands for anything.
Whatever no pattern names is carried: changing it changes the file.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from exchange.gateway.taking import Format
from exchange.model.bulletin import shape as shapes
from exchange.model.codes import Said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchange.model.bulletin import Bulletin
    from exchange.model.bulletin.shape import Shape


class Loss(NamedTuple):
    """Members that a format leaves out, and which they are in words."""

    patterns: tuple[str, ...]
    said: Said


_KEYS = Loss(
    ("*/attachments/key", "dcf/content/window_key"),
    Said(
        en="Keys: whoever has one opens what it locks.",
        es="Las claves: quien tiene una abre lo que cierra.",
    ),
)
_ATTACHED = Loss(
    ("*/attachments/*",),
    Said(
        en="What is told of attachments, and their keys.",
        es="Lo que se dice de los adjuntos, y sus claves.",
    ),
)
_TRANSLATORS = Loss(
    ("*/translations/by", "*/translations/how"),
    Said(
        en="Whose translation a text is, and how it was made.",
        es="De quién es la traducción de un texto, y cómo se hizo.",
    ),
)
_LISTED = Loss(
    (
        "brq/content/contacts/*",
        "brr/content/aboard/*",
        "szr/content/containers/*",
        "szr/content/drugs/*",
        "szr/content/cash/*",
        "szr/content/goods_seized/*",
        "szr/content/arrested/*",
        "szr/content/custody/*",
        "mig/content/flow/*",
        "mig/content/vulnerable/*",
        "mig/content/smuggling_signs/*",
        "opn/content/units/*",
    ),
    Said(
        en="What stands in lists beside a place: a map is no case file.",
        es="Lo que está en listas junto a un lugar: un mapa no es un expediente.",
    ),
)
_NETWORK = Loss(
    tuple(
        f"*/content/{name}/*"
        for name in ("persons", "organizations", "accounts", "wallets", "links", "transfers")
    ),
    Said(
        en="People, organizations, their money and how they relate: none belongs on a map.",
        es="Personas, organizaciones, su dinero y sus relaciones: nada de eso va en un mapa.",
    ),
)

LOSSES: dict[Format, tuple[Loss, ...]] = {
    "geojson": (_ATTACHED, _TRANSLATORS, _LISTED, _NETWORK),
    "csv": (_KEYS,),
    "stix": (_KEYS,),
    "misp": (_KEYS,),
    "cap": (Loss(("*/attachments/key",), _KEYS.said),),
}


def lost(bulletin: Bulletin, to: Format) -> list[Said]:
    """Return what of this very bulletin the format leaves out, in words."""
    paths = set(_paths(shapes.of(bulletin.type), msgspec.to_builtins(bulletin), bulletin.type))
    return [loss.said for loss in LOSSES[to] if any(is_lost(path, loss) for path in paths)]


def is_lost(path: str, loss: Loss) -> bool:
    """Tell whether a member, such as ``szr/content/drugs/drug``, is among the losses."""
    return any(fnmatchcase(path, pattern) for pattern in loss.patterns)


def _paths(form: Shape, value: object, path: str) -> Iterator[str]:
    """Yield the path of every single value that is given."""
    if value is None:
        return
    if isinstance(value, dict) and form.kind == "struct":
        for member in form.members:
            yield from _paths(member.shape, value.get(member.name), f"{path}/{member.name}")
    elif isinstance(value, list) and form.kind == "list":
        for one in value:
            yield from _paths(form.items[0], one, path)
    else:
        yield path
