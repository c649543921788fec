"""Who is named beyond the day of their review is marked wherever the bulletin is shown."""

from __future__ import annotations

import pytest

from exchange.cli import world
from tests.cli.exercise import OPS, WATCH

# Reviews of the example are on 2028-11-18.
BEFORE, AFTER = 1_857_945_600, 1_858_204_800


@pytest.fixture(scope="module")
def posted(exercise):
    draft = exercise.draft("ocn-1.es.toml")
    sent = exercise.at(OPS, "post", draft, "--yes", "--json").json
    assert exercise.at(WATCH, "inbox", "--json").code == 0
    return sent["id"]


@pytest.mark.parametrize(("now", "is_late"), [(BEFORE, False), (AFTER, True)])
def test_a_review_that_is_overdue_is_marked_loudly(exercise, posted, monkeypatch, now, is_late):
    monkeypatch.setattr(world, "now", lambda: now)
    rows = exercise.at(WATCH, "inbox", "--json").json["items"]
    [row] = [each for each in rows if each["id"] == posted]
    assert row["review_overdue"] is is_late
    told = exercise.at(WATCH, "read", posted, "--json").json
    late = ["/content/persons/0/review_by"] if is_late else []
    assert told["review_overdue"] == late
    for lang, words in (("es", "REVISIÓN VENCIDA"), ("en", "REVIEW OVERDUE")):
        for verb in (["inbox"], ["read", posted], ["export", posted, "--to", "stix"]):
            ran = exercise.at(WATCH, "--lang", lang, *verb)
            assert (words in ran.out + ran.err) is is_late
