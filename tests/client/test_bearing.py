"""What bears on a bulletin is told by its originator alone, and a correction is held to it."""

from __future__ import annotations

import json

import msgspec
import pytest

from exchange.client.bearing import MAX_CORRECTIONS, Mark, hold, marks, warnings
from exchange.client.reading import Delivered
from exchange.errors import Code
from exchange.model.bulletin import Unknown, decode, doubts
from exchange.model.header import RELATION_OF, Reference
from exchange.model.identity import digest
from tests.builders import COAST, new_id, world
from tests.model.bulletins import CODES, example, plain
from tests.model.correcting import correcting

KIND = {"correct": "cor", "cancel": "can", "update": "voi"}


def named(index):
    return digest(str(index).encode())


def delivered(index, bulletin=None, earlier=(), **header):
    return Delivered(
        position=index,
        index=index,
        taken_ms=0,
        header=world().header(**header),
        digest=named(index),
        late=False,
        target=None,
        accepted=index,
        accepted_ms=0,
        earlier=list(earlier),
        bulletin=bulletin,
    )


def bearing(index, verb, target, bulletin=None, **header):
    refs = [Reference(RELATION_OF[verb], target.header.id, target.digest)]
    usual = {"type": KIND[verb], "verb": verb, "refs": refs}
    return delivered(index, bulletin, **{**usual, **header})


def test_target_is_marked_by_what_bears_on_it_in_order():
    first = delivered(5)
    items = [first, *(bearing(n, v, first) for n, v in ((9, "cancel"), (7, "correct")))]
    items.append(bearing(8, "update", first))
    assert marks(items) == {5: [Mark("corrects", 7), Mark("supersedes", 8), Mark("cancels", 9)]}


def test_what_came_before_its_target_marks_it_once_whether_or_not_it_is_here():
    first = delivered(5, earlier=[("corrects", 3), ("supersedes", 4)])
    update = Mark("supersedes", 4, is_here=False)
    assert marks([first]) == {5: [Mark("corrects", 3, is_here=False), update]}
    assert marks([bearing(3, "correct", first), first]) == {5: [Mark("corrects", 3), update]}


def granted(item, index):
    return msgspec.structs.replace(item, index=index, position=index)


def test_correction_that_was_granted_marks_its_target_once_at_the_entry_of_its_grant():
    first = granted(delivered(5, earlier=[("corrects", 7)]), 8)
    assert marks([first]) == {8: [Mark("corrects", 7, is_here=False)]}
    assert marks([first, granted(bearing(7, "correct", first), 9)]) == {
        8: [Mark("corrects", 9)]
    }


@pytest.mark.parametrize("verb", ["cancel", "correct", "update"])
def test_another_members_word_marks_nothing(verb):
    first = delivered(5)
    assert marks([first, bearing(9, verb, first, endpoint=COAST)]) == {}


def test_digest_of_one_and_id_of_another_marks_nothing():
    first = delivered(5)
    refs = [Reference("cancels", new_id(), first.digest)]
    assert marks([first, bearing(9, "cancel", first, refs=refs)]) == {}


def test_reference_beside_the_one_of_the_verb_marks_nothing():
    first, other = delivered(5), delivered(6)
    both = [Reference("corrects", first.header.id, first.digest)]
    both.append(Reference("answers", other.header.id, other.digest))
    assert marks([first, other, bearing(9, "correct", first, refs=both)]).keys() == {5}


# -- a correction, held to what it corrects -------------------------------------------------


def correction(*changes, target="szr-1"):
    values = plain("cor-1")
    of = example(target)
    values["content"]["target"] |= {"id": of.id, "origin": of.origin, "type": of.type}
    if changes:
        values["content"]["changes"] = [
            dict(zip(("pointer", "before", "after"), each, strict=True)) for each in changes
        ]
    return decode(json.dumps(values).encode(), CODES)


PURITY = "/content/drugs/0/purity_pct"


def seizure():
    return delivered(1, example("szr-1"), type="szr")


def test_correction_that_matches_gives_the_bulletin_as_it_should_read():
    first = seizure()
    held = hold(said := bearing(2, "correct", first, correction()), [first, said], CODES)
    assert (held.refusal, held.unfounded) == (None, [])
    assert held.after.content.drugs[0].quantity.value == 811.4
    assert held.before == first.bulletin


