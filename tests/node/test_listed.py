"""Which logs a node's own witness serves: what the directory in force lists, and ever did."""

from __future__ import annotations

import msgspec

from exchange.cli.serve import log_signers
from exchange.journal.logkeys import log_keys, origin_of
from exchange.node.listed import ListedLogs
from exchange.seal.software import load
from tests.builders import world

NEW = world().founder.new_node("pa")
ORIGIN = origin_of("pa")


def _view(*nodes):
    tenures = {"pa": tuple(enumerate(nodes))}
    return msgspec.structs.replace(world().view, tenures=tenures)


def test_a_hand_over_of_keys_begins_the_next_ring_and_forgets_none():
    before = world().view.nodes["pa"]
    after = msgspec.structs.replace(before, log=[load(key)[0] for key in NEW.of("log")])
    view = _view(before)
    logs = ListedLogs(lambda: view)
    assert logs[ORIGIN] == (tuple(log_keys(before)),)
    view = _view(before, after)
    assert logs[ORIGIN] == (
        tuple(each.key for each in log_signers("pa", world().node)),
        tuple(each.key for each in log_signers("pa", NEW)),
    )


def test_a_document_with_the_same_keys_is_no_other_ring():
    before = world().view.nodes["pa"]
    moved = msgspec.structs.replace(before, url="https://other.example:8443")
    view = _view(before, moved)
    assert len(ListedLogs(lambda: view)[ORIGIN]) == 1


def test_what_the_directory_does_not_list_is_not_served():
    logs = ListedLogs(lambda: world().view)
    assert list(logs) == [ORIGIN]
    assert len(logs) == 1
    assert [logs.get(name) for name in ("exchange/xx", "pa", "other/pa")] == [None] * 3
