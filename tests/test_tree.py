"""The house around the code: what is shipped, what is locked, what imports what."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from exchange import __version__
from tests import skips

ROOT = Path(__file__).resolve().parent.parent
ENTRIES = {
    *("exchange", "schemas", "keys", "tests", "docs", "changes", ".ci", "run"),
    *("pyproject.toml", "docker-compose.yml", "Dockerfile", "LICENSE", "THIRD-PARTY.md"),
    *("README.md", "README.es.md"),
    *("requirements.lock", "requirements-dev.lock", "requirements-uv.lock"),
}
LOCKS = sorted(ROOT.glob("requirements*.lock"))
LONGEST_MODULE = 500  # lines: house-style.md, "Sizes we have seen work"


def tool(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run one of our own tools with this interpreter and hand back what it said."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def tracked() -> Iterator[Path]:
    """Every file of the tree; in a checkout those git knows or would add."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        yield from (p for name in ENTRIES for p in (ROOT / name).rglob("*") if p.is_file())
        return
    listing = subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    yield from (
        p for n in listing.stdout.decode().split("\0") if n and (p := ROOT / n).is_file()
    )


# --- what is shipped -------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, offline: what a stranger would get."""
    out = tmp_path_factory.mktemp("dist")
    built = tool("-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sdist_files(wheel: Path) -> dict[str, bytes]:
    (path,) = wheel.parent.glob("*.tar.gz")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            if content is not None:
                files[member.name.partition("/")[2]] = content.read()
    return files


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel installed alone into an empty folder."""
    site = tmp_path_factory.mktemp("site")
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target")
    done = tool(*pip, site, wheel, cwd=site)
    assert done.returncode == 0, done.stderr
    return site


def as_stranger(installed: Path, home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run the installed wheel in an empty home, outside the checkout."""
    return tool("-P", *command, cwd=home, HOME=str(home), PYTHONPATH=str(installed))


def test_wheel_holds_the_package_and_its_schemas_and_nothing_else(
    wheel_files: dict[str, bytes],
) -> None:
    info = f"exchange_broker-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in wheel_files} == {"exchange", info}
    for folder in ("exchange", "schemas"):
        inside = "exchange/schemas" if folder == "schemas" else folder
        here = {
            f"{inside}/{p.relative_to(ROOT / folder).as_posix()}"
            for p in tracked()
            if p.is_relative_to(ROOT / folder)
        }
        vectors = {name for name in here if name.startswith("exchange/schemas/v1/vectors/")}
        assert here - vectors <= wheel_files.keys()
        assert not vectors & wheel_files.keys()
    assert any(name.startswith("exchange/schemas/v1/") for name in wheel_files)


def test_sdist_holds_what_is_listed_and_never_keys_or_tests(
    sdist_files: dict[str, bytes],
) -> None:
    tops = {name.partition("/")[0] for name in sdist_files}
    own = {"PKG-INFO", ".gitignore"}  # hatchling adds these by itself
    assert tops - own == ENTRIES - {"keys", "tests", ".ci"}


PEM = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
SECRET_MEMBERS = {"d", "priv", "private", "private_key", "secret", "seed", "sk"}


def secrets_in(value: object) -> Iterator[str]:
    """Names of members that hold what looks like private key bytes, at any depth."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in SECRET_MEMBERS and isinstance(inner, str) and len(inner) >= 32:
                yield name
            yield from secrets_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets_in(inner)


def private_keys(files: dict[str, bytes]) -> list[str]:
    """Return the files that hold a private key: PEM anywhere, JWK members in JSON."""
    found = [name for name, content in files.items() if PEM.search(content)]
    for name, content in files.items():
        if name.endswith((".json", ".jwk")):
            found += [f"{name}: {member}" for member in secrets_in(json.loads(content))]
    return found


def test_no_private_key_is_shipped(
    wheel_files: dict[str, bytes], sdist_files: dict[str, bytes]
) -> None:
    assert private_keys(wheel_files) == []
    assert private_keys(sdist_files) == []


def test_wheel_ships_all_that_pages_are_made_of(wheel_files: dict[str, bytes]) -> None:
    kinds = {"templates", "static", "locale"}
    here = {
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.is_relative_to(ROOT / "exchange") and kinds & set(path.parts)
    }
    assert {"exchange/web/templates/frame.html", "exchange/web/static/page.mjs"} <= here
    assert "exchange/audit/console/templates/overview.html" in here
    assert here <= wheel_files.keys()


def test_a_private_key_would_be_found() -> None:
    pem = b"-----BEGIN " + b"PRIVATE KEY-----\nMC4C\n"
    jwk = json.dumps({"keys": [{"kty": "AKP", "priv": "A" * 43}]}).encode()
    public = json.dumps({"kty": "OKP", "x": "A" * 43, "d": "see README"}).encode()
    files = {"a.txt": pem, "b.json": jwk, "c.json": public}
    assert private_keys(files) == ["a.txt", "b.json: priv"]


def test_no_private_key_lies_under_keys() -> None:
    files = {str(p): p.read_bytes() for p in tracked() if p.is_relative_to(ROOT / "keys")}
    assert private_keys(files) == []


def test_installed_wheel_answers_from_its_own_files(installed: Path, tmp_path: Path) -> None:
    ask = "import exchange, exchange.resources as r; print(exchange.__file__, r.schemas())"
    told = as_stranger(installed, tmp_path, "-c", ask)
    package = installed.resolve() / "exchange"
    assert told.stdout.split() == [str(package / "__init__.py"), str(package / "schemas")]


def test_installed_wheel_tells_its_version(installed: Path, tmp_path: Path) -> None:
    told = as_stranger(installed, tmp_path, "-m", "exchange", "--version")
    assert (told.returncode, told.stderr) == (0, "")
    assert __version__ in told.stdout


@pytest.mark.timeout(300)  # half a minute alone; beside other suites it took two minutes
def test_installed_wheel_runs_the_demo_in_an_empty_home(
    installed: Path, tmp_path: Path
) -> None:
    told = as_stranger(installed, tmp_path, "-m", "exchange", "demo", "--once")
    assert told.returncode == 0, told.stdout + told.stderr
    assert len(told.stdout.splitlines()) > 10


def test_editable_install_finds_package_and_schemas_in_the_checkout(tmp_path: Path) -> None:
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    site = ("--no-build-isolation", "--target", tmp_path / "site", "--editable", ROOT)
    done = tool(*pip, *site, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ask = "import site, sys; site.addsitedir(sys.argv[1]); import exchange.resources as r"
    show = f"{ask}; print(r.__file__, r.schemas())"
    told = tool("-P", "-c", show, tmp_path / "site", cwd=tmp_path)
    assert told.stdout.split() == [str(ROOT / "exchange/resources.py"), str(ROOT / "schemas")]


# --- what is locked, declared and written down -----------------------------------------


def locked(path: Path) -> dict[str, list[str]]:
    """Return name==version (without markers) -> hashes."""
    pins: dict[str, list[str]] = {}
    current: list[str] = []
    for line in path.read_text("utf-8").splitlines():
        if found := re.match(r"([a-z0-9.-]+==\S+)", line):
            pins[found[1]] = current = []
        elif found := re.match(r"    --hash=sha256:([0-9a-f]{64})( \\)?$", line):
            current.append(found[1])
        else:
            assert re.match(r"\s*#|$", line), f"{path.name}: what is this? {line}"
    return pins


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_lock_pins_by_hash_and_names_no_address(lock: Path) -> None:
    pins = locked(lock)
    assert pins
    assert [pin for pin, hashes in pins.items() if not hashes] == []
    assert "://" not in lock.read_text("utf-8")


def test_development_lock_holds_the_runtime_lock() -> None:
    runtime, development = (
        set(locked(ROOT / name)) for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime < development


def test_every_declared_dependency_is_locked() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = pyproject["dependency-groups"]
    for wanted, name in (
        (pyproject["project"]["dependencies"], "requirements.lock"),
        (groups["dev"], "requirements-dev.lock"),
        (groups["uv"], "requirements-uv.lock"),
    ):
        names = {pin.partition("==")[0] for pin in locked(ROOT / name)}
        assert {re.split(r"[=<>;\s]", each, maxsplit=1)[0] for each in wanted} <= names


def test_third_party_list_names_every_locked_package_and_no_other() -> None:
    text = (ROOT / "THIRD-PARTY.md").read_text("utf-8")
    python, _ = text.split("## JavaScript packages", 1)
    running, developing = python.split("## Packages for development", 1)
    needed, also = (
        set(re.findall(r"(?m)^\| `([a-z0-9.-]+)` \|", part)) for part in (running, developing)
    )
    assert needed == {pin.partition("==")[0] for pin in locked(ROOT / "requirements.lock")}
    assert needed | also == {pin.partition("==")[0] for lock in LOCKS for pin in locked(lock)}


def test_the_tree_has_its_entries_and_no_other() -> None:
    tops = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert tops - {".gitignore", ".gitattributes", ".dockerignore"} == ENTRIES


def test_no_module_is_longer_than_a_sitting() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in tracked()
        if path.suffix == ".py"
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


# Spelled with classes, so that this file does not hold what it looks for.
UNWANTED = re.compile(
    r"(?<![\w.])/(?:[w]ork|[r]oot|[t]mp|[h]ome)/"  # paths of somebody's machine
    r"|\bpy[p]i\.org|python[h]osted|npm[j]s\.org|crates[.]io"  # addresses of registries
    r"|\b(?:T[O]DO|F[I]XME)\b"
    r"|(?<![\w/+=-])A[I](?![\w/+=-])|language [m]odel|\bassistant[s]?\b",
)


def test_no_file_names_a_machine_a_registry_or_unfinished_work() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in UNWANTED.finditer(text)]
    assert found == []


# --- import contracts: a breach of each is found ---------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "exchange", tmp_path / "exchange")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def contracts(copy: Path) -> subprocess.CompletedProcess[str]:
    check = "from importlinter.cli import lint_imports_command as check; check()"
    return tool("-P", "-c", check, "--no-cache", cwd=copy, PYTHONPATH=str(copy))


def test_contracts_are_kept(copy: Path) -> None:
    told = contracts(copy)
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize(
    ("module", "line", "told"),
    [
        ("model/breach.py", "import exchange.broker", "Imports point down.* BROKEN"),
        ("broker/breach.py", "import asyncio", "The core does no .* BROKEN"),
        ("node/breach.py", "import exchange.seal.open", "The node cannot open .* BROKEN"),
        (
            "store/breach.py",
            "import exchange.seal.open_attachment",
            "The node cannot open .* BROKEN",
        ),
        ("client/breach.py", "import exchange.broker", "An agency carries no .* BROKEN"),
        ("stray/__init__.py", "", "Undeclared|not listed"),
    ],
)
def test_contract_is_broken_by(module: str, line: str, told: str, copy: Path) -> None:
    breach = copy / "exchange" / module
    breach.parent.mkdir(exist_ok=True)
    breach.write_text(f'"""A breach."""\n\n{line}\n', "utf-8")
    checked = contracts(copy)
    assert checked.returncode == 1
    assert re.search(told, checked.stdout), checked.stdout


# --- the list of skips -----------------------------------------------------------------

HERE = "tests/test_tree.py"


@pytest.mark.parametrize(
    ("skipped", "listed", "told"),
    [
        ({}, {}, None),
        ({f"{HERE}::a[1]": "why"}, {f"{HERE}::a": "why"}, None),
        ({f"{HERE}::a": "why"}, {HERE: "why"}, None),
        ({f"{HERE}::a": "why"}, {}, "not listed"),
        ({f"{HERE}::ab": "why"}, {f"{HERE}::a": "why"}, "not listed"),
        ({f"{HERE}::a": "other"}, {f"{HERE}::a": "why"}, "another reason"),
        ({}, {f"{HERE}::a": "why"}, "take it off"),
        ({}, {"tests/gone.py::a": "why"}, "take it off"),
        ({}, {"tests/conftest.py::in_another_run": "why"}, None),
    ],
)
def test_skips_and_their_list_agree(
    skipped: dict[str, str], listed: dict[str, str], told: str | None
) -> None:
    lines = skips.complaints(skipped, listed, collected={HERE}, root=ROOT)
    assert (told is None and lines == []) or (told is not None and told in lines[0])


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_unlisted_skip_fails_the_run_in_ci_only(ci: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "skips.py", "skips.toml"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    test = "import pytest\n\ndef test_a():\n    pytest.skip('no reason at all')\n"
    (tmp_path / "tests/test_a.py").write_text(test, "utf-8")
    told = tool("-P", "-m", "pytest", "-p", "no:cacheprovider", cwd=tmp_path, CI=ci)
    assert told.returncode == code, told.stdout
    assert ("not listed: no reason at all" in told.stdout) == bool(code)
