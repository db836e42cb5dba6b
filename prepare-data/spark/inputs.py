"""The silver tables of a run and their changes, and the shared tables made of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Callable, Iterable

from pyspark.sql import DataFrame

from change_folders import LakeError
from views import Views, computed


@dataclass
class Input:
    """A silver table."""

    rows: DataFrame
    exported: bool
    changes: DataFrame | None = None
    """The rows that changed in this run, as they were and as they are."""
    changes_are_known: bool = True
    before: str | None = None
    now: str | None = None
    """Its version before this run, and now; None for a view, or if the table is not exported."""
    unreadable: DataFrame | None = None
    """Ids and columns of the values that are not of their type, in what this run read of change folders."""
    read_all: bool = False

    @property
    def is_unchanged(self) -> bool:
        return self.changes_are_known and self.changes is None


@dataclass
class Inputs:
    silver: dict[str, Input] = field(default_factory=dict)
    shared: dict[str, tuple[DataFrame, str]] = field(default_factory=dict)

    def compute_shared(self, views: Views) -> None:
        for path in sorted((views.sql / "shared").glob("*.sql")):
            rows = computed(views.view(path.stem, path))
            text = "\n".join(sorted(map(str, rows.collect())))
            self.shared[path.stem] = (rows, hashlib.sha256(text.encode()).hexdigest()[:16])
        if self.shared["person_types"][0].isEmpty():
            raise LakeError("no party is a person: give person_types the values of instancerelationtype that mean one")

    def register(self, views: Views, previous: datetime | None = None) -> None:
        """Registers all tables as they are, not narrowed."""
        views.register_settings(previous)
        for name, input in self.silver.items():
            input.rows.createOrReplaceTempView(name)
        for name, (rows, _) in self.shared.items():
            rows.createOrReplaceTempView(name)

    def register_changes(self, names: Iterable[str]) -> bool:
        """Registers `changed_<table>` for each of the tables; False if the changes of one are not known."""
        inputs = {name: self.silver[name] for name in names if name in self.silver}
        for name, input in inputs.items():
            rows = input.rows.where("false") if input.changes is None else input.changes
            rows.createOrReplaceTempView(f"changed_{name}")
        return all(input.changes_are_known for input in inputs.values())

    def unchanged(self, names: Iterable[str]) -> bool:
        return all(self.silver[name].is_unchanged for name in names if name in self.silver)

    def has(self, table: str) -> bool:
        """Whether a table is exported. A table that is not a source counts as exported."""
        return table not in self.silver or self.silver[table].exported

    def now(self, names: Iterable[str]) -> dict[str, str]:
        return self._versions(names, lambda input: input.now)

    def before(self, names: Iterable[str]) -> dict[str, str]:
        return self._versions(names, lambda input: input.before)

    def _versions(self, names: Iterable[str], version: Callable[[Input], str | None]) -> dict[str, str]:
        names = sorted(set(names))
        silver = {name: version(self.silver[name]) or "none" for name in names if name in self.silver}
        return silver | {name: self.shared[name][1] for name in names if name in self.shared}
