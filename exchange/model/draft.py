"""What a person writes: a draft in TOML or JSON, with how to post it and what it says."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from exchange.errors import Code, Fact, Refusal
from exchange.model import header
from exchange.model.bulletin import (
    decoding,
    kinds,
    lexical,
    misfits,
    shape,
    template_text,
    written,
)
from exchange.model.bulletin.blocks import Target
from exchange.model.bulletin.words import SCHEMA
from exchange.model.codes import Codes, Lang
from exchange.model.identity import EndpointId, Word

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_LINE = re.compile(r"\(at line ([0-9]+), column [0-9]+\)")
_MAX_INTEGER = 2**53
# Longer than anything is kept, and no time that comes of it is beyond the calendar's end.
_MAX_DURATION_S = 100 * 366 * 86_400
# TOML's strings and comments, each to its end or as far as it goes: every start is a match, so
# one scan is enough. Up to two quotes may stand before the three that end a string.
_NOT_A_KEY = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+(?:"""(?:"{0,2})|\\?\Z)'''
    r"""|'''(?:[^']|'(?!''))*+(?:'''(?:'{0,2})|\Z)"""
    r"""|"(?:[^"\\\n]|\\[^\n])*+"?|'[^'\n]*+'?|\#[^\n]*+""",
    re.DOTALL,
)
_REF = re.compile(r'^((?:# )?)ref = "p1"$', re.MULTILINE)
_BETWEEN_KEYS = re.compile(r"[=,{}\[\]\n]+")
_NULLS = ("observed", "due", "regime", "grading", "remarks")
_FILLED = ("schema", "id", "origin", "attachments")

Feed = Annotated[Word, Meta(extra={"form": "feed"})]
Recipient = Annotated[EndpointId, Meta(extra={"form": "endpoint"})]
Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,8}[smhdw]$", extra={"form": "duration"})]
Expiry = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]{0,8}[smhdw]|[0-9-]{10}T[0-9:]{8}Z)$",
        extra={"form": "expiry"},
    ),
]
# Feeds are the arrangement's to name; these are the exercise's, by what they carry.
_FEEDS = {
    **dict.fromkeys(("rfi", "rpy", "con"), "requests"),
    **dict.fromkeys(("sta", "dlg"), "dialogue"),
    **dict.fromkeys(("mig", "smg"), "migration"),
    **dict.fromkeys(("ocn", "crm"), "crime"),
    **dict.fromkeys(("opn", "dcf"), "operations"),
}
# What a type's template says for itself: there is no other answer.
_SAMPLES = {
    "brq": [("# regime = ", "regime = ")],
    "brp": [('type = ""', 'type = "brq"')],
    "brr": [('type = ""', 'type = "brq"')],
    "rpy": [('type = ""', 'type = "rfi"')],
    "dcf": [("# to = ", "to = ")],
    "con": [("# to = ", "to = ")],
}
# The header spells these codes out; here is which list has their words.
_LISTS = {
    "precedence": "precedence",
    "status": "status",
    "verb": "verbs",
    "tlp": "tlp",
    "handling": "handling",
    "releasable_to": "countries",
    "rel": "relations",
}


