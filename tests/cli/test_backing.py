"""Records of a backup, altered by who has the passphrase: none passes for what it is not."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest

from exchange.cli.backing import records
from exchange.cli.backing.gathering import Told, gather
from exchange.cli.backing.reading import verify
from exchange.cli.backing.restoring import Plan, restore
from exchange.cli.standing import evidence
from exchange.cli.state import State
from exchange.client.files import make_private
from exchange.custody.stream import Opener, Sealer
from exchange.errors import Code, ExchangeError, Fault
from tests.builders import Randomness
from tests.cli.exercise import AUDIT, Exercise
from tests.cli.kept import until

PASSPHRASE = "backup passphrase"  # noqa: S105
# Of the link, of the witness, and of one whose memory was put aside.
EVIDENCE = [
    "links/us-TEST.evidence",
    "witness/evidence/TEST.evidence",
    "witness.before-1/evidence/TEST.evidence",
]
UNTOLD = Told(lambda *_: None, lambda *_: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The records of a backup of a node that has an attachment, a purged one, and bulletins."""
    folder = tmp_path_factory.mktemp("whole")
    made = Exercise(folder / "exercise")
    made.start()
    (folder / "file.txt").write_text("exercise")
    made.post("--attach", str(folder / "file.txt"))
    made.post()
    # What is held to a checkpoint needs one: the node signs its first within a second.
    until(lambda: made.at(AUDIT, "audit", "checkpoint", str(folder / "signed")).code == 0)
    assert made.stop() == 0
    (made.place.node / "blobs" / "purged" / ("A" * 43)).touch()
    for name in EVIDENCE:
        make_private((made.place.node / name).parent)
        (made.place.node / name).write_text(name)
    file = io.BytesIO()
    sealer = Sealer(file, "pa", PASSPHRASE, Randomness("backing"))
    gather(State(made.place.node), sealer, UNTOLD, with_keys=True)
    sealer.finish()
    file.seek(0)
    opener, found = Opener(file, lambda _: PASSPHRASE), []
    while not found or not isinstance(found[-1], records.End):
        found.append(records.read(opener))
    return found


def opened(written, rest=b""):
    file = io.BytesIO()
    sealer = Sealer(file, "pa", PASSPHRASE, Randomness("backing"))
    for each in written:
        records.write(each, sealer)
    sealer.write(rest)
    sealer.finish()
    file.seek(0)
    return Opener(file, lambda _: PASSPHRASE)


def refused(written, rest=b""):
    with pytest.raises(Fault) as caught:
        verify(opened(written, rest), lambda *_: None)
    return caught.value.code


def altered(whole, kind, **changes):
    """The records with the first of a kind changed."""
    place = next(at for at, each in enumerate(whole) if isinstance(each, kind))
    changed = msgspec.structs.replace(whole[place], **changes)
    return [*whole[:place], changed, *whole[place + 1 :]]


def places(whole, kind):
    return [at for at, each in enumerate(whole) if isinstance(each, kind)]


def test_honest_records_hold_and_stand_in_their_order(whole):
    found = verify(opened(whole), lambda *_: None)
    assert (found.attachments, found.purged, found.has_keys) == (1, 1, True)
    kinds = [type(each).__name__ for each in whole]
    assert list(dict.fromkeys(kinds)) == [
        *("Head", "File", "Attachment", "Piece", "Group", "Marks", "End")
    ]


@pytest.mark.parametrize("kind", [records.Head, records.Piece, records.End])
def test_record_that_is_left_out_is_missed(whole, kind):
    (place, *_) = places(whole, kind)
    assert refused([*whole[:place], *whole[place + 1 :]]) is Code.BACKUP_DAMAGED


def test_attachment_that_is_left_out_is_missed(whole):
    (place, *_) = places(whole, records.Attachment)
    assert refused([*whole[:place], *whole[place + 2 :]]) is Code.BACKUP_DAMAGED


def test_group_that_is_left_out_or_stands_elsewhere_is_missed(whole):
    groups = places(whole, records.Group)
    for place in groups:
        assert refused([*whole[:place], *whole[place + 1 :]]) is Code.BACKUP_DIFFERS
    one, two = groups[:2]
    swapped = [*whole[:one], whole[two], whole[one], *whole[two + 1 :]]
    assert refused(swapped) is Code.BACKUP_DIFFERS


def test_journal_cut_at_its_end_is_missed(whole):
    last = places(whole, records.Group)[-1]
    cut = [*whole[:last], *whole[last + 1 :]]
    shorter = altered(cut, records.Head, size=whole[last].first)
    # Under its signed size it is told by that, and else by the root in the last record.
    assert refused(shorter) in {Code.BACKUP_BEHIND, Code.BACKUP_DAMAGED}
    assert refused(altered(shorter, records.Head, note=b"")) is Code.BACKUP_DAMAGED


