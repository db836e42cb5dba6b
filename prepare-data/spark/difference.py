"""What a run would change in a table, before it is published."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tables import CHANGE, Tables
from views import computed


@dataclass
class Counts:
    before: int = 0
    after: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def changed(self) -> bool:
        return self.inserted + self.updated + self.deleted > 0


@dataclass
class KeyErrors:
    """Rows that Customer Insights - Data would refuse."""

    rows: int = 0
    """All rows, these and others."""
    missing: int = 0
    repeated: int = 0
    example: str | None = None


@dataclass
class Pending:
    """Changes of a table that are computed and not published."""

    tables: Tables
    name: str
    key: str
    counts: Counts
    keys: KeyErrors
    columns_change: bool = False
    rows: DataFrame | None = None
    """All rows, if the table is new or its columns change."""
    changes: DataFrame | None = None
    """The changed rows with CHANGE, if there are some."""
    images: DataFrame | None = None
    """The changed rows as they were and as they will be; None if all rows change."""

    def publish(self) -> None:
        if self.rows is not None:
            self.tables.replace(self.name, self.rows)
        elif self.changes is not None:
            self.tables.change(self.name, self.changes, self.key)
        self.tables.counted(self.name, self.counts.after)


def whole(tables: Tables, name: str, key: str, rows: DataFrame) -> Pending:
    """The difference of a whole table to its present form. Reads `rows` several times, so they have to be kept."""
    keys = key_errors(rows, key)
    current = tables.read(name) if tables.version(name) else None
    if current is None or columns(current) != columns(rows):
        before = tables.count(name)
        counts = Counts(before, keys.rows, inserted=keys.rows, deleted=before)
        return Pending(tables, name, key, counts, keys, current is not None, rows=rows)
    return _compared(tables, name, key, current, rows, keys, tables.count(name))


def changes(tables: Tables, name: str, key: str, rows: DataFrame, affected: DataFrame) -> Pending:
    """The difference of some rows to their present form; `affected` has their keys, those of vanished rows included."""
    rows = computed(rows)
    current = tables.read(name)
    if columns(current) != columns(rows):
        raise ValueError(f"the columns of {name} changed, and it is not computed as a whole")
    # A changed row may come under a key that the statement for affected keys does not have: it must not be taken for a new row.
    affected = affected.select(F.col("key")).union(rows.select(F.col(key).cast("string"))).distinct()
    before = tables.count(name)
    affected_rows = current.join(affected.withColumnRenamed("key", "_affected"), F.col(key) == F.col("_affected"), "left_semi")
    return _compared(tables, name, key, affected_rows, rows, key_errors(rows, key), before)


def columns(rows: DataFrame) -> list[tuple[str, str]]:
    return [(one.name, one.dataType.simpleString()) for one in rows.schema.fields]


def key_errors(rows: DataFrame, key: str) -> KeyErrors:
    is_blank = F.trim(F.coalesce(F.col(key), F.lit(""))) == ""
    found = rows.groupBy(key).count().agg(
        F.sum("count").alias("rows"),
        F.sum(F.when(is_blank, F.col("count")).otherwise(0)).alias("missing"),
        F.sum(F.when(is_blank, 0).otherwise(F.col("count") - 1)).alias("repeated"),
        F.max(F.when(~is_blank & (F.col("count") > 1), F.col(key))).alias("example"),
    )
    row = found.first()
    return KeyErrors(row.rows or 0, row.missing or 0, row.repeated or 0, row.example)


def _compared(tables, name, key, current: DataFrame, rows: DataFrame, keys: KeyErrors, before: int) -> Pending:
    names = rows.columns
    new = rows.select(F.col(key).alias("_key"), F.struct(*names).alias("_new"))
    old = current.select(F.col(key).alias("_key"), F.struct(*names).alias("_old"))
    change = F.when(F.col("_old").isNull(), "insert").when(F.col("_new").isNull(), "delete").otherwise("update")
    differing = old.join(new, "_key", "full_outer").where(~F.col("_new").eqNullSafe(F.col("_old")))
    differing = computed(differing.withColumn(CHANGE, change))
    numbers = {row[CHANGE]: row["count"] for row in differing.groupBy(CHANGE).count().collect()}
    inserted, updated, deleted = (numbers.get(kind, 0) for kind in ("insert", "update", "delete"))
    counts = Counts(before, before + inserted - deleted, inserted, updated, deleted)
    pending = Pending(tables, name, key, counts, keys)
    if counts.changed:
        present = F.coalesce(F.col("_new"), F.col("_old")).alias("_row")
        pending.changes = differing.select(present, CHANGE).select("_row.*", CHANGE)
    was = differing.where(F.col("_old").isNotNull()).select("_old.*")
    pending.images = was.unionByName(differing.where(F.col("_new").isNotNull()).select("_new.*"))
    return pending
