"""What was granted to us: believed of no node, and of no giver more than it may give.

Granted by its originator's member it is released to us. By another it must be let go by its
marking, or by the originator's consent, which is in our own inbox, before the grant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.client import reading
from exchange.client.judging import declined_in, under
from exchange.client.reading import Consented, Delivered, Granted
from exchange.errors import Code, Fault, Refusal
from exchange.model import entry as entries
from exchange.policy import rules
from exchange.seal.open import check_grant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exchange.client.trust import TrustLog
    from exchange.model.objects import Consent, Grant, Subject


def fetched(
    item: Granted, entry: str, trust: TrustLog, consents: Sequence[Consented] = ()
) -> Delivered:
    """Return the bulletin that was granted to us, verified as if it had come itself.

    A node chooses what it answers with: it must be what the originator's grant names.

    Args:
        item: the grant, verified.
        entry: the bulletin's own entry, as the node gave it.
        trust: every view that there has been up to now.
        consents: what is held here of what originators said of passing on, in order.

    Raises:
        Refusal: what does not hold.
        Fault: the consent that it goes by is not here yet.
    """
    read = entries.decode(entry.encode())
    facts = read.facts
    if not isinstance(facts, entries.Accepted):
        raise Refusal(Code.TARGET_MISMATCH, "/of", found=item.of)
    by = under(read, item.of, trust)
    if facts.taken_ms > item.taken_ms:
        raise Refusal(Code.TRUST_INVALID, "/taken_ms", found=facts.taken_ms)
    header, named = reading.header_in(facts, read.object, by)
    check_grant(item.grant, header, named, is_passed_on=item.is_passed_on)
    if item.is_passed_on:
        if item.consent is not None and all(each.index != item.consent for each in consents):
            # The grant was told ahead of its place: what it goes by is still to come.
            raise Fault(Code.UNAVAILABLE, "/consent", found=item.consent)
        given = _given(item.grant, item.taken_ms, consents, item.index)
        rules.may_go_onward(header, given, item.grant.to, "/of")
    return Delivered(
        position=item.position,
        index=item.index,
        taken_ms=item.taken_ms,
        header=header,
        digest=named,
        late=facts.late,
        target=facts.target,
        # What came before it may have been cancelled since: the grant says what stands.
        earlier=item.earlier,
        accepted=item.of,
        accepted_ms=facts.taken_ms,
        grant=item.grant,
        declined=declined_in(facts),
        taken_in=by.came,
        came=item.came,
    )


def withdrawn(item: Delivered, consents: Sequence[Consented]) -> Fault | None:
    """Return why what was passed on to us is not to be read now, if its consent was withdrawn.

    It may be given anew, so nothing is attested of it.
    """
    grant, header = item.grant, item.header
    if grant is None or grant.origin == header.origin:
        return None
    given = _given(grant, item.taken_ms, consents)
    try:
        rules.may_go_onward(header, given, grant.to, "/of")
    except Refusal as refusal:
        return Fault(refusal.code, refusal.at, **refusal.facts)
    return None


def last(
    consents: Iterable[Consented], of: Subject, by: str, to: str, before: int | None = None
) -> Consent | None:
    """Return what the originator said last of this very giving, up to a journal index."""
    found: Consent | None = None
    for each in consents:
        said = each.consent
        is_of_it = (said.of, said.by, said.to) == (of, by, to)
        if is_of_it and (before is None or each.index < before):
            found = said
    return found


def _given(
    grant: Grant, taken_ms: int, consents: Iterable[Consented], before: int | None = None
) -> rules.Given:
    said = last(consents, grant.of, grant.endpoint, grant.to, before)
    consent = rules.Consent(said.until) if said else None
    return rules.Given(grant.endpoint, taken_ms // 1000, consent)
