"""How a bulletin is to be sent: what the form asks for it, by what the arrangement allows.

What is offered is what is agreed: feeds that carry the type and that we may post to, nations
and endpoints that are in the directory. What stands there at first is narrow: our own nation
alone, amber and strict, controlled by its originator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from exchange.desk import composing
from exchange.desk.forms import Field, Option
from exchange.model import header as headers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.model.codes import Codes, Lang
    from exchange.model.view import View

    Written = Mapping[str, Sequence[str]]

AT: Final = "/post"
_ROUTINE_WAITS: Final = "72h"
_KEPT: Final = "365d"


def defaults(code: str, view: View, endpoint: str) -> dict[str, list[str]]:
    """Return what stands in the posting of a fresh draft.

    Args:
        code: the type.
        view: the trust documents, as far as they are known.
        endpoint: who posts.

    Raises:
        Refusal: the endpoint is unknown or suspended; or there is no arrangement.
    """
    nation = view.standing(endpoint).alpha3
    feeds = _feeds(code, view, endpoint)
    values = {
        "feed": feeds[0][0] if feeds else None,
        "precedence": "routine",
        "status": "exercise" if view.agreed().exercise else "actual",
        "marking": {
            "tlp": "amber+strict",
            "releasable_to": [nation],
            "originator_control": True,
        },
        "expires": _ROUTINE_WAITS,
        "retain": _KEPT,
    }
    return composing.texts_of(values, AT)


def _feeds(code: str, view: View, endpoint: str) -> list[tuple[str, Any]]:
    member = view.standing(endpoint).member.member
    return [
        (feed.name, feed.title)
        for feed in view.agreed().feeds
        if code in feed.types and member in feed.post
    ]


def form(  # noqa: PLR0913, PLR0917  (what is offered, and to whom)
    code: str, written: Written, view: View, endpoint: str, lang: Lang, codes: Codes
) -> Field:
    """Return what is asked for the posting, as it was filled in.

    Raises:
        Refusal: as ``defaults``.
    """
    asker = _Asker(lang, codes)
    nations = sorted({each.alpha3 for each in view.endpoints.values() if each.is_active})
    others = [
        (name, each) for name, each in sorted(view.endpoints.items())
        if each.is_active and name != endpoint
    ]  # fmt: skip
    feeds = [Option(name, title[lang]) for name, title in _feeds(code, view, endpoint)]
    to = [Option(name, f"{name}: {each.member.title[lang]}") for name, each in others]
    marking = (
        asker.one("marking/tlp", asker.words("tlp", get_args(headers.Tlp))),
        asker.some("marking/releasable_to", asker.words("countries", nations)),
        asker.some("marking/handling", asker.words("handling", get_args(headers.Handling))),
        asker.yes_no("marking/originator_control"),
    )
    fields = (
        asker.one("feed", feeds),
        asker.some("to", to),
        asker.one("precedence", asker.words("precedence", get_args(headers.Precedence))),
        asker.one("status", asker.words("status", get_args(headers.Status))),
        *marking,
        asker.line("expires"),
        asker.line("retain"),
    )
    said = tuple(composing.typed(field, written) for field in fields)
    label = codes.words("fields", "post", lang)
    return Field(AT, "group", label, is_required=True, fields=said, is_said=True)


class _Asker:
    def __init__(self, lang: Lang, codes: Codes) -> None:
        self._lang = lang
        self._codes = codes

    def words(self, name: str, said: Sequence[str]) -> list[Option]:
        return [Option(code, self._codes.words(name, code, self._lang)) for code in said]

    def one(self, name: str, options: Sequence[Option]) -> Field:
        return self._field(name, "one-of", options, is_required=True)

    def some(self, name: str, options: Sequence[Option]) -> Field:
        return self._field(name, "some-of", options, is_required=name.endswith("releasable_to"))

    def yes_no(self, name: str) -> Field:
        return self._field(name, "yes-no", (), is_required=True)

    def line(self, name: str) -> Field:
        return self._field(name, "line", (), is_required=True)

    def _field(
        self, name: str, kind: Any, options: Sequence[Option], *, is_required: bool
    ) -> Field:
        member = name.rpartition("/")[2]
        word = self._codes.word("fields", member)
        example = word.example if word and kind == "line" else None
        return Field(
            f"{AT}/{name}",
            kind,
            self._codes.words("fields", member, self._lang),
            help=word.meaning.in_(self._lang) if word and word.meaning else "",
            example=str(example or ""),
            options=tuple(options),
            is_closed=True,
            is_required=is_required,
        )
