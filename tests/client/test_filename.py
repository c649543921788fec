"""A sender's file name is never an order to the reader's machine."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.client.filename import MAX_BYTES, safe_name


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("EJERCICIO foto.jpg", "EJERCICIO foto.jpg"),
        ("lancha rápida ñ.pdf", "lancha rápida ñ.pdf"),
        ("../../etc/passwd", "_._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("..\\..\\boot.ini", "_.._boot.ini"),
        ("C:\\x:y", "C__x_y"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\u200b\u2066b\u2069.txt", "ab.txt"),
        ("a\x1b[2J\r\nb\0.txt", "a[2Jb.txt"),
        (".bashrc", "bashrc"),
        ("...", "attachment"),
        ("~root", "root"),
        ("-rf", "rf"),
        ("", "attachment"),
        (" \u2028\u00a0", "attachment"),
        ("a. . ", "a"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("LPT³ .x", "_LPT³.x"),
        ("console.txt", "console.txt"),
        ('a*?"<>|b', "a______b"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_name_is_made_harmless(told: str, name: str) -> None:
    assert safe_name(told) == name


def test_long_name_is_cut_and_keeps_its_ending() -> None:
    name = safe_name("ñ" * 200 + ".jpeg")
    assert name.endswith("ñ.jpeg")
    assert len(name.encode()) <= MAX_BYTES
    assert len(safe_name("a." + "b" * 300).encode()) <= MAX_BYTES


@given(st.text(max_size=300))
def test_any_name_is_one_plain_component(told: str) -> None:
    name = safe_name(told)
    assert name
    assert len(name.encode()) <= MAX_BYTES + 1  # an underscore before a device
    assert not set(name) & set('/\\:*?"<>|')
    assert name[0] not in ".-~ "
    assert name[-1] not in ". "
    assert all(unicodedata.category(c)[0] != "C" for c in name)
    assert safe_name(name) == name
