"""Write schemas/v1/**/*.schema.json anew: ``python -m tests.model.regenerate``."""

from __future__ import annotations

from exchange import resources
from exchange.model import codes
from exchange.model.bulletin import schemas
from exchange.seal import schemas as object_schemas


def main() -> None:
    """Write each document under its name."""
    folder = resources.schemas() / "v1"
    for name, document in schemas.documents(codes.load(resources.read)).items():
        (folder / name).write_bytes(document)
    (folder / "objects").mkdir(exist_ok=True)
    for name, document in object_schemas.documents().items():
        (folder / "objects" / name).write_bytes(document)


if __name__ == "__main__":
    main()
