"""Files of a draft: of a known kind, whole, sealed where they lie, gone with their draft."""

from __future__ import annotations

import json
import os

import msgspec
import pytest

from exchange.client import losses
from exchange.desk.kept_drafts import Kept, KeptDrafts
from exchange.desk.kept_files import Filed, KeptFiles
from exchange.errors import Code, Refusal
from exchange.model.bulletin.words import MAX_ATTACHMENT_BYTES
from tests.api.serving import serving
from tests.builders import DAY, NOW, NOW_MS, OPS, WATCH, new_id
from tests.client.attached import endpoint, node, received
from tests.client.dealing import cabinet, draft

KEY = bytes(range(32))
JPEG = b"\xff\xd8\xff EXERCISE " * 40_000
TEXT = b"EJERCICIO: lancha al sur"


async def pieces(content, size=64 * 1024):
    for begin in range(0, len(content), size):
        yield content[begin : begin + size]


async def taken(files, name, content, size=None):
    size = len(content) if size is None else size
    return await files.take(new_id(), name, size, KEY, pieces(content))


async def test_file_is_told_of_as_it_is_and_lies_sealed(tmp_path):
    box = cabinet(tmp_path)
    files = KeptFiles(box)
    filed = await taken(files, "EXERCISE.txt", TEXT)
    assert (filed.media_type, filed.size) == ("text/plain", len(TEXT))
    (path,) = tmp_path.glob("*.filed")
    assert TEXT not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"".join(files.file(filed).pieces()) == TEXT


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("EXERCISE.exe", b"MZ", Code.FILE_TYPE),
        ("EXERCISE", b"x", Code.FILE_TYPE),
        ("EXERCISE.jpg", b"GIF89a", Code.FILE_TYPE),
        ("EXERCISE.txt", b"text\0", Code.FILE_TYPE),
        ("EXERCISE.pdf", b"", Code.FILE_TYPE),
        ("../EXERCISE.txt", b"x", Code.WRONG_VALUE),
        ("EXERCISE\u202etxt.txt", b"x", Code.WRONG_VALUE),
        ("", b"x", Code.WRONG_VALUE),
    ],
)
async def test_other_kinds_and_names_are_refused_and_nothing_is_kept(
    tmp_path, name, content, code
):
    with pytest.raises(Refusal) as refused:
        await taken(KeptFiles(cabinet(tmp_path)), name, content)
    assert refused.value.code is code
    assert not list(tmp_path.glob("*.filed"))


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (len(TEXT) - 1, Code.SIZE_MISMATCH),
        (len(TEXT) + 1, Code.SIZE_MISMATCH),
        (MAX_ATTACHMENT_BYTES + 1, Code.OVERSIZED),
    ],
)
async def test_other_sizes_than_announced_and_allowed_are_refused(tmp_path, size, code):
    with pytest.raises(Refusal) as refused:
        await taken(KeptFiles(cabinet(tmp_path)), "EXERCISE.txt", TEXT, size)
    assert refused.value.code is code
    assert not list(tmp_path.glob("*.filed"))


async def test_files_go_with_their_draft_and_what_nobody_names_is_swept(tmp_path):
    drafts = KeptDrafts(cabinet(tmp_path))
    kept, lost = [await taken(drafts.files, "EXERCISE.txt", TEXT) for _ in range(2)]
    made = Kept(new_id(), "voi", {}, NOW, [kept])
    drafts.put(made)
    for path in tmp_path.glob("*.filed"):
        os.utime(path, (NOW, NOW))
    drafts.sweep(NOW_MS)
    assert len(list(tmp_path.glob("*.filed"))) == 2
    drafts.sweep(NOW_MS + 2 * 86_400_000)
    assert list(tmp_path.glob("*.filed")) == [drafts.files.file(kept).path]
    moved = drafts.move(made, new_id())
    assert drafts.attached(moved.id) == [kept]
    assert isinstance(lost, Filed)
    drafts.drop(moved.id)
    assert not list(tmp_path.glob("*.filed"))


