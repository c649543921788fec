"""Write schemas/v1/*.schema.json anew: ``python -m tests.model.regenerate``."""

from __future__ import annotations

from exchange import resources
from exchange.model import codes
from exchange.model.bulletin import schemas


def main() -> None:
    """Write each document under its name."""
    for name, document in schemas.documents(codes.load(resources.read)).items():
        (resources.schemas() / "v1" / name).write_bytes(document)


if __name__ == "__main__":
    main()
