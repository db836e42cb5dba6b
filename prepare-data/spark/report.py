"""The report of a run, with the fields of the report of prepare-data."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime

from difference import Counts, Pending
from files import Files
from gate import Problem

FILE = "quality/report.json"


@dataclass
class Entry:
    """What was done to a table."""

    layer: str
    table: str
    how: str
    """unchanged; changes: from the changes of its sources; whole: computed as a whole, and what differs is written."""
    counts: Counts = field(default_factory=Counts)
    version: str | None = None
    """Its version now; None if it was not published."""
    columns_change: bool = False
    seconds: float = 0.0

    def take(self, pending: Pending) -> None:
        self.counts, self.columns_change = pending.counts, pending.columns_change

    def finish(self, version: str | None, started: float, unchanged: int = 0) -> None:
        """Records the end; `unchanged` is the number of rows of a table that was not computed."""
        self.version = version
        if unchanged:
            self.counts.before = self.counts.after = unchanged
        self.seconds = time.monotonic() - started

    def report(self) -> dict:
        return {
            "layer": self.layer,
            "table": self.table,
            "how": self.how,
            **asdict(self.counts),
            "version": self.version,
            "columnsChange": self.columns_change,
            "milliseconds": round(self.seconds * 1000),
        }


@dataclass
class Report:
    as_of: datetime
    reconciled: bool
    entries: list[Entry] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    skipped_folders: list[dict[str, str]] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    gaps: list[dict] = field(default_factory=list)
    newest_source_row: datetime | None = None
    problems: list[Problem] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, layer: str, table: str, how: str) -> Entry:
        self.entries.append(Entry(layer, table, how))
        return self.entries[-1]

    def rows(self) -> dict[str, int]:
        """Rows of each gold table."""
        return {entry.table: entry.counts.after for entry in self.entries if entry.layer == "gold"}

    def write(self, files: Files) -> None:
        files.write(FILE, json.dumps(self.report(), indent=2))

    def report(self) -> dict:
        return {
            "asOf": _time(self.as_of),
            "reconciled": self.reconciled,
            "tables": [entry.report() for entry in self.entries],
            "leftOut": self.left_out,
            "skippedFolders": self.skipped_folders,
            "rejected": self.rejected,
            "gaps": self.gaps,
            "newestSourceRow": _time(self.newest_source_row),
            "problems": [problem.report() for problem in self.problems],
            "milliseconds": round((time.monotonic() - self.started) * 1000),
        }

    def __str__(self) -> str:
        lines = [_line(*(str(word) for word in ("layer", "table", "how", "rows", "new", "changed", "gone", "seconds")))]
        for entry in self.entries:
            counts = entry.counts
            numbers = (counts.after, counts.inserted, counts.updated, counts.deleted, f"{entry.seconds:.1f}")
            lines.append(_line(entry.layer, entry.table, entry.how, *map(str, numbers)))
        lines += [f"rejected: {reason}: {rows}" for reason, rows in self.rejected.items()]
        lines += [f"gap: {gap['about']} ({gap['gaps']} of {gap['of']})" for gap in self.gaps if gap["gaps"]]
        lines += [f"left out: {table}, because its main table is not exported" for table in self.left_out]
        for folder in self.skipped_folders:
            lines.append(f"skipped: {folder['folder']}, because {folder['reason']}; its rows are expected in a later folder")
        lines += [f"STOPPED, nothing was published: {problem.table}: {problem.message}" for problem in self.problems]
        if self.newest_source_row:
            lines.append(f"newest row of the export: {_time(self.newest_source_row)}")
        return "\n".join(lines)


def _line(layer: str, table: str, how: str, *numbers: str) -> str:
    return f"{layer:<7} {table:<34} {how:<9} " + " ".join(f"{number:>10}" for number in numbers)


def _time(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None
