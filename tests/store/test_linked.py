"""What a link keeps: how far it came, and what convicts a node, once for each lie."""

from __future__ import annotations

from exchange.store.linked import LinkFile


def test_evidence_is_kept_once_for_the_checkpoint_that_was_known(tmp_path):
    links = LinkFile(tmp_path / "links", "us")
    first = links.accuse(b"known", b"against what came later")
    assert links.accuse(b"known", b"against what came later still") == first
    assert (tmp_path / "links" / first).read_bytes() == b"against what came later"
    assert links.accuse(b"another", b"against what came later") != first
    assert len(list((tmp_path / "links").glob("us-*.evidence"))) == 2
