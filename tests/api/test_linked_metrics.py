"""What a node counts of its links, for whoever runs it."""

from __future__ import annotations

from exchange.api.metrics import _linked
from exchange.node.links import LinkHealth, Links


def told(name: str, *peers: LinkHealth) -> list[str]:
    lines = _linked(Links(list(peers)))
    return [line.rpartition("} ")[2] for line in lines if line.startswith(f"{name}{{")]


def test_link_that_is_there_is_up_or_down() -> None:
    up, down = (LinkHealth("us", up=each, since=7) for each in (True, False))
    assert told("exchange_peer_up", up, down) == ["1", "0"]
    assert told("exchange_peer_state_since_seconds", down) == ["7"]


def test_what_comes_by_files_alone_stands_as_neither_up_nor_down() -> None:
    filed = LinkHealth("us", up=False, since=7, by_file=True, pulled=9)
    assert told("exchange_peer_up", filed) == []
    assert told("exchange_peer_state_since_seconds", filed) == []
    assert told("exchange_peer_pulled_entries", filed) == ["9"]
