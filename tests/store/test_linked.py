"""What a link keeps: how far it came, and what convicts a node, once for each lie."""

from __future__ import annotations

import msgspec
import pytest

from exchange.errors import Code, Fault
from exchange.link.proving import Pulled
from exchange.link.waiting import Waiting
from exchange.store.linked import LinkFile


def test_evidence_is_kept_once_for_the_checkpoint_that_was_known(tmp_path):
    links = LinkFile(tmp_path / "links", "us")
    first = links.accuse(b"known", b"against what came later")
    assert links.accuse(b"known", b"against what came later still") == first
    assert (tmp_path / "links" / first).read_bytes() == b"against what came later"
    assert links.accuse(b"another", b"against what came later") != first
    assert len(list((tmp_path / "links").glob("us-*.evidence"))) == 2


@pytest.mark.parametrize(
    "write",
    [lambda links: links.keep(Pulled(), ()), lambda links: links.accuse(b"known", b"lie")],
)
def test_what_cannot_be_written_is_a_fault(tmp_path, write):
    (tmp_path / "links").write_bytes(b"")
    with pytest.raises(Fault) as caught:
        write(LinkFile(tmp_path / "links", "us"))
    assert caught.value.code is Code.FILE


def waiting(*indexes, tries=1):
    return {each: Waiting(each, "kept-quota", 0, 30, tries) for each in indexes}


def test_how_far_it_came_and_what_waits_is_there_at_the_next_start(tmp_path):
    links = LinkFile(tmp_path / "links", "us")
    assert links.recall(Pulled) is None
    kept = Pulled(after=7, inboxes={"us.a/b": 3}, gone={4: 9}, waiting=waiting(3, 5))
    links.keep(kept, (3, 5))
    assert LinkFile(tmp_path / "links", "us").recall(Pulled) == kept
    # One came, one was tried again, one is new; by another start of the node.
    again = LinkFile(tmp_path / "links", "us")
    again.recall(Pulled)
    for now, changed in (
        (waiting(5), [3]),
        (waiting(5, tries=2), [5]),
        (waiting(5, 8, tries=2), [8]),
        (waiting(8, tries=2), [5]),
    ):
        later = msgspec.structs.replace(kept, after=kept.after + 1, waiting=now)
        again.keep(later, changed)
        assert LinkFile(tmp_path / "links", "us").recall(Pulled) == later


def test_what_an_older_program_kept_is_read(tmp_path):
    kept = Pulled(after=7, waiting=waiting(3, 5))
    links = tmp_path / "links"
    links.mkdir()
    (links / "us.json").write_bytes(msgspec.json.encode(kept))
    file = LinkFile(links, "us")
    assert file.recall(Pulled) == kept
    later = msgspec.structs.replace(kept, waiting=waiting(5))
    file.keep(later, [3])
    assert LinkFile(links, "us").recall(Pulled) == later


def test_what_is_written_for_a_page_is_what_changed_of_what_waits(tmp_path):
    links = LinkFile(tmp_path / "links", "us")
    much = waiting(*range(20_000))
    links.keep(Pulled(waiting=much), much)
    path = tmp_path / "links" / "us.waiting"
    whole = path.stat().st_size
    links.keep(Pulled(waiting=much | waiting(7, 9, tries=2)), [7, 9])
    assert 0 < path.stat().st_size - whole < 300
    links.keep(Pulled(after=1, waiting=much | waiting(7, 9, tries=2)), ())
    assert (tmp_path / "links" / "us.json").stat().st_size < 1000
    # Nearly all of it came.
    links.keep(Pulled(waiting=waiting(7)), much)
    assert path.stat().st_size < 1000
    assert LinkFile(tmp_path / "links", "us").recall(Pulled) == Pulled(waiting=waiting(7))


def test_a_line_that_was_cut_by_a_power_cut_is_left_out_and_nothing_is_joined_to_it(tmp_path):
    links = LinkFile(tmp_path / "links", "us")
    links.keep(Pulled(waiting=waiting(3)), [3])
    links.keep(Pulled(waiting=waiting(3, 5)), [5])
    path = tmp_path / "links" / "us.waiting"
    path.write_bytes(path.read_bytes()[:-9])
    again = LinkFile(tmp_path / "links", "us")
    assert again.recall(Pulled) == Pulled(waiting=waiting(3))
    again.keep(Pulled(waiting=waiting(3, 8)), [8])
    assert LinkFile(tmp_path / "links", "us").recall(Pulled) == Pulled(waiting=waiting(3, 8))
