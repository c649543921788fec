"""What is kept of an organisation is counted anew when it changed, and only then."""

from __future__ import annotations

import os

from exchange.cli import world
from exchange.store import blob_files
from exchange.store.blob_files import BlobFiles
from tests.api.attached import BLOB, DATA
from tests.builders import OPS


async def test_what_is_kept_is_counted_anew_only_where_it_changed(tmp_path, monkeypatch):
    counts, announced = [], blob_files._announced
    monkeypatch.setattr(
        blob_files, "_announced", lambda folder: counts.append(folder) or announced(folder)
    )
    blobs = BlobFiles(tmp_path, world.clock_ms)
    await blobs.append(OPS, BLOB, 0, DATA)
    (folder,) = (tmp_path / "counted").iterdir()
    os.utime(folder, (1, 1))
    for _ in range(3):
        assert await blobs.kept() == {folder.name: 0}
    assert counts.count(folder) == 2
    await blobs.finish(OPS, BLOB)
    await blobs.keep(OPS, [BLOB])
    (size,) = (await blobs.kept()).values()
    assert size >= len(DATA)
    await blobs.close()
