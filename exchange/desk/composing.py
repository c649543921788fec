"""What an officer wrote into a form: put in order, judged as a draft, and shown again as typed.

A field is named by its JSON pointer in the draft, so what is refused finds its field. Nothing
that was typed is lost, whether it can be read or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from exchange.desk import filled, forms, position
from exchange.errors import Refusal
from exchange.model import draft as drafts
from exchange.model.bulletin import shape as shapes
from exchange.render.values import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exchange.desk.forms import Field
    from exchange.model.codes import Codes, Lang
    from exchange.model.draft import Draft

    Written = Mapping[str, Sequence[str]]

BULLETIN: Final = "/bulletin"
# So many faults are told at once; the next ones when these are mended.
_MOST: Final = 12
# No pointer of a form has more steps.
_DEEPEST: Final = 24
# Stands for a position that cannot be read, so that all else can be judged.
_ANYWHERE: Final = "0 0"
# Where a node's rules speak of the header, and the field of the form that fills it.
_OF_HEADER: Final = {
    "/retain_until": "/post/retain",
    "/observed": "/bulletin/observed",
    "/due": "/bulletin/due",
    "/regime": "/bulletin/regime",
    "/refs": "/bulletin/content/target",
    "/attachments": "/bulletin/attachments",
}
_OF_POST: Final = ("/feed", "/precedence", "/status", "/marking", "/expires", "/to")


class Settled(NamedTuple):
    """What was sent, its rows numbered without gaps.

    ``rows`` says of each row's pointer under which it was sent.
    """

    written: dict[str, list[str]]
    rows: dict[str, str]

    def sent_at(self, at: str) -> str:
        """Return the pointer under which the page has a field."""
        row = max((row for row in self.rows if is_under(at, row)), key=len, default="")
        return self.rows[row] + at[len(row) :] if row else at


class Judged(NamedTuple):
    """What is wrong in what was written.

    Attributes:
        draft: as far as its posting can be read; else None.
        faults: what is refused, each ``at`` a pointer in the draft.
        missing: pointers of the fields that still must be filled in.
    """

    draft: Draft | None
    faults: list[Refusal]
    missing: list[str]

    @property
    def is_fit(self) -> bool:
        """Whether it may be prepared."""
        return self.draft is not None and not self.faults and not self.missing


def is_under(at: str, above: str) -> bool:
    """Tell whether a pointer is another, or of something in it."""
    return at == above or at.startswith(f"{above}/")


# -- in order -------------------------------------------------------------------------------


class _Node(msgspec.Struct):
    texts: list[str] | None = None
    below: dict[str, _Node] = {}

    def is_said(self) -> bool:
        if self.texts is not None:
            return any(text.strip() for text in self.texts)
        return any(node.is_said() for node in self.below.values())


def settle(sent: Written, lang: Lang, member: str) -> Settled:
    """Return what was sent with its rows in order, and of texts what goes without saying.

    Args:
        sent: texts by pointer in the draft; of a row that is not there yet, nothing is taken.
        lang: in which a text is, whose author names no language; its translation is not.
        member: who translated, where nobody else is named.
    """
    root = _Node()
    for at, texts in sent.items():
        steps = at.split("/")[1:]
        if forms.NEW not in steps and len(steps) <= _DEEPEST:
            node = root
            for step in steps:
                node = node.below.setdefault(step, _Node())
            node.texts = list(texts)
    settled = Settled({}, {})
    _settle(root, ("", ""), settled)
    _say_languages(settled.written, lang, member)
    return settled


def _settle(node: _Node, at: tuple[str, str], into: Settled) -> None:
    here, before = at
    if node.texts is not None:
        into.written[here] = node.texts
    is_rows = bool(node.below) and all(map(shapes.is_index, node.below))
    steps = sorted(node.below, key=int) if is_rows else list(node.below)
    said = [step for step in steps if not is_rows or node.below[step].is_said()]
    for place, step in enumerate(said):
        now, was = f"{here}/{place if is_rows else step}", f"{before}/{step}"
        if is_rows:
            into.rows[now] = was
        _settle(node.below[step], (now, was), into)


def _say_languages(written: dict[str, list[str]], lang: Lang, member: str) -> None:
    for at in [name for name in written if name.endswith("/text")]:
        block = at.removesuffix("/text")
        if not any(text.strip() for text in written[at]):
            continue
        is_translation = "translations" in block.split("/")[-2:]
        other = "en" if lang == "es" else "es"
        said = {"lang": other, "by": member, "how": "person"} if is_translation else {}
        for name, text in {"lang": lang, **said}.items():
            if not any(each.strip() for each in written.get(f"{block}/{name}", [])):
                written[f"{block}/{name}"] = [text]


# -- judged ---------------------------------------------------------------------------------


def values(code: str, written: Written) -> tuple[dict[str, Any], list[Refusal]]:
    """Return the bulletin of what was written, and which positions in it cannot be read.

    Raises:
        KeyError: there is no such type.
    """
    said = {at.removeprefix(BULLETIN): list(each) for at, each in written.items()}
    faults: list[Refusal] = []
    while True:
        try:
            return filled.values(code, said), faults
        except Refusal as refusal:
            # Each once: what stands there now can be read.
            said |= {refusal.at: [_ANYWHERE], f"{refusal.at}/type": ["Point"]}
            faults.append(Refusal(refusal.code, f"{BULLETIN}{refusal.at}", **refusal.facts))


def judge(code: str, settled: Settled, identity: str, member: str, codes: Codes) -> Judged:
    """Return what is wrong in what was written, as far as can be told on this machine.

    Args:
        code: the bulletin's type.
        settled: what was written.
        identity: a UUIDv7 for it.
        member: whose it is.
        codes: the code lists.

    Raises:
        KeyError: there is no such type.
    """
    said, faults = values(code, settled.written)
    asked = _post(settled.written)
    draft = None
    try:
        draft = read(asked, said)
    except Refusal as refusal:
        faults.append(refusal)
    form = under(forms.of_type(code, said, "en", codes), settled.written)
    missing = _asked_for(list(unsaid(form)))
    # What the posting lacks keeps nobody from hearing what the bulletin does.
    whole = draft or read(_ANY_POST, said)
    faults += _faults(whole, [*missing, *(each.at for each in faults)], identity, member, codes)
    return Judged(draft, faults, missing)


def read(post: Mapping[str, Any], bulletin: Mapping[str, Any]) -> Draft:
    """Return a draft of JSON values.

    Raises:
        Refusal: as ``draft.read_draft``.
    """
    data = msgspec.json.encode({"post": post, "bulletin": bulletin})
    return drafts.read_draft(data, toml=False)


_ANY_POST: Final = {
    "feed": "any",
    "precedence": "routine",
    "status": "test",
    "marking": {
        "tlp": "red",
        "releasable_to": ["PAN"],
        "handling": [],
        "originator_control": True,
    },
    "expires": "1h",
    "retain": "1d",
}


def _post(written: Written) -> dict[str, Any]:
    def one(name: str) -> dict[str, Any]:
        text = next((each.strip() for each in written.get(f"/post/{name}", [])), "")
        found: Any = text == "true" if name.endswith("originator_control") else text
        return {name.rpartition("/")[2]: found} if text else {}

    def some(name: str) -> list[str]:
        return sorted(
            {each.strip() for each in written.get(f"/post/{name}", []) if each.strip()}
        )

    marking = {
        **one("marking/tlp"),
        **one("marking/originator_control"),
        "releasable_to": some("marking/releasable_to"),
        "handling": some("marking/handling"),
    }
    plain = ("feed", "precedence", "status", "retain")
    post = {name: text for each in plain for name, text in one(each).items()}
    expires = {name: filled.moment(text) for name, text in one("expires").items()}
    return {**post, **expires, "to": some("to"), "marking": marking}


def _faults(
    draft: Draft, known: list[str], identity: str, member: str, codes: Codes
) -> Iterator[Refusal]:
    """Yield what the bulletin is refused for: one after the other is left out to find more.

    Only what was written is left out, so that no fault is told which leaving out has made.
    """
    said = msgspec.json.decode(msgspec.json.encode(draft.bulletin))
    for _ in range(_MOST):
        try:
            drafts.complete(
                drafts.Draft(draft.post, said), id=identity, origin=member, codes=codes
            )
        except Refusal as refusal:
            at = refusal.at
            if not any(is_under(at, each) or is_under(each, at) for each in known):
                yield refusal
                known.append(at)
            if not _leave_out(said, at.removeprefix(BULLETIN)):
                return
        else:
            return


def _leave_out(values: Any, at: str) -> bool:
    """Leave out one plain member of an object; tell whether there was one."""
    *above, last = at.split("/")[1:] or [""]
    for step in above:
        if isinstance(values, list) and shapes.is_index(step) and int(step) < len(values):
            values = values[int(step)]
        elif isinstance(values, dict):
            values = values.get(step)
    if not isinstance(values, dict) or isinstance(values.get(last), dict | list | None):
        return False
    del values[last]
    return True


def unsaid(form: Field) -> Iterator[str]:
    """Yield the pointer of each field that must be filled in and is not.

    Lists are left to the rules, which know how many there must be.
    """
    for field in form.fields:
        if field.kind == "group":
            if field.is_said or field.is_required:
                yield from unsaid(field)
        elif field.kind == "rows":
            for row in field.fields:
                yield from unsaid(row)
        elif field.is_required and not field.is_said and field.kind not in _LISTS:
            yield field.at


_LISTS: Final = ("lines", "some-of")


def _asked_for(missing: list[str]) -> list[str]:
    """Return without the languages of texts that are not there: once they are, it is known."""
    absent = {at.removesuffix("/text") for at in missing if at.endswith("/text")}
    return [at for at in missing if at.removesuffix("/lang") not in absent]


def place_of(at: str) -> str:
    """Return the pointer in a draft of what a rule speaks of, whatever it calls it."""
    for header, place in _OF_HEADER.items():
        if is_under(at, header):
            return place
    return f"/post{at}" if any(is_under(at, each) for each in _OF_POST) else at


# -- shown again ----------------------------------------------------------------------------


def form_of(code: str, settled: Settled, lang: Lang, codes: Codes) -> Field:
    """Return the form of a type as it was filled in, each text as it was typed.

    Raises:
        KeyError: there is no such type.
    """
    said, _ = values(code, settled.written)
    return under(forms.of_type(code, said, lang, codes), settled.written)


def under(form: Field, written: Written) -> Field:
    """Return a form with pointers in the draft, and what was typed as it was typed."""
    at = f"{BULLETIN}{form.at}"
    inner = tuple(under(field, written) for field in form.fields)
    blank = None if form.blank is None else under(form.blank, {})
    field = msgspec.structs.replace(form, at=at, fields=inner, blank=blank)
    return typed(field, written)


def typed(field: Field, written: Written) -> Field:
    """Return a field with the text that was typed into it, if any was sent."""
    if field.kind in ("group", "rows"):
        is_said = any(inner.is_said for inner in field.fields)
        return msgspec.structs.replace(field, is_said=is_said)
    if field.at not in written:
        return field
    texts = written[field.at]
    is_said = any(text.strip() for text in texts)
    if field.kind == "some-of":
        chosen = tuple(text for text in texts if text)
        return msgspec.structs.replace(field, chosen=chosen, is_said=is_said)
    chosen = tuple(written.get(f"{field.at}/type", ())) if field.kind == "place" else ()
    text = "\n".join(texts)
    return msgspec.structs.replace(field, value=text, chosen=chosen, is_said=is_said)


def told_back(settled: Settled, lang: Lang) -> dict[str, str]:
    """Return each position that can be read as sailors write it, by its field."""
    found: dict[str, str] = {}
    for at, lines in _places(settled):
        try:
            found[at] = "; ".join(
                position.told(position.read(line), _WEST[lang]) for line in lines
            )
        except Refusal:
            continue
    return {at: text for at, text in found.items() if text}


def turned(settled: Settled, lang: Lang) -> dict[str, tuple[str, str]]:
    """Return positions that were likely typed with the longitude first, by their field.

    Of each field the first one: as it is read, and as it was likely meant.
    """
    found: dict[str, tuple[str, str]] = {}
    for at, lines in _places(settled):
        for line in lines:
            if (meant := position.turned(line)) is not None:
                both = (position.read(line), meant)
                as_read, other = (position.told(each, _WEST[lang]) for each in both)
                found.setdefault(at, (as_read, other))
    return found


def _places(settled: Settled) -> Iterator[tuple[str, list[str]]]:
    for at, texts in settled.written.items():
        if at.endswith("/geometry"):
            yield at, [line for text in texts for line in text.splitlines() if line.strip()]


_WEST: Final[dict[Lang, str]] = {"es": "O", "en": "W"}


def texts_of(values: Any, at: str) -> dict[str, list[str]]:
    """Return JSON values as they would be typed, by pointer: to begin a draft with."""
    match values:
        case None:
            return {}
        case dict():
            members = [(f"{at}/{name}", inner) for name, inner in values.items()]
        case list() if all(isinstance(each, str) for each in values):
            return {at: list(values)}
        case list():
            members = [(f"{at}/{place}", inner) for place, inner in enumerate(values)]
        case bool():
            return {at: ["true" if values else "false"]}
        case float():
            return {at: [plain(values)]}
        case _:
            return {at: [str(values)]}
    return {
        name: texts
        for where, inner in members
        for name, texts in texts_of(inner, where).items()
    }
