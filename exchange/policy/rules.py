"""Whether a bulletin may pass: one function over one table of rules, in one order.

``docs/policy.md`` is the table for people; somebody who has never seen this file must be able
to reach every verdict from it. Each rule names what it permits; what no rule permits is refused
by the rule that asked. A bulletin is judged as such, and then once for each recipient.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from exchange.errors import Code, Refusal
from exchange.model.header import BEARING, RELATION_OF
from exchange.model.identity import member_of
from exchange.policy import limits, releasing
from exchange.policy.book import book

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from exchange.model.header import Header, Verb
    from exchange.model.view import Standing, View
    from exchange.policy.book import Book, Borne
    from exchange.policy.limits import Rate

    Rule = Callable[["Asked"], None]
    RecipientRule = Callable[["Asked", "To"], None]

# What is asked: may it be taken in; given to one more; shown, now; taken from the other nation.
Act = Literal["accept", "grant", "deliver", "ingress"]

# The types that bind a verb; every other type is new or an update of its own kind.
VERB_OF: dict[str, Verb] = {"cor": "correct", "can": "cancel", "rpy": "reply", "brp": "reply"}

# What may be passed on by another than its originator, to anybody; and within its own member.
FREELY: Final = ("green", "clear")
WITHIN: Final = ("amber", "amber+strict")

# Refusals at delivery that say of one bulletin that it is not shown to this endpoint, now.
WITHHELD: Final = frozenset(
    {
        *(Code.UNKNOWN_FEED, Code.RETENTION_OVER, Code.NOT_A_RECIPIENT, Code.MAY_NOT_READ),
        *(Code.NOT_RELEASABLE, Code.ORIGINATOR_CONTROL, Code.TLP_ONWARD),
        *(Code.CONSENT_WITHDRAWN, Code.CONSENT_OVER),
        *(Code.CATEGORY_NOT_HELD, Code.NO_CATEGORY_HELD),
    }
)


class Consent(NamedTuple):
    """What its originator said last of one giver and one recipient: until when; None: never."""

    until: int | None


class Given(NamedTuple):
    """By whom one not in ``to`` is given a bulletin, when (s UTC), and with what consent.

    ``holds``: it holds it already, as under a key that it lost.
    """

    by: str
    at: int
    consent: Consent | None = None
    holds: bool = False


class Asked(NamedTuple):
    """One question: everything that rules look at."""

    act: Act
    header: Header
    view: View
    book: Book
    now: int
    given: Given | None
    here: Collection[str]
    rate: Rate | None
    released: Collection[str] | None
    borne: tuple[Borne, ...]
    recipient: str | None = None
    holders: Collection[str] | None = ()


class To(NamedTuple):
    """One recipient: its name, its place, and its standing once that is known."""

    name: str
    at: str
    standing: Standing


def decide(  # noqa: PLR0913  (each by its name: these are the columns of the table)
    act: Act,
    header: Header,
    view: View,
    now: int,
    *,
    recipient: str | None = None,
    given: Given | None = None,
    here: Collection[str] = (),
    rate: Rate | None = None,
    released: Collection[str] | None = (),
    holders: Collection[str] | None = (),
) -> None:
    """Decide on one bulletin; see the table in ``docs/policy.md``.

    Args:
        act: what is asked.
        header: verified, but for ``ingress``: that one is verified under its home's view.
        view: the trust documents in force here.
        now: seconds UTC: the taken time, or of a delivery the time of it.
        recipient: the one endpoint that is asked about; None for ``accept``: each in ``to``.
        given: of ``grant``, and of ``deliver`` and ``ingress`` to one who was granted it.
        here: of ``ingress``: the nations that this node serves.
        rate: of ``accept`` at the door: the budgets that it is to be taken of.
        released: whose releases are on record, of just this header, or of just this grant
            to a new audience. None, of ``accept`` and ``grant``: asked when it is settled.
        holders: of a cancellation: who holds its target, as ``releasing.released_for``; None
            where that is not on record.

    Raises:
        Refusal: by the first rule that does not permit it.
    """
    agreed = book(view)
    borne = agreed.borne(header)
    facts = (given, here, rate, released, borne, recipient, holders)
    asked = Asked(act, header, view, agreed, now, *facts)
    for rule in ON_BULLETIN[act]:
        rule(asked)
    if (recipient is None) != (act == "accept"):
        message = "what is accepted is judged for all in ``to``, anything else for one"
        raise ValueError(message)
    if recipient is not None:
        _judge(asked, recipient, _place(asked, recipient))
    else:
        for place, name in enumerate(header.to):
            _judge(asked, name, f"/to/{place}")
    for rule in AT_LAST[act]:
        rule(asked)


def may_receive(header: Header, view: View, now: int, recipient: str, at: str) -> None:
    """Hold one recipient to the rules, of what is about to be written.

    Raises:
        Refusal: it may not be sent this.
    """
    agreed = book(view)
    borne = agreed.borne(header)
    asked = Asked("accept", header, view, agreed, now, None, (), None, None, borne)
    _feed(asked)
    _judge(asked, recipient, at)


def known_recipient(endpoint: str, view: View, at: str) -> Standing:
    """Return an active endpoint of the directory.

    Raises:
        Refusal: ``unknown-recipient`` or ``endpoint-suspended``.
    """
    try:
        return view.standing(endpoint, at)
    except Refusal as refusal:
        if refusal.code is Code.UNKNOWN_ENDPOINT:
            raise Refusal(Code.UNKNOWN_RECIPIENT, at, name=endpoint) from None
        raise


def must_be_home(nation: str, here: Collection[str], name: str, at: str) -> None:
    """Hold an endpoint to a node of its own nation.

    Raises:
        Refusal: ``not-home``.
    """
    if nation not in here:
        raise Refusal(Code.NOT_HOME, at, name=name)


def _place(asked: Asked, name: str) -> str:
    """Return the JSON pointer of the one who is asked about: of who asks for itself, none."""
    if asked.act == "deliver":
        return ""
    if asked.act == "ingress" and name in asked.header.to:
        return f"/to/{asked.header.to.index(name)}"
    return "/to"


def _judge(asked: Asked, name: str, at: str) -> None:
    # One who asks for what it would be shown is told what is wrong with itself, as at the door.
    if asked.act == "deliver":
        standing = asked.view.standing(name, at)
    else:
        standing = known_recipient(name, asked.view, at)
    to = To(name, at, standing)
    for rule in ON_RECIPIENT[asked.act]:
        rule(asked, to)


# -- of the bulletin ------------------------------------------------------------------------


def _rate(asked: Asked) -> None:
    if asked.rate is not None:
        header = asked.header
        urgent = limits.is_urgent(header.precedence, header.verb)
        limits.spend(asked.rate, limits.budgets_of(asked.book.agreed, urgent=urgent))


def _author(asked: Asked) -> None:
    asked.view.standing(asked.header.endpoint, "/endpoint")


def _foreign(asked: Asked) -> None:
    # What our own endpoints post comes to our own door.
    nation = asked.header.origin.partition(".")[0]
    if nation in asked.here:
        raise Refusal(Code.NOT_HOME, "/endpoint", name=asked.header.endpoint)


def _feed(asked: Asked) -> None:
    asked.book.feed(asked.header.feed, "/of" if asked.act == "grant" else "/feed")


def _type(asked: Asked) -> None:
    header, terms = asked.header, asked.book.feeds[asked.header.feed]
    if header.type not in terms.types:
        raise Refusal(Code.TYPE_NOT_ON_FEED, "/type", found=header.type, name=terms.name)


def _post(asked: Asked) -> None:
    _may_post(asked, asked.header.endpoint, "/feed")


def _post_by_member(asked: Asked) -> None:
    # Its endpoint's role is of its own nation's directory, and judged there.
    terms = asked.book.feeds[asked.header.feed]
    if asked.header.origin not in terms.post:
        raise Refusal(Code.MAY_NOT_POST, "/feed", name=terms.name)


def _granter(asked: Asked) -> None:
    if asked.given is None:
        raise Refusal(Code.MAY_NOT_POST, "/endpoint", name=asked.header.feed)
    asked.view.standing(asked.given.by, "/endpoint")


def _post_by_granter(asked: Asked) -> None:
    if asked.given is not None:
        _may_post(asked, asked.given.by, "/endpoint")


def _may_post(asked: Asked, endpoint: str, at: str) -> None:
    standing, terms = asked.view.standing(endpoint), asked.book.feeds[asked.header.feed]
    if standing.member.member not in terms.post or "poster" not in standing.endpoint.roles:
        raise Refusal(Code.MAY_NOT_POST, at, name=terms.name)


def _status(asked: Asked) -> None:
    header, terms = asked.header, asked.book.feeds[asked.header.feed]
    if header.status not in terms.statuses:
        raise Refusal(Code.STATUS_NOT_ON_FEED, "/status", found=header.status, name=terms.name)


def _tlp(asked: Asked) -> None:
    tlp, terms = asked.header.marking.tlp, asked.book.feeds[asked.header.feed]
    if tlp not in terms.tlp:
        raise Refusal(Code.MARKING_NOT_ON_FEED, "/marking/tlp", found=tlp, name=terms.name)


def _handling(asked: Asked) -> None:
    terms = asked.book.feeds[asked.header.feed]
    for place, code in enumerate(asked.header.marking.handling):
        if code not in terms.handling:
            at = f"/marking/handling/{place}"
            raise Refusal(Code.MARKING_NOT_ON_FEED, at, found=code, name=terms.name)


def _kind(asked: Asked) -> None:
    header = asked.header
    expected = VERB_OF.get(header.type)
    if expected is None and header.verb not in ("new", "update"):
        raise Refusal(Code.VERB_TYPE_MISMATCH, "/verb", expected="new", found=header.verb)
    if expected is not None and header.verb != expected:
        raise Refusal(Code.VERB_TYPE_MISMATCH, "/verb", expected=expected, found=header.verb)
    relation = RELATION_OF.get(header.verb)
    if relation is not None and header.reference(relation) is None:
        raise Refusal(Code.REFERENCE_MISSING, "/refs", expected=relation)
    # A second target would be passed over in silence.
    if relation in BEARING and sum(r.rel == relation for r in header.refs) > 1:
        raise Refusal(Code.WRONG_VALUE, "/refs", expected="one-target")


def _times(asked: Asked) -> None:
    header, skew_s = asked.header, asked.book.limits.skew_s
    if header.issued > asked.now + skew_s:
        raise Refusal(Code.NOT_YET_ISSUED, "/issued", limit=skew_s)
    # Expiry is judged here, at the moment of receipt, and never again at reading.
    if header.expires <= asked.now:
        raise Refusal(Code.EXPIRED, "/expires", found=header.expires)


def _lifetime(asked: Asked) -> None:
    header, limit = asked.header, asked.book.limits.lifetime_s
    lifetime = header.expires - header.issued
    if not 0 < lifetime <= limit:
        raise Refusal(Code.LIFETIME, "/expires", limit=limit, found=lifetime)
    if header.retain_until < header.expires:
        raise Refusal(Code.LIFETIME, "/retain_until", found=header.retain_until)


def _retained(asked: Asked) -> None:
    # Until then its content is kept; from then on it is to be nowhere.
    until = asked.header.retain_until
    if asked.now < until:
        return
    if asked.act == "grant":
        raise Refusal(Code.EXPIRED, "/of", found=until)
    day = datetime.fromtimestamp(until, UTC).date().isoformat()
    raise Refusal(Code.RETENTION_OVER, "/retain_until", day=day)


def _schema(asked: Asked) -> None:
    if asked.header.schema not in asked.book.schemas:
        raise Refusal(Code.SCHEMA_NOT_KNOWN, "/schema", found=asked.header.schema)


def _regime(asked: Asked) -> None:
    regime = asked.header.regime
    if regime is not None and regime not in asked.book.regimes:
        raise Refusal(Code.WRONG_VALUE, "/regime", found=regime)


def _trust_point(asked: Asked) -> None:
    # A sender whose trust inbox differs from ours was shown another history: refuse, loudly.
    place, view = asked.header.trust.position, asked.view
    # Nobody can seal before having seen the root: position 0 would be of any history.
    if place < 1 or place > view.position or view.heads[place] != asked.header.trust.head:
        raise Refusal(Code.TRUST_INVALID, "/trust", found=place, limit=view.position)


def _sizes(asked: Asked) -> None:
    header = asked.header
    limits.must_fit(header.body.size, header.attachments, asked.book.sizes)


def _protected(asked: Asked) -> None:
    declares, tlp = asked.header.declares, asked.header.marking.tlp
    if "protected-person" in declares and tlp not in ("red", "amber+strict"):
        raise Refusal(Code.PROTECTED_PERSONS, "/marking/tlp", found=tlp)
    if "persons" in declares and tlp in FREELY:
        raise Refusal(Code.PERSONS_AUDIENCE, "/marking/tlp", found=tlp)


# -- of one recipient -----------------------------------------------------------------------


def _addressed(asked: Asked, to: To) -> None:
    if to.name not in asked.header.to and asked.given is None:
        raise Refusal(Code.NOT_A_RECIPIENT, to.at, name=to.name)


def _home(asked: Asked, to: To) -> None:
    must_be_home(to.standing.member.nation, asked.here, to.name, to.at)


def _read(asked: Asked, to: To) -> None:
    readers, standing = asked.book.feeds[asked.header.feed].read, to.standing
    if standing.member.member not in readers or "reader" not in standing.endpoint.roles:
        raise Refusal(Code.MAY_NOT_READ, to.at, name=to.name)


def _releasable(asked: Asked, to: To) -> None:
    if to.standing.alpha3 not in asked.header.marking.releasable_to:
        raise Refusal(Code.NOT_RELEASABLE, to.at, name=to.name)


def _onward(asked: Asked, to: To) -> None:
    if asked.given is not None:
        may_go_onward(asked.header, asked.given, to.name, to.at)


def may_go_onward(header: Header, given: Given, name: str, at: str) -> None:
    """Hold what is given to one not in ``to``: by its originator it is released anew.

    By another it is bound by its marking, and by the originator's consent.

    Raises:
        Refusal: by rule 24 or 25.
    """
    if name in header.to or member_of(given.by) == header.origin:
        return
    tlp, is_controlled = header.marking.tlp, header.marking.is_controlled
    within = tlp in WITHIN and member_of(name) == member_of(given.by)
    is_held = tlp not in FREELY and not within
    if given.consent is not None:
        if is_controlled or is_held:
            must_consent(given.consent, given.at, at, name)
    elif is_controlled:
        raise Refusal(Code.ORIGINATOR_CONTROL, at, name=name)
    elif is_held:
        raise Refusal(Code.TLP_ONWARD, at, name=name, found=tlp)


def must_consent(consent: Consent, when: int, at: str, name: str) -> None:
    """Hold what is given to the originator's last word: its end, or that it was withdrawn.

    Raises:
        Refusal: ``consent-withdrawn`` or ``consent-over``.
    """
    if consent.until is None:
        raise Refusal(Code.CONSENT_WITHDRAWN, at, name=name)
    if when >= consent.until:
        day = datetime.fromtimestamp(consent.until, UTC).date().isoformat()
        raise Refusal(Code.CONSENT_OVER, at, name=name, day=day)


def _restrictive(asked: Asked, to: To) -> None:
    for category in asked.borne:
        if category.is_permissive:
            continue
        for value, holders in category.values:
            if to.name not in holders and to.standing.member.member not in holders:
                named = f"{category.name}/{value}"
                raise Refusal(Code.CATEGORY_NOT_HELD, to.at, name=to.name, expected=named)


def _permissive(asked: Asked, to: To) -> None:
    for category in asked.borne:
        if not category.is_permissive:
            continue
        for _, holders in category.values:
            if to.name in holders or to.standing.member.member in holders:
                break
        else:
            named = category.name
            raise Refusal(Code.NO_CATEGORY_HELD, to.at, name=to.name, expected=named)


# -- which, for what, in which order --------------------------------------------------------

_CARRIED: Final[tuple[Rule, ...]] = (_status, _tlp, _handling, _kind)
_SAID: Final[tuple[Rule, ...]] = (_schema, _regime)

ON_BULLETIN: Mapping[Act, tuple[Rule, ...]] = {
    "accept": (
        *(_rate, _author, _feed, _type, _post, *_CARRIED, _times, _lifetime, *_SAID),
        *(_trust_point, _sizes, _protected),
    ),
    "grant": (_granter, _feed, _post_by_granter, _retained),
    "deliver": (_feed, _retained),
    "ingress": (
        *(_foreign, _feed, _type, _post_by_member, *_CARRIED, _lifetime, _retained, *_SAID),
        *(_sizes, _protected),
    ),
}
# After every recipient: nobody is asked to release what would be refused all the same.
AT_LAST: Mapping[Act, tuple[Rule, ...]] = {
    "accept": (releasing.of_bulletin,),
    "grant": (releasing.of_grant,),
    "deliver": (),
    "ingress": (releasing.from_abroad,),
}
_READS: Final[tuple[RecipientRule, ...]] = (_read, _releasable)
_CATEGORIES: Final[tuple[RecipientRule, ...]] = (_restrictive, _permissive)

ON_RECIPIENT: Mapping[Act, tuple[RecipientRule, ...]] = {
    "accept": (*_READS, *_CATEGORIES),
    "grant": (*_READS, _onward, *_CATEGORIES),
    "deliver": (_addressed, *_READS, _onward, *_CATEGORIES),
    "ingress": (_addressed, _home, *_READS, _onward, *_CATEGORIES),
}
