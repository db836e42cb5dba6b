"""Prepares exported Commerce tables for Customer Insights - Data on Spark, with the SQL files that prepare-data runs.

In a notebook of Fabric or Synapse:

    from prepare import Preparation
    Preparation(spark, lake="abfss://...", out="abfss://...").run()

On the command line: python prepare.py --lake LAKE --out FOLDER [--set language=de-de]
"""

from __future__ import annotations

import argparse
import os
import re
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

import contract
from contract import Gold
from lake import Lake, LakeError, has_delta

# What Customer Insights - Data reads: reader version 1, no deletion vectors, and history for as long as a refresh may fail.
TABLE_PROPERTIES = {
    "delta.minReaderVersion": "1",
    "delta.minWriterVersion": "2",
    "delta.enableDeletionVectors": "false",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 30 days",
}


MIN_LOST_ROWS = 20
"""A table may always lose this many rows: three of five channels are not an error."""


class Preparation:
    """One run: registers bronze, silver and gold as views, and writes them."""

    def __init__(
        self,
        spark: SparkSession,
        lake: str,
        out: str | None = None,
        sql: str | Path = contract.SQL,
        settings: dict[str, object] | None = None,
        person_types: list[int] = (),
        vanishing_share: float = 0.2,
    ):
        self.spark = spark
        self.sql = Path(sql)
        self.vanishing_share = vanishing_share
        self.out = out.rstrip("/") if out else None
        self.lake = Lake(spark, lake)
        self.settings = {"as_of": datetime.now(timezone.utc), **(settings or {})}
        self.person_types = [(type, "Person") for type in person_types]
        # Validity and event times are compared in UTC, whatever the session was set to.
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    def run(self, layers: str = "three") -> dict[str, int]:
        """Prepares and writes everything; gives the rows of each gold table."""
        for name in self.silver():
            if layers == "three":
                self._write(f"silver/{name}", self.spark.table(name), "id").createOrReplaceTempView(name)
        tables = self.gold()
        self._require_gate(tables)
        rows = {}
        for table in tables:
            written = self._write(f"gold/{table.name}", self.spark.table(table.name), table.key)
            rows[table.name] = written.count()
            print(f"{table.name}: {rows[table.name]} rows")
        return rows

    def silver(self) -> list[str]:
        """Registers bronze and silver; gives the names of the silver tables that the lake has."""
        self._register_settings()
        tables = contract.sources(self.sql)
        for source in tables:
            self.lake.bronze(source).createOrReplaceTempView(f"bronze_{source.name}")
            self._view(f"current_{source.name}", "silver/current_rows.sql", table=source.name)
            self._view(source.name, f"silver/{source.name}.sql")
        return [source.name for source in tables if self.lake.has(source.name)]

    def gold(self) -> list[Gold]:
        """Registers the gold tables that the lake has the rows for; silver must be registered."""
        for path in sorted((self.sql / "shared").glob("*.sql")):
            self._view(path.stem, f"shared/{path.name}").cache()
        if self.spark.table("person_types").isEmpty():
            raise LakeError("no party is a person: give person_types the values of instancerelationtype that mean one")
        tables = [table for table in contract.gold_tables(self.sql) if self.lake.has(table.driver)]
        for table in tables:
            self._view(table.name, f"gold/{table.name}.sql")
        return tables

    def _require_gate(self, tables: list[Gold]) -> None:
        """The gate of prepare-data: nothing is published if a key is missing or repeated, a profile is empty, or many rows are lost."""
        problems = []
        for table in tables:
            rows = self.spark.table(table.name).cache()
            problems += _wrong_keys(rows, table.name, table.key)
            count = rows.count()
            if table.category == "profile" and not count:
                problems.append(f"{table.name} would be empty: no row of {table.driver} resolves to a person, or none was read")
            before = self._count(f"gold/{table.name}")
            if before - count > max(MIN_LOST_ROWS, before * self.vanishing_share):
                problems.append(f"{table.name}: {before - count} of {before} rows would be lost; find out first whether they are deleted in the source")
        if problems:
            raise LakeError("nothing was published: " + "; ".join(problems))

    def _count(self, name: str) -> int:
        path = f"{self.out}/{name}"
        files, at = self.lake._open(path)
        if not files.exists(at):
            return 0
        return self.spark.read.format("delta" if has_delta(self.spark) else "parquet").load(path).count()

    def _view(self, name: str, file: str, **names: str) -> DataFrame:
        *earlier, (_, statement) = contract.steps(self.sql / file, **names)
        for step, text in earlier:
            self.spark.sql(text).cache().createOrReplaceTempView(step)
        rows = self.spark.sql(statement)
        rows.createOrReplaceTempView(name)
        return rows

    def _register_settings(self) -> None:
        declared = contract.parameters(self.sql)
        unknown = self.settings.keys() - {parameter["name"] for parameter in declared}
        if unknown:
            raise LakeError(f"no such parameter: {', '.join(sorted(unknown))}")
        row = [_value(self.settings.get(one["name"], one["default"]), one["type"]) for one in declared]
        schema = ", ".join(f"{one['name']} {one['type']}" for one in declared)
        self.spark.createDataFrame([row], schema).createOrReplaceTempView("parameters")
        types = self.spark.createDataFrame(self.person_types, "type bigint, name string")
        types.createOrReplaceTempView("party_type_names")

    def _write(self, name: str, rows: DataFrame, key: str) -> DataFrame:
        path = f"{self.out}/{name}"
        if not has_delta(self.spark):
            rows.write.mode("overwrite").parquet(path)
            _require_key(self.spark.read.parquet(path), name, key)
            return self.spark.read.parquet(path)
        prepared = rows.cache()
        _require_key(prepared, name, key)
        self._merge(prepared, path, key)
        prepared.unpersist()
        return self.spark.read.format("delta").load(path)

    def _merge(self, rows: DataFrame, path: str, key: str) -> None:
        """Writes the rows that differ and no others: Customer Insights - Data takes every rewritten row for a change."""
        properties = ", ".join(f"'{name}' = '{value}'" for name, value in TABLE_PROPERTIES.items())
        self.spark.sql(
            f"create table if not exists delta.`{path}` ({_columns(rows.schema)}) using delta tblproperties ({properties})"
        )
        rows.createOrReplaceTempView("prepared_rows")
        same = " and ".join(f"present.{name} <=> prepared_rows.{name}" for name in rows.columns)
        self.spark.sql(
            f"""
            merge into delta.`{path}` present
            using prepared_rows on present.{key} = prepared_rows.{key}
            when matched and not ({same}) then update set *
            when not matched then insert *
            when not matched by source then delete
            """
        )


