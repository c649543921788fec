"""Rows that are no bulletins are found and told in words, in both languages."""

from __future__ import annotations

import pytest

from exchange.desk import telling
from exchange.desk.shelf import Asked, asked
from tests.desk.watching import CODES, NOW, acked, delivered, purged, refers, shelf


@pytest.mark.parametrize(
    ("item", "english", "spanish"),
    [
        (acked(2, delivered(1)), "Opened (watch-1)", "Abierto (watch-1)"),
        (purged(3, of=1), "Entry 1 was ordered to be purged", "Se ordenó purgar el asiento 1"),
    ],
)
def test_piece_of_news_says_what_it_is_and_is_found_by_its_words(item, english, spanish):
    held = shelf(item, delivered(1))
    row = held.row(item.index)
    for lang, words in (("en", english), ("es", spanish)):
        said, _ = telling.title(row, lang, CODES)
        assert said.lower().startswith(words.lower())
        found = held.find(asked(words), NOW)
        assert [each.item.index for each in found] == [item.index]


def test_flash_that_waits_is_found_without_looking_at_the_rest():
    first = delivered(1, precedence="flash", taken_s=NOW - 10)
    second = delivered(2, precedence="flash", taken_s=NOW - 20)
    held = shelf(
        first, second, delivered(3, precedence="flash"), delivered(4, precedence="routine")
    )
    assert [row.item.index for row in held.waiting("flash", 2)] == [2, 1]
    held.acknowledged |= {first.digest, second.digest}
    assert [row.item.index for row in held.waiting("flash", 9)] == [3]
    assert [row.item.index for row in held.waiting("routine", 9)] == [4]
    assert held.waiting("priority", 9) == []


def test_what_was_counted_and_ordered_is_so_again_after_each_change():
    held = shelf(delivered(1, precedence="flash"))
    assert held.counts(NOW)["flash"] == 1
    held.take([delivered(2, precedence="flash", taken_s=NOW - 5)])
    assert held.counts(NOW)["flash"] == 2
    assert [row.item.index for row in held.find(Asked(), NOW)] == [2, 1]
    held.acknowledged.add(held.row(2).digest)
    assert held.counts(NOW)["flash"] == 1
    assert [row.item.index for row in held.find(Asked(), NOW)] == [1, 2]
    held.read.add(held.key(held.row(1)))
    assert held.counts(NOW)["unread"] == 1
    assert held.counts(NOW + 86_400)["overdue"] == 1
    held.take([delivered(1, precedence="routine")])
    assert held.counts(NOW)["flash"] == 0
    assert [row.item.index for row in held.find(Asked(), NOW)] == [2, 1]


def test_withdrawal_that_came_before_its_target_withdraws_it():
    target = delivered(2, precedence="flash")
    held = shelf(delivered(1, verb="cancel", refs=refers("cancels", target)))
    held.take([target])
    assert held.states(held.row(2), NOW) == {"unread", "withdrawn"}
