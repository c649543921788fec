"""What a file is told to be: by its name, unless it begins as something else does."""

from __future__ import annotations

import pytest

from exchange.client.attaching import OTHER_TYPE, look

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0"
FILM = b"\0\0\0\x18ftypisom\0\0\2\0"


@pytest.mark.parametrize(
    ("name", "begins", "told"),
    [
        ("foto.jpg", JPEG, "image/jpeg"),
        ("acta.pdf", b"%PDF-1.7\n", "application/pdf"),
        ("notas.txt", b"Lancha avistada, BM y GIF", "text/plain"),
        ("BM.csv", b"BM;7\nGI;8\nPK;3\nII;4\n", "text/csv"),
        ("vacia.csv", b"", "text/csv"),
        ("tabla.csv", "año;n\n".encode("cp1252"), "text/csv"),
        ("film.mp4", FILM, "video/mp4"),
        # Whose name says otherwise.
        ("acta.pdf", JPEG, "image/jpeg"),
        ("notas.txt", HEIC, OTHER_TYPE),
        ("foto.jpg", HEIC, OTHER_TYPE),
        ("tabla.csv", FILM, OTHER_TYPE),
        ("tabla.csv", b"PK\x03\x04\x14\0", "application/zip"),
        ("mapa.geojson", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("notas.txt", b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        ("notas.txt", b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        ("notas.txt", b"II*\0\x08\0\0\0", "image/tiff"),
        ("notas.txt", b"MM\0*\0\0\0\x08", "image/tiff"),
        ("notas.txt", b"ID3\x04", "audio/mpeg"),
        ("notas.txt", b"GIF89a", OTHER_TYPE),
        ("notas.txt", b"BM\x36\0\x0c\0\0\0\0\0\x36\0\0\0", OTHER_TYPE),
        ("notas.txt", b"\x1aE\xdf\xa3", OTHER_TYPE),
        ("notas.txt", b"OggS\0\2", OTHER_TYPE),
        ("notas.txt", b"#!AMR\n", OTHER_TYPE),
        ("notas.txt", b"\x1f\x8b\x08", OTHER_TYPE),
        # Of no kind that we name: it stays so.
        ("informe.docx", b"PK\x03\x04\x14\0", OTHER_TYPE),
        ("IMG_0001.HEIC", HEIC, OTHER_TYPE),
    ],
)
def test_a_picture_a_sound_a_film_or_an_archive_is_told_for_none_of_the_texts(
    tmp_path, name, begins, told
):
    path = tmp_path / name
    path.write_bytes(begins)
    (file,) = look([path])
    assert (file.media_type, file.size) == (told, len(begins))