def test_entry_that_is_another_is_missed_by_what_was_signed(whole):
    (first, *_) = places(whole, records.Group)
    entries = [each.replace(b'"taken_ms":1', b'"taken_ms":2') for each in whole[first].entries]
    changed = altered(whole, records.Group, entries=entries)
    assert refused(changed) is Code.BACKUP_DIFFERS


def test_document_that_is_another_is_missed(whole):
    place = next(at for at in places(whole, records.Group) if whole[at].blobs)
    for blobs in ([], [b"{}"]):
        changed = msgspec.structs.replace(whole[place], blobs=blobs)
        written = [*whole[:place], changed, *whole[place + 1 :]]
        assert refused(written) is Code.BACKUP_DIFFERS


def test_another_anchor_or_node_is_missed(whole):
    assert refused(altered(whole, records.Head, anchor="A" * 43)) is Code.BACKUP_DIFFERS
    assert refused(altered(whole, records.Head, node="us")) is Code.BACKUP_DIFFERS


def test_nothing_stands_behind_the_end(whole):
    assert refused(whole, b"x") is Code.BACKUP_DAMAGED
    assert refused([*whole, whole[-1]]) is Code.BACKUP_DAMAGED


@pytest.mark.parametrize("changes", [{"root": bytes(32)}, {"attachments": 0}])
def test_end_tells_what_should_have_gone_by(whole, changes):
    assert refused(altered(whole, records.End, **changes)) is Code.BACKUP_DAMAGED


def test_attachment_with_more_bytes_than_it_says_is_missed(whole):
    (place, *_) = places(whole, records.Attachment)
    changed = altered(whole, records.Attachment, size=whole[place].size - 1)
    assert refused(changed) is Code.BACKUP_DAMAGED


@pytest.mark.parametrize(
    "length", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x00\x00\x00\x01"]
)
def test_record_of_no_kind_or_without_end_is_refused_before_it_is_held(whole, length):
    assert refused(whole[:3], length + b"\xc1") is Code.BACKUP_DAMAGED


@pytest.mark.parametrize(
    "name",
    [
        "../node.json",
        "trust/../../x.trust",
        "trust/a/b.trust",
        "/etc/x",
        "session.key",
        "witness/evidence/x.evidence",
        "links/../x.evidence",
        "links/us.json",
    ],
)
def test_file_leads_nowhere_but_into_the_folder(whole, name):
    assert refused(altered(whole, records.File, name=name)) is Code.BACKUP_DAMAGED


def test_what_convicts_a_node_comes_back_and_no_witness_that_would_vouch(whole, tmp_path):
    new = tmp_path / "new"
    restore(opened(whole), lambda *_: Plan(new, None, []), UNTOLD)
    found = {str(path.relative_to(new)): path for path in new.rglob("*.evidence")}
    there = [EVIDENCE[0], "witness.before-0/evidence/TEST.evidence", EVIDENCE[2]]
    assert sorted(found) == sorted(there) == sorted(evidence(State(new)))
    assert [found[each].read_text() for each in there] == EVIDENCE
    assert not (new / "witness").exists()


def test_settings_of_another_node_are_not_restored(whole, tmp_path):
    (place, *_) = places(whole, records.File)
    assert whole[place].name == "node.json"
    settings: dict[str, Any] = json.loads(whole[place].data)
    for changed in ({**settings, "node": "us"}, {**settings, "zork": 1}):
        written = altered(whole, records.File, data=json.dumps(changed).encode())
        assert restored(written, tmp_path / "new") is Code.BACKUP_DAMAGED
    assert list(tmp_path.iterdir()) == []


def restored(written, folder):
    with pytest.raises(ExchangeError) as caught:
        restore(opened(written), lambda *_: Plan(folder, None, []), UNTOLD)
    return caught.value.code


def test_entry_that_follows_from_no_rule_is_not_restored(whole, tmp_path):
    # As the node itself could have signed it: it takes the trust documents' word that it may.
    last = places(whole, records.Group)[-1]
    group = whole[last]
    changed = msgspec.structs.replace(
        group, statement=whole[places(whole, records.Group)[0]].statement
    )
    written = [*whole[:last], changed, *whole[last + 1 :]]
    assert verify(opened(written), lambda *_: None).size
    assert restored(written, tmp_path / "new") is Code.BACKUP_DIFFERS
    assert list(tmp_path.iterdir()) == []


def test_behind_is_told_before_anything_is_unpacked(whole, tmp_path):
    note = whole[0].note
    shorter = altered(whole, records.Head, size=3)
    (place, *_) = places(whole, records.Attachment)
    with pytest.raises(Fault) as caught:
        restore(
            opened(shorter[: place + 1]),
            lambda *_: Plan(tmp_path / "new", None, [note]),
            UNTOLD,
        )
    assert caught.value.code is Code.BACKUP_BEHIND
