"""What was ordered to be purged after a backup does not come back with it."""

from __future__ import annotations

import json

from exchange.cli.journal_file import opened
from exchange.model import entry as entries
from tests.cli.exercise import AUDIT, OPS, Exercise
from tests.cli.kept import SECRET, until


def test_body_that_a_backup_still_has_is_destroyed_again_by_the_order_that_came_after(tmp_path):
    made = Exercise(tmp_path / "exercise")
    node, second, backup = made.place.node, tmp_path / "second", tmp_path / "older.xbk"
    second.mkdir()
    settings = json.loads((node / "node.json").read_bytes())
    (node / "node.json").write_text(json.dumps({**settings, "second": str(second)}))
    made.start()
    try:
        attached = tmp_path / "exercise.txt"
        attached.write_text("exercise")
        sent = made.post("--attach", str(attached))
        other = made.post()
        with opened(node / "journal.db") as source:
            facts = [
                entries.decode(source.read(each["index"], 1)[0].entry).facts
                for each in (sent, other)
            ]
            body, kept = (source.blob(each.blobs[0].digest)[-100:] for each in facts)
        words = ["backup", str(backup), "--state", str(node)]
        assert made.run(*words, **SECRET).code == 0
        draft = made.draft("can-1.es.toml", **{"must_purge = false": "must_purge = true"})
        ran = made.at(OPS, "post", draft, "--target", sent["id"], "--yes", "--json")
        assert ran.code == 0, ran.err

        def is_done():
            told = made.at(AUDIT, "audit", "log", "--purged", "--json").json["purged"]
            return bool(told and told[0]["done"])

        until(is_done)
    finally:
        assert made.stop() == 0, made.log.read_text()
    assert body not in every(node)
    assert body not in every(second)
    assert kept in every(second)
    new = tmp_path / "new"
    words = ["restore", str(backup), "--into", str(new), "--second", str(second), "--json"]
    said = made.run(*words, **SECRET)
    assert said.code == 0, said.out
    assert said.json["restored"]["holds"]["bodies_missing"] == 0
    raw = every(new)
    assert (body in raw, kept in raw) == (False, True)
    anchor = json.loads((new / "node.json").read_bytes())["anchor"]
    ran = made.run("audit", "verify", str(new / "journal.db"), "--anchor", anchor, "--json")
    assert (ran.code, ran.json["orders"], ran.json["purged"]) == (0, 1, 1)


def every(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
