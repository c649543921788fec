"""What a link keeps: how far it came, and what convicts a node, once for each lie."""

from __future__ import annotations

import pytest

from exchange.errors import Code, Fault
from exchange.link.proving import Pulled
from exchange.store.linked import LinkFile


def test_evidence_is_kept_once_for_the_checkpoint_that_was_known(tmp_path):
    links = LinkFile(tmp_path / "links", "us")
    first = links.accuse(b"known", b"against what came later")
    assert links.accuse(b"known", b"against what came later still") == first
    assert (tmp_path / "links" / first).read_bytes() == b"against what came later"
    assert links.accuse(b"another", b"against what came later") != first
    assert len(list((tmp_path / "links").glob("us-*.evidence"))) == 2


@pytest.mark.parametrize(
    "write", [lambda links: links.keep(Pulled()), lambda links: links.accuse(b"known", b"lie")]
)
def test_what_cannot_be_written_is_a_fault(tmp_path, write):
    (tmp_path / "links").write_bytes(b"")
    with pytest.raises(Fault) as caught:
        write(LinkFile(tmp_path / "links", "us"))
    assert caught.value.code is Code.FILE