def test_correction_that_claims_what_never_stood_there_is_told_with_what_did():
    first = seizure()
    lie = correction(
        (PURITY, 12.5, 79.0), ("/content/event", first.bulletin.content.event, "x")
    )
    held = hold(said := bearing(2, "correct", first, lie), [first, said], CODES)
    assert held.after is None
    assert held.refusal.code is Code.TARGET_MISMATCH
    assert [(each.change.pointer, each.found) for each in held.unfounded] == [(PURITY, None)]


def test_correction_whose_content_names_another_bulletin_does_not_hold():
    first = seizure()
    other = bearing(2, "correct", first, correction(target="szr-2"))
    held = hold(other, [first, other], CODES)
    assert (held.after, held.refusal.at) == (None, "/content/target")


def test_correction_without_its_target_is_not_said_to_hold():
    first = seizure()
    said = bearing(2, "correct", first, correction())
    assert hold(said, [said], CODES) is None
    locked = msgspec.structs.replace(first, bulletin=None)
    assert hold(said, [locked, said], CODES) is None


def again(first, *, done):
    """A first correction, something that bears on it, then a second of the same member."""
    one = bearing(2, "correct", first, correction((PURITY, None, 60.0)))
    two = bearing(4, "correct", first, correction((PURITY, 60.0, 79.0)))
    return hold(two, [first, one, *done(one), two], CODES)


def test_second_correction_is_held_to_what_the_first_left():
    held = again(seizure(), done=lambda _: [])
    assert held.after.content.drugs[0].purity_pct == 79.0


def test_cancelled_correction_leaves_nothing():
    held = again(seizure(), done=lambda one: [bearing(3, "cancel", one)])
    assert (held.after, held.unfounded[0].found) == (None, None)


def test_correction_whose_words_were_corrected_still_does_what_it_did():
    def mended(one):
        of = plain("cor-1")["id"]
        values = plain("cor-2")
        values["content"]["target"] |= {"id": of, "origin": "pa.senan", "type": "cor"}
        was = one.bulletin.title.text
        change = {"pointer": "/title/text", "before": was, "after": "EXERCISE"}
        values["content"]["changes"] = [change]
        return [bearing(3, "correct", one, decode(json.dumps(values).encode(), CODES))]

    assert again(seizure(), done=mended).after.content.drugs[0].purity_pct == 79.0


@pytest.mark.parametrize("how", ["locked", "in part"])
def test_correction_that_follows_one_that_cannot_be_read_is_said_to_be_unchecked(how):
    def unread(one):
        if how == "locked":
            return msgspec.structs.replace(one, bulletin=None)
        unknown = [Unknown("/content/changes/1/pointer", "/content/weather")]
        said = correction(("/remarks", {"lang": "en", "text": "A"}, None))
        return msgspec.structs.replace(one, bulletin=said, not_understood=unknown)

    first = seizure()
    one = bearing(2, "correct", first, correction((PURITY, None, 60.0)))
    two = bearing(4, "correct", first, correction((PURITY, 60.0, 79.0)))
    assert hold(two, [first, one, two], CODES).after
    assert hold(two, [first, unread(one), two], CODES) is None
    # What holds in spite of it holds.
    lone = bearing(4, "correct", first, correction((PURITY, None, 79.0)))
    assert hold(lone, [first, unread(one), lone], CODES).after


def test_first_correction_is_held_to_the_bulletin_as_it_was_before_the_second():
    first = seizure()
    one = bearing(2, "correct", first, correction((PURITY, None, 60.0)))
    two = bearing(4, "correct", first, correction((PURITY, 60.0, 79.0)))
    assert hold(one, [first, one, two], CODES).after.content.drugs[0].purity_pct == 60.0


def test_corrections_are_held_in_the_order_of_the_journal_whenever_they_were_granted():
    first = granted(seizure(), 5)
    one = granted(bearing(2, "correct", first, correction((PURITY, None, 60.0))), 7)
    two = granted(bearing(4, "correct", first, correction((PURITY, 60.0, 79.0))), 6)
    three = granted(bearing(5, "correct", first, correction((PURITY, 79.0, 80.0))), 8)
    for said, left in ((two, 79.0), (three, 80.0)):
        held = hold(said, [first, two, one, three], CODES)
        assert held.after.content.drugs[0].purity_pct == left


