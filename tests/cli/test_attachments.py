"""Files on the command line: attached, reviewed, saved over nothing, and shown only as text."""

from __future__ import annotations

import re

import pytest

from tests.builders import Randomness
from tests.cli.exercise import OPS, WATCH

PHOTO = Randomness("photo")(300_000)
NOTE = "EJERCICIO: nota\n\x1b[2Jborrado\u202eoculto\n"


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "foto.jpg").write_bytes(PHOTO)
    (folder / "nota.txt").write_text(NOTE, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def posted(exercise, files):
    words = ["--attach", str(files / "foto.jpg"), "--attach", str(files / "nota.txt")]
    return exercise.post(*words)


def test_post_names_the_files_it_will_send(exercise, files, posted):
    assert posted["attachments"] == [
        {"name": "foto.jpg", "media_type": "image/jpeg", "size": len(PHOTO)},
        {"name": "nota.txt", "media_type": "text/plain", "size": len(NOTE.encode())},
    ]
    for lang, told in (("en", "Attachment: foto.jpg"), ("es", "Adjunto: foto.jpg")):
        ran = exercise.run(
            *("--context", OPS, "--lang", lang, "post", exercise.draft(), "--dry-run"),
            *("--attach", str(files / "foto.jpg")),
        )
        assert ran.code == 0, ran.err
        assert told in ran.out


def test_progress_is_told_on_stderr(exercise, files):
    ran = exercise.at(
        OPS, "post", exercise.draft(), "--yes", "--attach", str(files / "foto.jpg")
    )
    assert ran.code == 0, ran.err
    assert "Attachment: 100 % (0.3 MB)" in ran.err


@pytest.mark.parametrize(("lang", "told"), [("en", "Saved: "), ("es", "Guardado: ")])
def test_files_are_saved_and_the_page_names_them(exercise, posted, tmp_path, lang, told):
    ran = exercise.run(
        *("--context", WATCH, "--lang", lang, "read", posted["id"], "--save", str(tmp_path))
    )
    assert ran.code == 0, ran.err
    assert (tmp_path / "foto.jpg").read_bytes() == PHOTO
    assert (tmp_path / "nota.txt").read_text(encoding="utf-8") == NOTE
    assert f"{told}{tmp_path / 'foto.jpg'}" in ran.out
    # Saved, and not shown unless asked for.
    assert "borrado" not in ran.out
    again = exercise.at(WATCH, "read", posted["id"], "--save", str(tmp_path))
    assert again.code == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"foto.jpg", "nota.txt", "foto-2.jpg", "nota-2.txt"}


def test_plain_text_is_shown_with_nothing_hidden(exercise, posted, tmp_path):
    ran = exercise.at(WATCH, "read", posted["id"], "--save", str(tmp_path), "--show-text")
    assert ran.code == 0, ran.err
    assert "  | <U+001B>[2Jborrado<U+202E>oculto" in ran.out
    assert "\x1b" not in ran.out
    assert "Not shown: it is no plain text" in ran.out  # the photo


@pytest.mark.parametrize(("name", "data"), [("a.txt", b"\xff\xfe"), ("a.html", b"<script>")])
def test_text_that_is_none_is_not_shown(exercise, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    receipt = exercise.post("--attach", str(tmp_path / name))
    into = tmp_path / "in"
    into.mkdir()
    ran = exercise.at(WATCH, "read", receipt["id"], "--save", str(into), "--show-text")
    assert ran.code == 0, ran.err
    assert "Not shown" in ran.out
    assert "script" not in ran.out


@pytest.mark.parametrize(("lang", "told"), [("en", "2 attachments"), ("es", "2 adjuntos")])
def test_inbox_tells_which_bulletins_carry_files(exercise, posted, lang, told):
    ran = exercise.run("--context", WATCH, "--lang", lang, "inbox")
    (row,) = [line for line in ran.out.splitlines() if posted["id"] in line]
    assert told in row


@pytest.mark.usefixtures("posted")
def test_auditor_replays_a_journal_with_attachments(exercise):
    anchor = exercise.place.founded.anchor
    ran = exercise.run(
        *("audit", "verify", str(exercise.place.node / "journal.db")),
        *("--anchor", anchor, "--json"),
    )
    assert ran.code == 0, ran.out + ran.err


def test_without_a_folder_the_reader_is_told_how_to_save(exercise, posted):
    ran = exercise.at(WATCH, "read", posted["id"])
    assert "save them with --save DIR" in ran.out
    assert re.search(r"Name: +foto\.jpg", ran.out)
    wrong = exercise.at(WATCH, "read", posted["id"], "--show-text")
    assert wrong.code == 2


def test_json_names_what_was_saved_and_holds_no_key(exercise, posted, tmp_path):
    told = exercise.at(WATCH, "read", posted["id"], "--save", str(tmp_path), "--json").json
    assert told["saved"] == [str(tmp_path / "foto.jpg"), str(tmp_path / "nota.txt")]
    attached = told["bulletin"]["attachments"]
    assert [each["name"] for each in attached] == ["foto.jpg", "nota.txt"]
    assert not any("key" in each for each in attached)


def test_file_that_is_not_there_is_a_mistake_of_the_command_line(exercise, tmp_path):
    absent = str(tmp_path / "absent.jpg")
    assert exercise.at(OPS, "post", exercise.draft(), "--yes", "--attach", absent).code == 2


def test_file_that_is_too_large_is_refused_before_anything_is_sent(exercise, tmp_path):
    huge = tmp_path / "huge.mp4"
    with huge.open("wb") as file:
        file.truncate(128 * 1024 * 1024 + 1)
    ran = exercise.at(OPS, "post", exercise.draft(), "--yes", "--json", "--attach", str(huge))
    assert ran.code == 1
    assert ran.json["error"]["code"] == "oversized"
    assert ran.json["error"]["at"] == "/attachments/0"
