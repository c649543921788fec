"""The page is what its sources make, and can reach nothing; the script needs nothing."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import cryptography
import pytest

from exchange.evidence import archive, package
from exchange.evidence.judge import NAMES
from exchange.evidence.words import SAID
from tests.evidence import made, page
from tests.peers.javascript import LOCK, needs_packages

TREE = page.FOLDER.parents[1]


@needs_packages
def test_page_is_what_its_sources_make():
    assert page.MADE.read_bytes() == page.page(), "run `python -m tests.evidence.page`"


def test_page_runs_its_own_program_alone_and_reaches_nothing():
    text = page.MADE.read_text("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for name in ("script", "style"):
        (inside,) = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        hashed = base64.b64encode(sha256(inside.encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{hashed}'"
    assert not re.search(r"<[^>]+\s(src|href|style|on[a-z]+)=", text)
    assert rules["require-trusted-types-for"] == "'script'"


def test_page_names_the_libraries_in_it_as_they_are_pinned_and_its_program_s_digest():
    text = page.MADE.read_text("utf-8")
    packages = json.loads(LOCK.read_text("utf-8"))["packages"]
    for name in ("curves", "hashes", "post-quantum"):
        told = packages[f"node_modules/@noble/{name}"]
        assert f"@noble/{name} {told['version']}</code> ({told['license']})" in text
    (program,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert sha256(program.encode()).hexdigest() in text
    assert "MIT License (c)" in program


def test_page_has_every_word_it_asks_for_in_both_languages():
    words = json.loads((page.SOURCES / "words.json").read_text("utf-8"))
    template = (page.SOURCES / "page.html").read_text("utf-8")
    program = (page.SOURCES / "page.mjs").read_text("utf-8")
    asked = set(re.findall(r'data-word="([a-z-]+)"', template))
    asked |= set(re.findall(r'word\("([a-z-]+)"\)', program))
    assert asked <= words.keys()
    for both in words.values():
        assert both.keys() == {"es", "en"}
        assert all(both.values())


def test_every_field_of_the_page_has_a_label():
    template = (page.SOURCES / "page.html").read_text("utf-8")
    fields = re.findall(r"<(?:input|textarea)[^>]* id=\"([a-z-]+)\"", template)
    assert len(fields) == 3
    assert all(f'<label for="{each}"' in template for each in fields)
    assert 'role="status" aria-live="polite"' in template


def test_every_step_has_its_words():
    assert tuple(SAID) == NAMES


def test_docs_name_the_digests_of_the_verifiers_that_are_shipped():
    for name in ("evidence.md", "evidence.es.md"):
        text = (TREE / "docs" / name).read_text("utf-8")
        for each in package.VERIFIERS:
            assert sha256(package.verifier(each)).hexdigest() in text, (name, each)


# -- the script -------------------------------------------------------------------------------


def test_script_is_no_longer_than_promised():
    lines = (page.FOLDER / "verify.py").read_text("utf-8").splitlines()
    assert len(lines) <= 306
    assert max(map(len, lines)) <= 110


@pytest.fixture
def alone(tmp_path):
    """A Python with its library and `cryptography` alone, that runs a package's script."""
    site = tmp_path / "site"
    site.mkdir()
    # cffi is how cryptography calls C.
    packages = Path(cryptography.__file__).parents[1]
    for needed in (
        packages / "cryptography",
        packages / "cffi",
        *packages.glob("_cffi_backend*.so"),
    ):
        (site / needed.name).symlink_to(needed)

    def run(raw: bytes, *more: str) -> tuple[int, str]:
        file = tmp_path / "package.zip"
        file.write_bytes(raw)
        script = tmp_path / "verify.py"
        script.write_bytes(archive.unpack(made.cosigned().package())["verify.py"])
        begin = (
            f"import sys, runpy; sys.path.append({str(site)!r}); sys.argv = sys.argv[1:]; "
            "runpy.run_path(sys.argv[0], run_name='__main__')"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", begin, script, file, *more],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout

    return run


def test_script_needs_nothing_but_cryptography_and_ends_as_documented(alone):
    journal = made.cosigned()
    raw = journal.package(with_body=True)
    code, out = alone(raw, journal.anchor)
    assert code == 0
    assert [line.split()[1].rstrip(":") for line in out.splitlines()] == list(NAMES)
    assert alone(raw)[0] == 6
    assert alone(raw, "nonsense")[0] == 2
    code, out = alone(raw[:-1], journal.anchor)
    assert (code, len(out.splitlines())) == (5, 1)


def test_script_says_that_a_file_cannot_be_read(tmp_path):
    script = page.FOLDER / "verify.py"
    done = subprocess.run(
        [sys.executable, "-I", script, tmp_path / "none.zip"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3


@pytest.mark.parametrize("changed", [0, 1], ids=["true", "changed"])
def test_script_that_cannot_say_it_ends_with_a_code_that_is_promised(tmp_path, changed):
    """No step is taken for one that does not hold, and no package for one that was told to."""
    raw, script = made.cosigned().package(), page.FOLDER / "verify.py"
    file = tmp_path / "package.zip"
    file.write_bytes(raw[: len(raw) - changed])
    command = [sys.executable, "-I", script, file, made.cosigned().anchor]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (3, b"")
