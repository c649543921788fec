"""Verify a package from its bytes: numbered steps, each named, in words and in JSON.

Each step stands on those before it, so the first that does not hold ends it. The page and the
script that are in every package (``verify.html``, ``verify.py``) take the same steps under the
same names and come to the same verdicts, by code that shares nothing with this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec

from exchange.errors import Code, Refusal
from exchange.evidence import archive, parts
from exchange.evidence.journals import Journal
from exchange.model.identity import digest
from exchange.seal.open import Opened, check_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exchange.model.header import Header
    from exchange.model.identity import Jwk

# In this order; a report numbers them from 1.
Name = Literal[
    "container",
    "manifest",
    "inclusion",
    "anchor",
    "directory",
    "checkpoint",
    "cosignatures",
    "originator",
    "receipt",
    "acknowledgements",
    "content",
    "keys",
]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
# It holds; there is nothing of the kind; it does not hold; it was not come to.
Verdict = Literal["held", "absent", "failed", "not-reached"]


class Step(msgspec.Struct, frozen=True):
    """One step: number, name, what became of it, for how many things; and where it failed.

    ``at`` is the part, and in it the line from 0; ``index`` the first entry affected, if any.
    """

    number: int
    name: Name
    verdict: Verdict
    count: int = 0
    code: str | None = None
    at: str = ""
    index: int | None = None


class Report(msgspec.Struct, frozen=True):
    """What became of a verification.

    Attributes:
        ok: no step failed.
        anchored: the directory follows from a fingerprint that the reader brought.
        anchor: the fingerprint, as used; without one, what the package claims.
        endpoint, id: the originator and the bulletin that it is of; empty if it did not show.
        node, index: where it stands; empty and None likewise.
        posted_at: the node that it was posted at; where it is another, its record is not here.
        taken_ms: when that node took it in, by its clock, ms UTC.
        size: entries under the checkpoint.
        witnessed_at: as of when the agreed witnesses vouch for it, seconds UTC.
        has_content: the text as it was sealed is in it, and is the one that was signed for.
    """

    ok: bool
    anchored: bool
    anchor: str
    steps: list[Step]
    endpoint: str = ""
    id: str = ""
    node: str = ""
    index: int | None = None
    posted_at: str = ""
    taken_ms: int | None = None
    size: int | None = None
    witnessed_at: int | None = None
    has_content: bool = False


def verify(raw: bytes, anchor: str | None) -> Report:
    """Return the report; what is wrong with the package never raises.

    Args:
        raw: the file.
        anchor: digest of the first root, if the reader brought one.
    """
    return verify_using(raw, anchor)[0]


def verify_using(raw: bytes, anchor: str | None) -> tuple[Report, dict[str, tuple[str, Jwk]]]:
    """Return the report, and by its id each key that was used: whose it is, and the key."""
    run = _Run(raw, anchor)
    steps: list[Step] = []
    is_over = False
    for number, (name, step) in enumerate(run.steps(), 1):
        if is_over:
            steps.append(Step(number, name, "not-reached"))
            continue
        try:
            count = step()
        except Refusal as refusal:
            steps.append(_failed(number, name, refusal))
            is_over = True
        else:
            steps.append(Step(number, name, "held" if count else "absent", count))
    return run.report(steps), run.used


def _failed(number: int, name: Name, refusal: Refusal) -> Step:
    found = refusal.facts.get("found")
    is_entry = ".jsonl/" in refusal.at or refusal.at.endswith(".jsonl")
    is_entry &= name not in ("container", "manifest")
    index = found if is_entry and isinstance(found, int) else None
    return Step(number, name, "failed", 0, refusal.code.value, refusal.at, index)


class _Run:
    """The steps over one package, and what they found out."""

    def __init__(self, raw: bytes, anchor: str | None) -> None:
        self._raw, self._anchor = raw, anchor
        self._parts: dict[str, bytes] = {}
        self._told: parts.Manifest | None = None
        self._journals: list[Journal] = []
        self._header: Header | None = None
        self._witnessed: list[int] = []
        self.used: dict[str, tuple[str, Jwk]] = {}

    def steps(self) -> Iterable[tuple[Name, Callable[[], int]]]:
        """Return each step with its name: it returns for how many things it holds."""
        does = {
            "container": self._container,
            "manifest": self._manifest,
            "inclusion": self._inclusion,
            "anchor": self._is_anchored,
            "directory": self._directory,
            "checkpoint": self._checkpoint,
            "cosignatures": self._cosignatures,
            "originator": self._originator,
            "receipt": self._receipt,
            "acknowledgements": self._acknowledgements,
            "content": self._content,
            "keys": self._keys,
        }
        return [(name, does[name]) for name in NAMES]

    def _use(self, who: str, key: Jwk) -> None:
        self.used[key.kid] = (who, key)

    @property
    def _home(self) -> Journal:
        return self._journals[0]

    def _container(self) -> int:
        self._parts = archive.unpack(self._raw)
        return len(self._parts)

    def _manifest(self) -> int:
        self._told = parts.manifest(self._parts)
        return len(self._told.parts)

    def _inclusion(self) -> int:
        for node in self._told.journals if self._told else ():
            self._journals.append(Journal(parts.shown(node, self._parts)))
        shown = [each.shown for each in self._journals]
        return sum(1 + len(each.trust) + len(each.acknowledgements) for each in shown)

    @property
    def _trusted(self) -> str:
        return self._anchor or (self._told.anchor if self._told else "")

    def _is_anchored(self) -> int:
        for each in self._journals:
            each.must_begin_with(self._trusted)
        return int(self._anchor is not None)

    def _directory(self) -> int:
        for each in self._journals:
            each.fold(self._trusted)
        return sum(len(each.shown.documents) for each in self._journals)

    def _checkpoint(self) -> int:
        for each in self._journals:
            each.check_signed(self._use)
        return len(self._journals)

    def _cosignatures(self) -> int:
        found = [each.witnessed_at() for each in self._journals]
        self._witnessed = [at for at in found if at is not None]
        return len(self._witnessed)

    def _originator(self) -> int:
        raw = parts.get(self._parts, parts.HEADER)
        header = self._home.check_accepted(raw, self._use)
        told = self._told
        if told is None or (header.endpoint, header.id) != (told.endpoint, told.id):
            raise Refusal(Code.TARGET_MISMATCH, f"/{parts.MANIFEST}", id=header.id)
        for each in self._journals[1:]:
            each.check_came(self._home)
        self._header = header
        return len(self._journals)

    def _receipt(self) -> int:
        return sum(each.check_receipt(self._use) for each in self._journals)

    def _acknowledgements(self) -> int:
        if self._header is None:
            return 0
        named = digest(self._parts[parts.HEADER])
        return sum(
            each.check_acknowledged(self._header, named, self._use) for each in self._journals
        )

    def _content(self) -> int:
        if self._header is None or not {parts.SALT, parts.BODY} & self._parts.keys():
            return 0
        salt, text = (parts.get(self._parts, name) for name in (parts.SALT, parts.BODY))
        check_evidence(self._header, Opened(salt, text))
        return 1

    def _keys(self) -> int:
        if parts.get(self._parts, parts.KEYS) != keys(self.used):
            raise Refusal(Code.DIGEST_MISMATCH, f"/{parts.KEYS}")
        return len(self.used)

    def report(self, steps: list[Step]) -> Report:
        """Return what was found, once all steps were taken."""
        ok = all(step.verdict != "failed" for step in steps)
        report = Report(ok, self._anchor is not None, self._trusted, steps)
        if self._header is None:
            return report
        home, header = self._home, self._header
        return msgspec.structs.replace(
            report,
            endpoint=header.endpoint,
            id=header.id,
            node=home.node,
            index=home.index,
            posted_at=home.posted_at,
            taken_ms=home.taken_ms,
            size=home.head.size,
            witnessed_at=self._witnessed[0] if self._witnessed else None,
            has_content=parts.BODY in self._parts,
        )


def keys(used: dict[str, tuple[str, Jwk]]) -> bytes:
    """Return how a package lists the keys that its verification uses, by their ids."""
    return msgspec.json.encode([[kid, *used[kid]] for kid in sorted(used)])