class Post(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a bulletin is to be sent; ``to`` comes on top of the feed's subscribers.

    ``expires`` is a time or a duration after issue, ``retain`` a duration after issue.
    """

    feed: Feed
    precedence: header.Precedence
    status: header.Status
    marking: header.Marking
    expires: Expiry
    retain: Duration
    to: Annotated[list[Recipient], Meta(max_length=header.MAX_RECIPIENTS)] = msgspec.field(
        default_factory=list
    )
    verb: header.Verb | None = None
    refs: Annotated[list[header.Reference], Meta(max_length=header.MAX_REFS)] = msgspec.field(
        default_factory=list
    )


class Draft(msgspec.Struct, frozen=True):
    """A draft: the posting is checked; the bulletin is JSON values until it is completed."""

    post: Post
    bulletin: dict[str, Any]


def read_draft(data: bytes, *, toml: bool) -> Draft:
    """Read a draft.

    Args:
        data: the file, at most 256 KiB.
        toml: whether it is TOML; otherwise JSON.

    Raises:
        Refusal: what is wrong, and the JSON pointer of where.
    """
    values = read_toml(data) if toml else _json(data)
    if not isinstance(values, dict):
        raise Refusal(Code.WRONG_TYPE, "", expected="object")
    for name in ("post", "bulletin"):
        if name not in values:
            raise Refusal(Code.MISSING_MEMBER, f"/{name}")
        if not isinstance(values[name], dict):
            raise Refusal(Code.WRONG_TYPE, f"/{name}", expected="object")
    for name in sorted(values.keys() - {"post", "bulletin"}):
        raise Refusal(Code.UNKNOWN_MEMBER, f"/{lexical.escape(name)}", name=name[:64])
    for name in _FILLED:
        if name in values["bulletin"]:
            raise Refusal(Code.WRONG_VALUE, f"/bulletin/{name}", expected="filled-in")
    return Draft(_post(values["post"]), values["bulletin"])


def complete(
    draft: Draft,
    *,
    id: str,  # noqa: A002  (the field's own word)
    origin: str,
    codes: Codes,
    target: Target | None = None,
) -> kinds.Bulletin:
    """Return the bulletin a draft says, checked like one that arrived.

    Args:
        draft: what was read.
        id: the UUIDv7 it gets.
        origin: the member that speaks.
        codes: the code lists.
        target: takes the place of ``content.target``, for a reply or a correction to a bulletin
            that is known only when posting.

    Raises:
        Refusal: what is wrong; ``at`` is a pointer into the draft, under ``/bulletin``. First
            whatever a template left blank and nobody wrote (``placeholder``).
    """
    values: dict[str, Any] = {"schema": SCHEMA, "id": id, "origin": origin}
    values |= dict.fromkeys(_NULLS) | draft.bulletin
    content = values.get("content")
    values.setdefault("declares", declared(content))
    if isinstance(content, dict) and target is not None:
        values["content"] = content | {"target": msgspec.to_builtins(target)}
    # In the order in which it is written.
    _must_be_written(draft.bulletin | {"content": values.get("content")})
    if isinstance(content, dict) and values["due"] is None:
        # What a request asks for by a time is due by that time: the node can enforce it.
        values["due"] = content.get("reply_by")
    if values["observed"] is None:
        # Else nobody could tell how long it took from then to its issue.
        values["observed"] = kinds.seen_at(str(values.get("type")), content)
    values["declares"] = _sorted(values["declares"])
    try:
        bulletin = decoding.decode(_compact(values), codes)
        written.check(bulletin)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"/bulletin{refusal.at}", **refusal.facts) from None
    if verb_of(draft, bulletin) not in kinds.VERBS[bulletin.type]:
        raise Refusal(Code.VERB_TYPE_MISMATCH, "/post/verb")
    said, named = _target(bulletin), _named(draft, bulletin)
    if said is not None and named is not None and not said.is_of(named):
        raise Refusal(Code.HEADER_BODY_MISMATCH, "/bulletin/content/target")
    return bulletin


def _sorted(declares: Any) -> Any:
    is_set = isinstance(declares, list) and all(isinstance(each, str) for each in declares)
    return sorted(declares) if is_set else declares


def declared(content: Any) -> list[str]:
    """Return what a node must enforce of a drafted content, sorted; decoding checks it."""
    if not isinstance(content, dict):
        return []
    people = list(_people(content))
    found = {
        "must-purge": content.get("must_purge") is True,
        "persons": bool(people),
        "protected-person": any(each.get("protections") for each in people),
    }
    return [name for name, holds in found.items() if holds]


def _people(value: Any) -> Iterator[dict[str, Any]]:
    """Yield everybody that is named anywhere in a content, a correction's values too."""
    if isinstance(value, dict):
        if "person_role" in value:
            yield value
        for inner in value.values():
            yield from _people(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _people(inner)


def _must_be_written(values: dict[str, Any]) -> None:
    """Refuse a draft in which something is blank: the first place, and how many more are."""
    blank = list(_blank(values, ""))
    if not blank:
        return
    kind = values.get("type")
    form = shape.at(shape.of(kind), blank[0]) if str(kind) in kinds.TYPES else None
    more: dict[str, Fact] = {"more": len(blank) - 1} if blank[1:] else {}
    facts = misfits.expected(form) | more
    raise Refusal(Code.PLACEHOLDER, f"/bulletin{blank[0]}", **facts)


def _blank(value: Any, at: str) -> Iterator[str]:
    """Yield where nothing is written: no member of the language is an empty text."""
    if value == template_text.BLANK:
        yield at
        return
    members: Iterable[tuple[object, Any]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for name, inner in members:
        yield from _blank(inner, f"{at}/{lexical.escape(str(name))}")


def is_report(draft: Draft) -> bool:
    """Tell whether a draft is of a type that may be an update: it names no target itself."""
    kind = str(draft.bulletin.get("type"))
    if "update" not in kinds.VERBS.get(kind, ()):
        return False
    return shape.at(shape.of(kind), "/content/target") is None


def updating(draft: Draft, target: Target) -> Draft:
    """Return a report's draft as an update that supersedes an earlier one of its type.

    Raises:
        Refusal: the draft says that it is new, the target is of another type, or its header's
            digest is not known.
    """
    if draft.post.verb not in (None, "update"):
        raise Refusal(Code.VERB_TYPE_MISMATCH, "/post/verb", expected="update")
    if target.type != draft.bulletin.get("type"):
        raise Refusal(Code.TARGET_MISMATCH, "/bulletin/type", id=target.id)
    if target.header_digest is None:
        raise Refusal(Code.REFERENCE_MISSING, "/post/refs")
    reference = header.Reference("supersedes", target.id, target.header_digest)
    post = msgspec.structs.replace(
        draft.post, verb="update", refs=[*draft.post.refs, reference]
    )
    return Draft(post, draft.bulletin)


def verb_of(draft: Draft, bulletin: kinds.Bulletin) -> header.Verb:
    """Return the header's verb: the draft's, or what the type means by default."""
    return draft.post.verb or kinds.VERBS[bulletin.type][0]


def references(draft: Draft, bulletin: kinds.Bulletin) -> list[header.Reference]:
    """Return the header's references: the draft's, or the one that ``content.target`` names.

    Raises:
        Refusal: ``reference-missing``: the verb needs one and neither names it whole.
    """
    rel = header.RELATION_OF.get(verb_of(draft, bulletin))
    found = [*draft.post.refs, *_resulting(draft, bulletin)]
    if rel is None or _named(draft, bulletin) is not None:
        return found
    target = _target(bulletin)
    if target is None or target.header_digest is None:
        raise Refusal(Code.REFERENCE_MISSING, "/post/refs")
    return [*found, header.Reference(rel, target.id, target.header_digest)]


def _resulting(draft: Draft, bulletin: kinds.Bulletin) -> list[header.Reference]:
    """Return the reference of a boarding's result to the request that it names whole.

    It is a report of its own, and not a reply; so that nodes and programs see in the clear to
    which case it belongs.
    """
    if not isinstance(bulletin, kinds.Brr) or _ref(draft, "answers") is not None:
        return []
    target = bulletin.content.target
    if target is None or target.header_digest is None:
        return []
    return [header.Reference("answers", target.id, target.header_digest)]


def _ref(draft: Draft, rel: header.Relation) -> header.Reference | None:
    return next((ref for ref in draft.post.refs if ref.rel == rel), None)


def _named(draft: Draft, bulletin: kinds.Bulletin) -> header.Reference | None:
    """Return the draft's own reference to what its bulletin does something to, or answers."""
    rel = header.RELATION_OF.get(verb_of(draft, bulletin))
    return next((ref for ref in draft.post.refs if ref.rel == rel), None)


def _target(bulletin: kinds.Bulletin) -> Target | None:
    if isinstance(bulletin, kinds.Cor | kinds.Can | kinds.Rpy | kinds.Brp):
        return bulletin.content.target
    return None


def expires_at(post: Post, issued: int) -> int:
    """Return when a bulletin issued then expires, in integer seconds UTC.

    Raises:
        Refusal: ``wrong-value``: no such day or time of day.
    """
    if _DURATION.fullmatch(post.expires):
        return issued + seconds(post.expires)
    return int(_moment(post.expires).timestamp())


def retain_until(post: Post, issued: int) -> int:
    """Return until when a bulletin issued then is kept, in integer seconds UTC."""
    return issued + seconds(post.retain)


def seconds(duration: str) -> int:
    """Return a duration such as ``72h`` in seconds.

    Raises:
        ValueError: it is not a duration (a mistake in the caller).
    """
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(duration)
    return int(found.group(1)) * _UNITS[found.group(2)]


def template(type: str, lang: Lang, codes: Codes) -> str:  # noqa: A002
    """Return a commented draft in TOML, marked exercise; once written it passes ``complete``.

    What its author must say is blank, and ``complete`` refuses a blank.

    Raises:
        Refusal: ``wrong-value``: there is no such type.
    """
    if type not in kinds.TYPES:
        raise Refusal(Code.WRONG_VALUE, "/bulletin/type", expected="code", list="types")
    text = template_text.template(_shape(), shape.of(type), lang, codes)
    feed = ('feed = "maritime"', f'feed = "{_FEEDS.get(type, "maritime")}"')
    for general, own in [feed, *_SAMPLES.get(type, [])]:
        text = text.replace(general, own, 1)
    if type in ("ocn", "smg"):
        # Each thing of a network has a reference of its own.
        refs = iter("poawb")
        text = _REF.sub(lambda found: f'{found[1]}ref = "{next(refs)}1"', text)
    return text


def _shape() -> shape.Shape:
    return _with_lists(shape.of_struct(Post))


def _with_lists(form: shape.Shape) -> shape.Shape:
    members = tuple(_member_with_list(member) for member in form.members)
    return msgspec.structs.replace(form, members=members)


def _member_with_list(member: shape.Member) -> shape.Member:
    form = member.shape
    inner = form.items[0] if form.kind == "list" else form
    inner = _with_lists(inner)
    inner = msgspec.structs.replace(inner, codes=_LISTS.get(member.name, inner.codes))
    if form.kind == "list":
        inner = msgspec.structs.replace(form, items=(inner,))
    return msgspec.structs.replace(member, shape=inner)


def _post(values: dict[str, Any]) -> Post:
    for at in _blank(values, "/post"):
        raise Refusal(Code.PLACEHOLDER, at)
    try:
        post = msgspec.convert(values, Post)
    except msgspec.ValidationError as error:
        refusal = misfits.refusal(str(error), lambda at: shape.at(_shape(), at))
        raise Refusal(refusal.code, f"/post{refusal.at}", **refusal.facts) from None
    for name, told in (("expires", post.expires), ("retain", post.retain)):
        if not _DURATION.fullmatch(told):
            _moment(told)
        elif seconds(told) > _MAX_DURATION_S:
            raise Refusal(Code.WRONG_VALUE, f"/post/{name}", expected="duration")
    return post


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise Refusal(Code.WRONG_VALUE, "/post/expires", expected="expiry") from None


def _compact(values: Any) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _json(data: bytes) -> Any:
    lexical.check(data)
    try:
        return json.loads(data)
    except ValueError:
        # Python turns no number of over 4,300 digits into an integer.
        raise Refusal(Code.MALFORMED, expected="integer") from None


def read_toml(data: bytes) -> Any:
    """Return TOML as JSON's values; a time as its one spelling in UTC.

    Raises:
        Refusal: it is none, or too large or deep; with the line.
    """
    if len(data) > lexical.MAX_BYTES:
        raise Refusal(Code.OVERSIZED, limit=lexical.MAX_BYTES, found=len(data))
    text = lexical.text_of(data)
    try:
        _check_keys(text)
        values = tomllib.loads(text)
    except ValueError as error:
        found = _LINE.search(str(error))
        facts: dict[str, Fact] = {"line": int(found.group(1))} if found else {}
        raise Refusal(Code.MALFORMED, "", expected="toml", **facts) from None
    except RecursionError:
        raise Refusal(Code.TOO_DEEP, limit=lexical.MAX_DEPTH) from None
    return _plain(values, "", 1)


def _check_keys(text: str) -> None:
    """Refuse a dotted key deeper than any value may be; tomllib takes minutes over a long one.

    Outside strings and comments, dots are of keys, and of numbers and times: one each.
    """
    for part in _BETWEEN_KEYS.split(_NOT_A_KEY.sub("s", text)):
        if part.count(".") > lexical.MAX_DEPTH:
            raise Refusal(Code.TOO_DEEP, limit=lexical.MAX_DEPTH)


def _plain(value: Any, at: str, depth: int) -> Any:
    """Turn TOML's values into JSON's: a time becomes its one spelling in UTC."""
    if depth > lexical.MAX_DEPTH + 1:
        raise Refusal(Code.TOO_DEEP, limit=lexical.MAX_DEPTH)
    if isinstance(value, dict):
        return {
            name: _plain(inner, f"{at}/{lexical.escape(name)}", depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_plain(inner, f"{at}/{n}", depth + 1) for n, inner in enumerate(value)]
    if isinstance(value, datetime):
        return _utc(value, at)
    if isinstance(value, date | time):
        raise Refusal(Code.WRONG_VALUE, at, expected="local-time")
    if isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise Refusal(Code.WRONG_VALUE, at, expected="integer")
    if isinstance(value, float) and value - value != 0:
        # TOML has nan and inf; JSON has not.
        raise Refusal(Code.WRONG_VALUE, at, expected="number")
    return value


def _utc(value: datetime, at: str) -> str:
    if value.tzinfo is None:
        raise Refusal(Code.WRONG_VALUE, at, expected="local-time")
    # A fraction of a second stays in the text, where its spelling is refused.
    try:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except OverflowError:
        raise Refusal(Code.WRONG_VALUE, at, expected="time") from None
