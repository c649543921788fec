"""Who will be able to read a draft, in words, while it is written and before it goes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from exchange import render
from exchange.client import separating
from exchange.desk import composing
from exchange.desk.kept_files import SealedFile
from exchange.model.identity import digest
from exchange.web.pages import day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchange.client.attaching import File
    from exchange.client.compose import LeftOut, Prepared, Reader
    from exchange.client.separating import By
    from exchange.errors import ExchangeError
    from exchange.model.codes import Codes, Lang
    from exchange.model.draft import Post

_SOON_S = 14 * 86_400


class Line(msgspec.Struct, frozen=True):
    """One who will be able to read, or would have been: texts in the reader's language.

    ``until`` is the day until which its key is valid; ``is_soon`` that this is near;
    ``envelope`` which one it gets, from 1; 0 where there is one for all.
    """

    endpoint: str
    agency: str = ""
    nation: str = ""
    reason: str = ""
    until: str = ""
    is_soon: bool = False
    why: str = ""
    envelope: int = 0


class Told(msgspec.Struct, frozen=True):
    """Who will be able to read, who will not and why, who must release it first.

    ``nations`` counts readers by nation, ``envelopes`` how many go out. ``shown`` is a digest
    of exactly this audience and text: what is sent is what was shown.
    """

    readers: list[Line]
    left_out: list[Line]
    withheld: list[Line]
    releasers: list[Line]
    nations: list[tuple[str, int]]
    shown: str = ""
    envelopes: int = 1


def told(  # noqa: PLR0913  (each kind of them by its name)
    lang: Lang,
    codes: Codes,
    now: int,
    *,
    readers: Sequence[Reader],
    left_out: Sequence[LeftOut],
    withheld: Sequence[LeftOut] = (),
    releasers: Sequence[Reader] = (),
    by: By | None = None,
    shown: str = "",
) -> Told:
    """Return an audience in the reader's language; ``by``: in separate envelopes."""

    def reader(each: Reader, envelope: int = 0) -> Line:
        return Line(
            each.endpoint,
            each.title[lang],
            each.nation,
            each.reason,
            day(each.key_until),
            each.key_until - now < _SOON_S,
            envelope=envelope,
        )

    def kept_out(each: LeftOut) -> Line:
        return Line(each.endpoint, why=problem(each.why, lang, codes)["what"])

    groups = separating.groups(readers, by) if by else [readers]
    is_one = len(groups) < 2
    return Told(
        [
            reader(each, 0 if is_one else number)
            for number, group in enumerate(groups, 1)
            for each in group
        ],
        [kept_out(each) for each in left_out],
        [kept_out(each) for each in withheld],
        [reader(each) for each in releasers],
        sorted(Counter(each.nation for each in readers).items()),
        shown,
        max(1, len(groups)),
    )


def of_prepared(  # noqa: PLR0913  (what is shown, and to whom)
    whole: Prepared,
    lang: Lang,
    codes: Codes,
    now: int,
    *,
    post: Post,
    parts: Sequence[Prepared],
    by: By | None,
) -> Told:
    """Return the audience of what is prepared, whole and as it goes out."""
    releasers = {each.endpoint: each for part in parts for each in part.releasers}
    return told(
        lang,
        codes,
        now,
        readers=whole.readers,
        left_out=whole.left_out,
        releasers=list(releasers.values()),
        by=by,
        shown=shown(whole, post, by),
    )


def shown(prepared: Prepared, post: Post, by: By | None = None) -> str:
    """Return a digest of what is reviewed: text, files, marking, until when, each reader's key.

    Until when is as it was written in ``post``: prepared once more, a time from now on is
    later. What the arrangement makes of it counts by its day.
    """
    header, bulletin = prepared.header, msgspec.to_builtins(prepared.bulletin)
    said = (
        header.feed,
        header.precedence,
        header.status,
        header.marking,
        (post.expires, post.retain, day(header.retain_until)),
        {name: value for name, value in bulletin.items() if name != "id"},
        [(each.endpoint, each.key) for each in prepared.readers],
        [each.endpoint for each in prepared.left_out],
        [each.endpoint for each in prepared.releasers],
        [_said(each) for each in prepared.files],
        by,
    )
    return digest(msgspec.json.encode(said))


def _said(file: File) -> tuple[str, int, str]:
    """Return what is shown of a file. At the desk each was taken in, so its digest is known."""
    if not isinstance(file, SealedFile):
        raise TypeError(file.name)
    return file.name, file.size, file.filed.digest


def problem(error: ExchangeError, lang: Lang, codes: Codes) -> dict[str, str]:
    """Return what is wrong in words: what, why, what to do next, and where in the draft."""
    said = render.refusal(error, lang, codes)
    at = composing.place_of(error.at)
    return {"at": at, "what": said.what, "why": said.why, "next": said.next, "code": said.code}


def at_fields(
    problems: Sequence[Mapping[str, str]], fields: Sequence[str]
) -> dict[str, list[Mapping[str, str]]]:
    """Return problems by the field that each is about: the innermost that the form has.

    What is about no field stands under the empty pointer.
    """
    found: dict[str, list[Mapping[str, str]]] = {}
    for each in problems:
        above = [at for at in fields if composing.is_under(each["at"], at)]
        found.setdefault(max(above, key=len, default=""), []).append(each)
    return found


def values(audience: Told) -> dict[str, Any]:
    """Return it as JSON says it."""
    return dict(msgspec.to_builtins(audience))
