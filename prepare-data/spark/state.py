"""The state after the last run, so that the next run is incremental. It is used only for tables that still have the recorded
version. After a crash or a change by others, the next run compares all rows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime

from files import Files

FILE = "state/spark.json"
"""Not the file of prepare-data, which keeps other things of the export."""


@dataclass
class SilverState:
    """The last update of a silver table."""

    version: str
    position: dict
    """How far the export was read: the version of the Delta table, or the newest change folder."""
    definition: str
    first_folder: str | None = None
    """The oldest change folder when all of them were read."""
    deletes: dict[str, list[int | None]] = field(default_factory=dict)
    """The newest deletes in change folders, by id: time of writing (microseconds) and row version."""


@dataclass
class GoldState:
    """The last update of a gold table, or of the rejected rows."""

    version: str
    definition: str
    as_of: str
    inputs: dict[str, str]
    """Versions of the silver tables, and hashes of the shared ones, by name."""


@dataclass
class State:
    silver: dict[str, SilverState] = field(default_factory=dict)
    gold: dict[str, GoldState] = field(default_factory=dict)
    rejected: GoldState | None = None
    reconciled_at: str | None = None
    rows: dict[str, list] = field(default_factory=dict)
    """Version and number of rows of each table."""

    @classmethod
    def read(cls, files: Files) -> State:
        """If the file is missing or not valid, all rows are compared."""
        if not files.exists(FILE):
            return cls()
        try:
            saved = json.loads(files.text(FILE))
            rejected = saved["rejected"]
            return cls(
                {name: SilverState(**one) for name, one in saved["silver"].items()},
                {name: GoldState(**one) for name, one in saved["gold"].items()},
                GoldState(**rejected) if rejected else None,
                saved["reconciled_at"],
                saved["rows"],
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            print(f"the state of the last run cannot be read, so all rows are compared: {error}")
            return cls()

    def write(self, files: Files) -> None:
        files.write(FILE, json.dumps(asdict(self), indent=1))

    def reconciled(self) -> datetime | None:
        return datetime.fromisoformat(self.reconciled_at) if self.reconciled_at else None