def _columns(schema: StructType) -> str:
    return ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in schema.fields)


def _require_key(rows: DataFrame, name: str, key: str) -> None:
    """Two rows with one key, or a row without, would be refused by Customer Insights - Data: better not written at all."""
    for problem in _wrong_keys(rows, name, key):
        raise LakeError(problem)


def _wrong_keys(rows: DataFrame, name: str, key: str) -> list[str]:
    wrong = rows.groupBy(key).count().where(f"{key} is null or trim({key}) = '' or count > 1").limit(3).collect()
    return [f"{name}: {key} is empty or repeats, as in {', '.join(str(row[key]) for row in wrong)}"] if wrong else []


def _value(value: object, type: str) -> object:
    if not isinstance(value, str) or type == "string":
        return value
    if type == "boolean":
        return value.lower() == "true"
    if type == "timestamp":
        return datetime.fromisoformat(re.sub(r"Z$", "+00:00", value))
    return Decimal(value) if type.startswith("decimal") else int(value)


def local_session() -> SparkSession:
    """Spark on this machine's cores; shuffles have as many parts as these can use, not the 200 of a cluster."""
    session = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false")
    session = session.config("spark.ui.showConsoleProgress", "false").config("spark.log.level", "ERROR")
    return session.config("spark.sql.shuffle.partitions", 2 * (os.cpu_count() or 1)).getOrCreate()


def settings_of(pairs: list[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", required=True, help="folder of the export")
    parser.add_argument("--out", required=True, help="folder for silver/ and gold/")
    parser.add_argument("--layers", choices=("three", "two"), default="three", help="two: silver is not written")
    parser.add_argument("--person-type", type=int, action="append", default=[], help="instancerelationtype of persons")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of sources.json")
    chosen = parser.parse_args()
    preparation = Preparation(
        local_session(), chosen.lake, chosen.out, settings=settings_of(chosen.set), person_types=chosen.person_type
    )
    preparation.run(chosen.layers)


if __name__ == "__main__":
    main()
