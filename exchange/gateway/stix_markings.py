"""The TLP of a STIX 2.1 bundle of anybody's, and which of its markings are not understood.

A marking that is not understood may forbid what the TLP allows: who imports it then says the
TLP. Sources: STIX 2.1, section 7.2 (data markings, granular markings); TLP 2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exchange.gateway.stix_parts import TLP, TLP_EXTENSION, extension_id

if TYPE_CHECKING:
    from collections.abc import Iterator

# From the widest to the narrowest; of several in a bundle, the narrowest holds.
BREADTH: Final = ("clear", "green", "amber", "amber+strict", "red")
# STIX 2.1, section 7.2.1.4: TLP 1, by the ids that the standard gave it.
_FIRST_TLP: Final = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
}
_TLP_OF: Final = {**{made: tlp for tlp, made in TLP.items()}, **_FIRST_TLP}


def narrowness(objects: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return each TLP that marks an object or a part of one, and what is not understood.

    Args:
        objects: of a bundle, as they were read; anything may stand in them.

    Returns:
        Codes of ``BREADTH``, and names (or ids) of markings that say no TLP, each once.
    """
    defined = {
        str(each.get("id")): each
        for each in objects
        if each.get("type") == "marking-definition"
    }
    found: list[str] = []
    strange: dict[str, None] = {}
    for ref in dict.fromkeys(ref for each in objects for ref in _refs(each)):
        definition = defined.get(ref, {})
        told = _told(definition)
        tlps = [tlp for tlp in (_TLP_OF.get(ref), *told) if tlp is not None]
        if not tlps or any(tlp not in BREADTH for tlp in tlps):
            strange[_name(definition) or ref] = None
        found += [tlp for tlp in tlps if tlp in BREADTH]
    return found, list(strange)


def is_marked(each: dict[str, Any], objects: list[dict[str, Any]]) -> bool:
    """Tell whether an object has a TLP as a whole: one of a part says nothing of the rest."""
    # Nor does what marks a definition say anything of what that marks.
    bare = [
        {**made, "object_marking_refs": [], "granular_markings": []}
        for made in objects
        if made.get("type") == "marking-definition"
    ]
    return bool(narrowness([{**each, "granular_markings": []}, *bare])[0])


def leads_nowhere(each: dict[str, Any], objects: list[dict[str, Any]]) -> bool:
    """Tell whether a marking of an object is not in its bundle: what it asks, nobody knows."""
    defined = {made.get("id") for made in objects if made.get("type") == "marking-definition"}
    return any(ref not in _TLP_OF and ref not in defined for ref in _refs(each))


def _refs(each: dict[str, Any]) -> Iterator[str]:
    """Yield the id of each marking of an object; of one that is no id, what stands there."""
    whole, parts = each.get("object_marking_refs"), each.get("granular_markings")
    yield from map(str, whole if isinstance(whole, list) else [] if whole is None else [whole])
    for part in parts if isinstance(parts, list) else [] if parts is None else [parts]:
        # One that says a language marks nothing.
        if not isinstance(part, dict):
            yield str(part)
        elif "marking_ref" in part or "lang" not in part:
            yield str(part.get("marking_ref"))


def _told(definition: dict[str, Any]) -> Iterator[str]:
    """Yield each TLP that a definition says: in TLP 1's place, in TLP 2.0's, or in ours."""
    places = (
        ("definition", "tlp"),
        ("extensions", TLP_EXTENSION, "tlp_2_0"),
        ("extensions", extension_id("marking"), "marking", "tlp"),
    )
    for place in places:
        here: Any = definition
        for step in place:
            here = here.get(step) if isinstance(here, dict) else None
        if here is not None:
            # TLP 1 called it white.
            code = str(here).lower()
            yield "clear" if code == "white" else code


def _name(definition: dict[str, Any]) -> str:
    inner = definition.get("definition")
    said = inner.get("statement") if isinstance(inner, dict) else None
    return str(said or definition.get("name") or "")
