"""The verifier's page, made from its sources: `python -m tests.evidence.page` writes it anew.

Bundled with the libraries that tests/peers pins, by esbuild from there: for developers only.
What is made is committed and shipped; a test makes it again and compares.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from hashlib import sha256
from pathlib import Path

from mnemonic import Mnemonic

from exchange.custody.words import ENOUGH, folded
from exchange.evidence.words import SAID
from tests.peers.javascript import HERE, LOCK, NODE

FOLDER = Path(__file__).parents[2] / "exchange" / "evidence"
MADE = FOLDER / "verify.html"
SOURCES = FOLDER / "page"
_LIBRARIES = ("@noble/curves", "@noble/hashes", "@noble/post-quantum")


def script() -> str:
    """Return the page's program, in one piece."""
    said = {
        name: {lang: told._asdict() for lang, told in both.items()}
        for name, both in SAID.items()
    }
    # Four letters tell a word from all others of its list: docs/decisions/0026.
    lists = [
        " ".join(folded(word)[:ENOUGH] for word in Mnemonic(name).wordlist)
        for name in ("spanish", "english")
    ]
    words = json.loads((SOURCES / "words.json").read_text("utf-8"))
    told = json.dumps({"said": said, "page": words, "lists": lists})
    entry = f'import {{ begin }} from "./page.mjs"; begin({told});'
    command: list[str | Path] = [
        NODE,
        HERE / "node_modules" / "esbuild-wasm" / "bin" / "esbuild",
        "--bundle",
        "--minify",
        "--format=iife",
        "--target=es2022",
        "--legal-comments=eof",
    ]
    env = {**os.environ, "NODE_PATH": str(HERE / "node_modules")}
    done = subprocess.run(
        command,
        input=entry.encode(),
        capture_output=True,
        check=False,
        env=env,
        cwd=SOURCES,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def page() -> bytes:
    """Return the page."""
    program, style = script(), (SOURCES / "page.css").read_text("utf-8")
    # What esbuild leaves out of a string cannot end the element early.
    assert "</script" not in program.lower()
    packages = json.loads(LOCK.read_text("utf-8"))["packages"]
    inside = [
        f"<li><code>{path.removeprefix('node_modules/').replace('/node_modules/', ' &gt; ')}"
        f" {told['version']}</code> ({told['license']})</li>"
        for path, told in packages.items()
        if path.endswith(_LIBRARIES)
    ]
    filled = {
        "script": program,
        "style": style,
        "script-hash": _hash(program),
        "style-hash": _hash(style),
        "script-digest": sha256(program.encode()).hexdigest(),
        "libraries": "".join(inside),
    }
    template = (SOURCES / "page.html").read_text("utf-8")
    return re.sub(r"{{([a-z-]+)}}", lambda found: filled[found[1]], template).encode()


def _hash(text: str) -> str:
    return base64.b64encode(sha256(text.encode()).digest()).decode()


if __name__ == "__main__":
    MADE.write_bytes(page())
