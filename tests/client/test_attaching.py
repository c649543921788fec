"""What a file is told to be: by its name, unless that is of a text and the file is none."""

from __future__ import annotations

import pytest

from exchange.client.attaching import OTHER_TYPE, look

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1"
# How pictures, fingerprints, irises, sounds, films and archives begin.
BINARY = {
    "7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "aac": b"\xff\xf1\x50\x80\x02\x1f\xfc",
    "amr": b"#!AMR\n\x3c\x48\xf5\x1f",
    "avi": b"RIFF\x24\0\0\0AVI LIST",
    "bmp": b"BM\x36\0\x0c\0\0\0\0\0\x36\0\0\0",
    "bz2": b"BZh9\x17rE8P\x90\0\0\0\0",
    "face": b"FAC\x00010\0\0\0",
    "film": b"\0\0\0\x18ftypisom\0\0\2\0",
    "finger": b"FMR\0 20\0\0\0\0",
    "flac": b"fLaC\0\0\0\x22",
    "gif": b"GIF89a\x10\0\x10\0",
    "gzip": b"\x1f\x8b\x08",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0",
    "ico": b"\0\0\1\0\1\0",
    "iris": b"IIR\x00020\0",
    "jp2": b"\0\0\0\x0cjP  \r\n\x87\n",
    "jpeg": JPEG,
    "jpeg after a blank": b" " + JPEG,
    "jpeg after much": b"Lancha avistada.\n" * 200_000 + JPEG,
    "jxl": b"\xff\x0a\xfa\x1f\x01\x90",
    "matroska": b"\x1aE\xdf\xa3\x9f",
    "mp3": b"\xff\xfb\x90\x64\0\x0f",
    "mp3 with its name": b"ID3\x04\0\0",
    "ogg": b"OggS\0\2",
    "png": b"\x89PNG\r\n\x1a\n",
    "psd": b"8BPS\0\1\0\0",
    "rar": b"Rar!\x1a\x07\1\0",
    "raw": b"IIU\0\x18\0\0\0",
    "tga": b"\0\0\2\0\0\0",
    "tiff": b"II*\0\x08\0\0\0",
    "tiff, big": b"II+\0\x08\0\0\0",
    "wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "wmv": b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0",
    "wsq": b"\xff\xa0\xff\xa8\0z",
    "xz": b"\xfd7zXZ\0\0\4",
    "zip": b"PK\x03\x04\x14\0",
}


def told(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    (file,) = look([path])
    assert file.size == len(data)
    return file.media_type


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("acta.pdf", b"%PDF-1.7\n\0\1", "application/pdf"),
        ("notas.txt", b"Lancha avistada, BM y GIF", "text/plain"),
        ("notas.txt", b"Uno\r\n\tdos\x0c\n", "text/plain"),
        ("consola.txt", b"\x1b[31mALERTA\x1b[0m\n", "text/plain"),
        ("notas.txt", "\ufeffEn español, 中文, русский\n".encode(), "text/plain"),
        ("BM.csv", b"BM;7\nGI;8\nPK;3\nII;4\n", "text/csv"),
        ("vacia.csv", b"", "text/csv"),
        ("tabla.csv", "año;n;€\n".encode("cp1252"), "text/csv"),
        ("mapa.geojson", b'{"type": "Point", "coordinates": [-80, 7]}', "application/geo+json"),
        ("foto.jpg", JPEG, "image/jpeg"),
        ("film.mp4", BINARY["film"], "video/mp4"),
        # Of no kind that we name: it stays so.
        ("informe.docx", BINARY["zip"], OTHER_TYPE),
        ("IMG_0001.HEIC", BINARY["heic"], OTHER_TYPE),
    ],
)
def test_a_file_is_told_by_the_end_of_its_name(tmp_path, name, data, kind):
    assert told(tmp_path, name, data) == kind


@pytest.mark.parametrize("name", ["notas.txt", "TABLA.CSV", "mapa.geojson", "acta.pdf"])
@pytest.mark.parametrize("kind", BINARY)
def test_what_is_no_text_is_told_for_none_of_what_is_read(tmp_path, kind, name):
    assert told(tmp_path, name, BINARY[kind]) == OTHER_TYPE


@pytest.mark.parametrize("data", [b"", b"\n%PDF-1.7\n", b"Lancha avistada.", b"%PDF"])
def test_what_begins_otherwise_is_told_for_no_pdf(tmp_path, data):
    assert told(tmp_path, "acta.pdf", data) == OTHER_TYPE
