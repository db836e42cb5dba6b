"""The prepared tables: Delta where Spark has it, Parquet elsewhere. A table changes in one step, or not at all."""

from __future__ import annotations

import hashlib

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from files import Files
from lake import delta_version, has_delta

CHANGE = "_change"
"""Column of rows to publish: insert, update or delete."""

# What Customer Insights - Data reads: reader version 1, no deletion vectors, and history for as long as a refresh may fail.
TABLE_PROPERTIES = {
    "delta.minReaderVersion": "1",
    "delta.minWriterVersion": "2",
    "delta.enableDeletionVectors": "false",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 30 days",
}


def open_tables(spark: SparkSession, out: str) -> Tables:
    return (DeltaTables if has_delta(spark) else ParquetTables)(spark, out)


class Tables:
    """Tables by name, as gold/customers."""

    def __init__(self, spark: SparkSession, out: str):
        self.spark = spark
        self.files = Files(spark, out)
        self.known_rows: dict[str, list] = {}
        """Version and number of rows of tables, so that they are not counted again."""

    def count(self, name: str) -> int:
        version = self.version(name)
        if not version:
            return 0
        if self.known_rows.get(name, [None])[0] != version:
            self.known_rows[name] = [version, self.read(name).count()]
        return self.known_rows[name][1]

    def counted(self, name: str, rows: int) -> None:
        """Remembers how many rows a table has now."""
        self.known_rows[name] = [self.version(name), rows]

    def version(self, name: str) -> str | None:
        """What changes with each commit, whoever made it; None if there is no table."""
        raise NotImplementedError

    def read(self, name: str) -> DataFrame:
        """The present rows. A later commit does not change what is read."""
        raise NotImplementedError

    def replace(self, name: str, rows: DataFrame) -> None:
        """Writes a new table, or one with other columns."""
        raise NotImplementedError

    def change(self, name: str, changes: DataFrame, key: str) -> None:
        """Publishes changed rows, which say in CHANGE what they are."""
        raise NotImplementedError


class DeltaTables(Tables):
    """MERGE writes the rows that differ and no others: Customer Insights - Data takes every rewritten row for a change."""

    def version(self, name: str) -> str | None:
        return delta_version(Files(self.spark, self.files.path(name)))

    def read(self, name: str) -> DataFrame:
        rows = self.spark.read.format("delta").option("versionAsOf", self.version(name))
        return rows.load(self.files.path(name))

    def replace(self, name: str, rows: DataFrame) -> None:
        path = self.files.path(name)
        self.spark.sql(create_statement(path, rows.schema))
        rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)

    def change(self, name: str, changes: DataFrame, key: str) -> None:
        changes.createOrReplaceTempView("changes_to_publish")
        self.spark.sql(merge_statement(self.files.path(name), changes.columns, key))


class ParquetTables(Tables):
    """For a Spark without Delta. A table is written beside the present one, and then takes its place."""

    def version(self, name: str) -> str | None:
        self._recover(name)
        parts = sorted(part for part in self.files.list(name) if part.endswith(".parquet"))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else None

    def read(self, name: str) -> DataFrame:
        self._recover(name)
        return self.spark.read.parquet(self.files.path(name))

    def replace(self, name: str, rows: DataFrame) -> None:
        self._recover(name)
        rows.write.mode("overwrite").parquet(self.files.path(f"state/next/{name}"))
        if self.files.exists(name):
            self.files.move(name, f"state/previous/{name}")
        self.files.move(f"state/next/{name}", name)
        self.files.delete(f"state/previous/{name}")

    def change(self, name: str, changes: DataFrame, key: str) -> None:
        kept = self.read(name).join(changes.select(key), key, "left_anti")
        upserts = changes.where(f"{CHANGE} <> 'delete'").drop(CHANGE)
        self.replace(name, upserts.unionByName(kept))

    def _recover(self, name: str) -> None:
        """A crash can leave the previous table beside the new one, or alone."""
        previous = f"state/previous/{name}"
        if not self.files.exists(previous):
            return
        if self.files.exists(name):
            self.files.delete(previous)
        else:
            self.files.move(previous, name)


def create_statement(path: str, schema: StructType) -> str:
    properties = ", ".join(f"'{name}' = '{value}'" for name, value in TABLE_PROPERTIES.items())
    columns = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in schema.fields)
    return f"create table if not exists delta.`{path}` ({columns}) using delta tblproperties ({properties})"


def merge_statement(path: str, columns: list[str], key: str) -> str:
    names = [name for name in columns if name != CHANGE]
    return f"""
        merge into delta.`{path}` present
        using changes_to_publish changes on present.{key} = changes.{key}
        when matched and changes.{CHANGE} = 'delete' then delete
        when matched then update set {", ".join(f"{name} = changes.{name}" for name in names)}
        when not matched and changes.{CHANGE} <> 'delete'
            then insert ({", ".join(names)}) values ({", ".join(f"changes.{name}" for name in names)})
    """
