from __future__ import annotations

import pytest

from tests.evidence import judges


@pytest.fixture(scope="session")
def verdict():
    with judges.Page() as page:
        yield judges.Alike(page)