async def test_draft_that_nobody_touched_goes_with_its_files_and_is_told_of(tmp_path):
    box = cabinet(tmp_path)
    drafts = KeptDrafts(box)
    old, later, leaving, gone = [
        Kept(new_id(), "voi", {}, NOW + late, [await taken(drafts.files, "EXERCISE.txt", TEXT)])
        for late in (0, 1, 0, 0)
    ]
    # What went waits for its receipt, however long.
    gone = msgspec.structs.replace(gone, went=new_id())
    for each in (old, later, leaving, gone):
        drafts.put(each)
    # On the seven days before, at a desk that was open.
    for day in range(23, 30):
        drafts.expire(NOW + day * DAY, [leaving.id])
        told = [len(each.told) for each in sorted(drafts.all(), key=lambda each: each.id)]
        assert sum(told) == (day - 22) + (day - 23)
    drafts.expire(NOW + 30 * DAY - 1, [leaving.id])
    assert len(drafts.all()) == 3
    drafts.expire(NOW + 30 * DAY, [leaving.id])
    assert {each.id for each in drafts.all()} == {later.id, leaving.id}
    assert drafts.gone() == [gone]
    left = {drafts.files.file(each.files[0]).path for each in (later, leaving, gone)}
    assert set(tmp_path.glob("*.filed")) == left
    (loss,) = losses.listed(box)
    assert (loss.drawer, loss.how, loss.until) == ("desk-drafts", "expired", NOW + 30 * DAY)


def looked(drafts, *days):
    """Look on these days, more than once, from when they were written; what is left."""
    for day in days:
        for second in (0, 60, 3600):
            drafts.expire(NOW + round(day * DAY) + second, [])
    return [each.id for each in drafts.all()]


@pytest.fixture
def old(tmp_path):
    """Drafts, one of which is there."""
    drafts = KeptDrafts(cabinet(tmp_path))
    drafts.put(Kept(new_id(), "voi", {}, NOW))
    return drafts


def test_draft_is_told_of_on_seven_days_however_late_before_it_goes(old):
    # A desk that a colleague opened for a moment, three weeks on; then each day, from day 300.
    assert looked(old, 23, *range(300, 306))
    (draft,) = old.all()
    assert draft.until_s == (NOW // DAY + 306) * DAY
    # Touched, it is as new; and is told of anew.
    touched = NOW + 306 * DAY
    old.put(msgspec.structs.replace(draft, changed_s=touched))
    assert looked(old, 306, 328)
    assert old.all()[0].until_s == touched + 30 * DAY
    assert looked(old, *range(336, 343))
    assert not looked(old, 343)


def test_nothing_goes_the_first_time_that_a_desk_looks(old):
    assert looked(old, *range(23, 30))
    again = KeptDrafts(old._cabinet)
    again.expire(NOW + 31 * DAY, [])
    assert again.all()
    again.expire(NOW + 31 * DAY, [])
    assert not again.all()


def test_clock_that_was_ahead_deletes_no_draft_and_keeps_none_for_ever(old):
    # Told of by a clock that was ahead, it was not.
    assert looked(old, *range(400, 407))
    assert looked(old, 22)
    assert old.all()[0].told == []
    assert looked(old, 23, *range(3650, 3653), *range(24, 30))
    assert not looked(old, 30)
    # Touched by such a clock, it is new from now.
    old.put(Kept(new_id(), "voi", {}, NOW + 3650 * DAY))
    assert looked(old, 0, *range(23, 30))
    assert not looked(old, 30)


def test_draft_of_an_older_desk_is_read_and_told_of_anew(old):
    (draft,) = old.all()
    raw = json.dumps({**msgspec.to_builtins(draft), "told_s": NOW + 20 * DAY}).encode()
    old._cabinet.put("desk-drafts", draft.id, raw)
    assert looked(old, 30)
    assert len(old.all()[0].told) == 1


async def test_what_is_kept_sealed_is_attached_and_arrives_as_it_was(tmp_path):
    async with node(tmp_path) as door, endpoint(door.url, tmp_path / "out", OPS) as (poster, _):
        drafts = KeptDrafts(poster.world.cabinet)
        filed = await taken(drafts.files, "EXERCISE foto.jpg", JPEG)
        file = drafts.files.file(filed)
        prepared = await poster.prepare(draft(), attach=[file])
        await poster.post(prepared)
        async with endpoint(door.url, tmp_path / "in", WATCH) as (reader, _):
            item = await received(reader)
            (told,) = item.bulletin.attachments
            assert (told.name, told.media_type) == ("EXERCISE foto.jpg", "image/jpeg")
            assert told.digest == filed.digest
            saved = tmp_path / "saved"
            saved.mkdir()
            assert (await reader.save(item, 0, saved)).read_bytes() == JPEG


async def test_file_that_was_altered_is_not_sent(tmp_path):
    async with serving() as door, endpoint(door.url, tmp_path, OPS) as (poster, _):
        files = KeptFiles(poster.world.cabinet)
        file = files.file(await taken(files, "EXERCISE.txt", TEXT))
        raw = bytearray(file.path.read_bytes())
        raw[-1] ^= 1
        file.path.write_bytes(raw)
        with pytest.raises(Refusal) as refused:
            await poster.post(await poster.prepare(draft(), attach=[file]))
        assert refused.value.code is Code.CANNOT_DECRYPT
        assert poster.world.outbox.waiting() == []