def test_correction_that_follows_one_that_is_not_here_is_said_to_be_unchecked():
    first = msgspec.structs.replace(seizure(), earlier=[("corrects", 2)])
    one = bearing(2, "correct", first, correction((PURITY, None, 60.0)))
    two = bearing(4, "correct", first, correction((PURITY, 60.0, 79.0)))
    assert hold(two, [first, two], CODES) is None
    assert hold(two, [first, one, two], CODES).after is not None
    # So too where what corrected the first correction is not here.
    changed = msgspec.structs.replace(one, earlier=[("corrects", 3)])
    lie = bearing(4, "correct", first, correction((PURITY, 10.0, 70.0)))
    alone = msgspec.structs.replace(first, earlier=[])
    assert hold(lie, [alone, changed, lie], CODES) is None
    # One that matches what is here matches, and one that lies about it with all here lies.
    assert hold(bearing(4, "correct", first, correction((PURITY, None, 70.0))), [first], CODES)
    assert hold(lie, [first, one, lie], CODES).after is None


def chain(first, links):
    """Corrections of corrections, each of the one before; and one more of the bulletin."""
    said = correction((PURITY, None, 60.0))
    items = [first]
    for number in range(links):
        items.append(bearing(2 + number, "correct", items[-1], said))
    return [*items, bearing(2 + links, "correct", first, said)]


@pytest.mark.parametrize("links", [MAX_CORRECTIONS, MAX_CORRECTIONS + 1, 3000])
def test_chain_of_corrections_of_any_length_is_read_or_said_to_be_too_long(links):
    items = chain(seizure(), links)
    held = hold(items[-1], items, CODES)
    if links > MAX_CORRECTIONS:
        assert (held.after, held.refusal.code) == (None, Code.OVERSIZED)
        assert held.refusal.facts == {"corrections": links}
    else:
        # The first correction of the chain holds, so what the last one says never stood there.
        assert (held.refusal.code, held.unfounded[0].found) == (Code.TARGET_MISMATCH, 60.0)


def test_reader_is_warned_of_what_a_correction_makes_of_a_flow():
    values = plain("mig-1")
    cell = {"nationality": "VEN", "sex": "f"}
    values["content"] |= {
        "flow": [{**cell, "minority": "adult", "n": 20}, {**cell, "minority": "child"}],
        "vulnerable": [{"vulnerability": "pregnant", "n": 15}],
    }
    del values["content"]["total_persons"]
    first = delivered(5, decode(json.dumps(values).encode(), CODES), type="mig")

    def told(index, *change):
        said = correcting("mig-1", ("/content/flow/0/n", *change), declares=())
        bulletin = decode(json.dumps(said).encode(), CODES)
        return bearing(index, "correct", first, bulletin)

    wrong, again = told(7, 20, 13), told(8, 13, 12)
    [found] = warnings(wrong, [first, wrong], CODES)
    assert (found.code, found.at) == ("small-number", "/content/vulnerable/0/n")
    # What was told of already is not told of again; what is not here is not known.
    assert warnings(again, [first, wrong, again], CODES) == []
    assert warnings(wrong, [wrong], CODES) == warnings(first, [first], CODES) == []


def test_packages_to_a_guess_are_told_of_once_and_not_believed_of_what_was_never_so():
    first, at = seizure(), "/content/drugs/0/quantity"
    guess = {"qualifier": "estimate", "count": "field", "value": 1200, "unit": "kg"}
    guess["basis"] = "estimated"
    packed = plain("szr-1")["content"]["drugs"][0]["quantity"]
    said = bearing(2, "correct", first, correction((at, packed, guess)))
    assert [each.code for each in doubts(said.bulletin)] == ["packages-to-weight"]
    assert warnings(said, [first, said], CODES) == []
    # Whoever leaves out what it said is found out by who holds it.
    hiding = bearing(3, "correct", first, correction((at, None, guess)))
    held = hold(hiding, [first, hiding], CODES)
    assert (held.after, held.unfounded[0].found["packages"]) == (None, 34)
