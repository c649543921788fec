"""Files of a draft: of a known kind, whole, sealed where they lie, gone with their draft."""

from __future__ import annotations

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
    # A week before, at a desk that is open.
    drafts.expire(NOW + 23 * DAY, [leaving.id])
    assert [each.is_told for each in drafts.all()] == [False, True, False]
    drafts.expire(NOW + 30 * DAY - 1, [leaving.id])
    assert len(drafts.all()) == 3
    drafts.expire(NOW + 30 * DAY, [leaving.id])
    assert {each.id for each in drafts.all()} == {later.id, leaving.id}
    assert drafts.gone() == [gone]
    left = {drafts.files.file(each.files[0]).path for each in (later, leaving, gone)}
    assert set(tmp_path.glob("*.filed")) == left
    (loss,) = losses.listed(box)
    assert (loss.drawer, loss.how, loss.until) == ("desk-drafts", "expired", NOW + 30 * DAY)


def test_draft_of_an_officer_who_was_away_for_long_is_told_of_before_it_goes(tmp_path):
    drafts, late = KeptDrafts(cabinet(tmp_path)), NOW + 300 * DAY
    drafts.put(Kept(new_id(), "voi", {}, NOW))
    drafts.expire(late, [])
    drafts.expire(late + 7 * DAY - 1, [])
    (draft,) = drafts.all()
    assert draft.until_s == late + 7 * DAY
    # Touched, it is as new; and is told of anew.
    drafts.put(msgspec.structs.replace(draft, changed_s=late + 7 * DAY))
    drafts.expire(2 * late, [])
    assert [each.until_s for each in drafts.all()] == [2 * late + 7 * DAY]
    drafts.expire(2 * late + 7 * DAY, [])
    assert not drafts.all()


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
