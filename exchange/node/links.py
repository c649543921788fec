"""How a node's links to other nodes are, for whoever runs it: numbers and codes, no content."""

from __future__ import annotations

import msgspec


class LinkHealth(msgspec.Struct, frozen=True):
    """One other node, as seen from here; all times in seconds UTC, 0 for never.

    Args:
        node: its name.
        up: whether it answered when it was asked last.
        since: when that began to be so.
        pulled: how many entries of its journal were looked through for what is ours.
        size: how many the newest checkpoint of it has that was seen, and held.
        seen: when its journal dated that checkpoint.
        lag_s: for how long not everything that it showed is here; 0 while it is.
        witness: whose cosignature under our checkpoints is its own; empty: none by the policy.
        cosigned: how many entries our journal had when it cosigned last.
        cosigned_at: when that was.
        vouched: how many entries its journal had when our witness cosigned it last.
        code: why it is down, or why nothing more is taken over this link; empty: neither.
        stopped: whether it is the latter: what it said does not hold.
        at: of what the code is told, as a JSON pointer.
        facts: what its words speak of; identifiers and numbers.
        behind: the trust documents that are in force there in a newer version than here, each
            with both versions and why, as ``name 2<3 code``.
        waiting: how many of its entries are not here yet, for an attachment that lacks.
        awaited: the first of them, each with why and since when, as ``index code seconds``.
        file_at: when a file of it was taken in last.
        file_to: up to which entry of its journal that went.
        leaves: of how many of its entries the hashes are kept here.
        leaves_code: why no more of them come; empty: they do.
        by_file: whether what comes from there comes by files alone; then ``up`` says nothing.
    """

    node: str
    up: bool
    since: int
    pulled: int = 0
    size: int = 0
    seen: int = 0
    lag_s: int = 0
    witness: str = ""
    cosigned: int = 0
    cosigned_at: int = 0
    vouched: int = 0
    code: str = ""
    stopped: bool = False
    at: str = ""
    facts: dict[str, str | int] = {}
    behind: list[str] = []
    waiting: int = 0
    awaited: list[str] = []
    file_at: int = 0
    file_to: int = 0
    by_file: bool = False
    leaves: int = 0
    leaves_code: str = ""

    @property
    def trust_behind(self) -> int:
        """How many they are."""
        return len(self.behind)


class Links(msgspec.Struct, frozen=True):
    """All links of a node, and what it keeps that convicts a journal.

    Args:
        peers: the other nodes, by name.
        evidence: the files, from the node's folder on.
        witness: the name by which this node's own witness cosigns; empty: it has none.
        trouble: the code of why that one vouches for nobody; empty: it does.
        callers: how many connections there are to our own link.
        turned_away: how many were hung up on: there was no room, or nobody said who it was.
    """

    peers: list[LinkHealth] = []
    evidence: list[str] = []
    witness: str = ""
    trouble: str = ""
    callers: int = 0
    turned_away: int = 0


class Told(msgspec.Struct, frozen=True):
    """What a running node says of its links, for its operator to read beside it."""

    node: str
    at: int
    unwitnessed_s: int | None
    links: Links
