from __future__ import annotations

import pytest

from tests.evidence import judges


@pytest.fixture(scope="session")
def verdict():
    """What all three verifiers say of a package; it is an error if they do not say the same."""
    with judges.Page() as page:

        def asked(raw: bytes, anchor: str | None) -> str:
            said = {
                "own": judges.own(raw, anchor),
                "script": judges.script(raw, anchor),
                "page": page(raw, anchor),
            }
            assert len(set(said.values())) == 1, said
            return said["own"]

        asked.page = page
        yield asked
