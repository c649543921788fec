"""What each format carries: every member of every type is in its file, or listed as lost."""

from __future__ import annotations

import msgspec
import pytest

from exchange import gateway, resources
from exchange.gateway import losses
from exchange.model.bulletin import blocks, shape
from tests.gateway import full
from tests.gateway.handed import SHORT, WIDE, cover
from tests.model.bulletins import CODES, example

TAKEN = [(to, type_) for to in gateway.FORMATS for type_ in gateway.takes(to)]
FILE = blocks.Attachment("plan.pdf", "application/pdf", 7, "B" * 42 + "A", "C" * 42 + "A")
LOST = [(to, loss, pattern) for to in losses.LOSSES for loss in losses.LOSSES[to]
        for pattern in loss.patterns]  # fmt: skip


def files(bulletin, to):
    given = cover(f"{bulletin.type}-1", **(WIDE if to == "cap" else {"tlp": "amber"}))
    return [gateway.export(bulletin, given, to, lang, CODES) for lang in ("es", "en")]


@pytest.mark.parametrize(("to", "type_"), TAKEN)
def test_every_member_is_carried_or_listed_as_lost(to, type_):
    before = files(full.bulletin(full.full(type_)), to)
    missed, wrongly = [], []
    for path, values in full.changed(type_):
        is_lost = any(losses.is_lost(path, loss) for loss in losses.LOSSES[to])
        is_carried = files(full.bulletin(values), to) != before
        missed += [path] if not is_lost and not is_carried else []
        wrongly += [path] if is_lost and is_carried else []
    assert (missed, wrongly) == ([], [])


def test_every_leaf_of_every_type_is_among_the_changes():
    for type_ in gateway.takes("csv"):
        leaves = {path for path, _ in full.changed(type_)}
        assert len(leaves) > 20
        assert {f"{type_}/title/text", f"{type_}/attachments/key"} <= leaves


def attached(name):
    """An example with a file beside it: what examples cannot have before they are posted."""
    return msgspec.structs.replace(example(name), attachments=[FILE])


@pytest.mark.parametrize(("to", "loss", "pattern"), LOST)
def test_every_listed_loss_is_one_of_an_example(to, loss, pattern):
    only = losses.Loss((pattern,), loss.said)
    told = [name for name in SHORT if example(name).type in gateway.takes(to)
            if any(losses.is_lost(path, only) for path in paths(attached(name)))]  # fmt: skip
    assert told, pattern
    assert loss.said in gateway.lost(attached(told[0]), to)


def paths(bulletin):
    values = msgspec.to_builtins(bulletin)
    return set(losses._paths(shape.of(bulletin.type), values, bulletin.type))


def test_a_bulletin_is_told_only_of_what_it_loses_itself():
    assert gateway.lost(example("voi-1"), "csv") == []
    assert len(gateway.lost(attached("voi-1"), "csv")) == 1
    # The map leaves out the drugs and arrests, and by whom titles were translated.
    assert len(gateway.lost(example("szr-1"), "geojson")) == 2


@pytest.mark.parametrize("document", ["docs/exports.md", "docs/exports.es.md"])
def test_the_documents_list_every_loss_and_no_other(document):
    lang = "es" if ".es." in document else "en"
    text = (resources.schemas().parent / document).read_text("utf-8")
    for to in gateway.FORMATS:
        (section,) = [part for part in text.split("\n## ") if part.startswith(f"`{to}`")]
        head = "| se pierde |" if lang == "es" else "| lost |"
        rows = [line for line in section.splitlines() if line.startswith(head)]
        assert len(rows) == len(losses.LOSSES[to])
        for row, loss in zip(rows, losses.LOSSES[to], strict=True):
            assert loss.said.in_(lang) in row
            assert all(f"`{pattern}`" in row for pattern in loss.patterns), row


@pytest.mark.parametrize("to", gateway.FORMATS)
def test_the_same_bulletin_gives_the_same_bytes(to):
    assert files(attached("voi-1"), to) == files(attached("voi-1"), to)
