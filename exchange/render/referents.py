"""What the references inside a bulletin stand for, in words: nobody is known as ``p1``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exchange.render.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exchange.model.codes import Codes, Lang

_LONGEST = 60


def referents(content: Mapping[str, Any], lang: Lang, codes: Codes) -> dict[str, str]:
    """Return the name or description of everything that a network lists, by its reference.

    Args:
        content: of a bulletin, as JSON values; one that lists nothing has no references.
        lang: the reader's language.
        codes: the code lists.
    """

    def person(each: Mapping[str, Any]) -> str:
        names = [each[name] for name in ("given_names", "surname") if each.get(name)]
        other = [each["native_name"]] if each.get("native_name") else each.get("aliases", [])
        return " ".join(names) or next(iter(other), "")

    def owned(each: Mapping[str, Any]) -> str:
        name = (each.get("vessel") or {}).get("name")
        return str(name) if name else _text(each["description"], lang)

    def wallet(each: Mapping[str, Any]) -> str:
        return f"{codes.words('chains', each['chain'], lang)} {each['address']}"

    found: dict[str, str] = {}
    named: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "persons": person,
        "organizations": lambda each: str(each["name"]),
        "accounts": lambda each: str(each.get("iban") or each.get("account_number") or ""),
        "wallets": wallet,
        "properties": owned,
    }
    for name, describe in named.items():
        for each in content.get(name, []):
            found[each["ref"]] = visible(_short(describe(each)))
    return found


def _text(text: Mapping[str, Any], lang: Lang) -> str:
    for each in text.get("translations", []):
        if each["lang"] == lang != text["lang"]:
            return str(each["text"])
    return str(text["text"])


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"
