"""Registers what statements read: settings, and the results of SQL files."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import contract
from change_folders import LakeError


class Views:
    """The temporary views of a run."""

    def __init__(self, spark: SparkSession, sql: Path, settings: dict[str, object], person_types: list[int], companies: list[str] = ()):
        self.spark = spark
        self.sql = sql
        self.settings = settings
        self.companies = companies
        self.person_types = [(type, "Person") for type in person_types]
        self._kept: list[DataFrame] = []

    def register_settings(self, previous: datetime | None = None) -> None:
        """Registers `parameters`; `previous` is the time of the run that the present gold tables were made by."""
        declared = contract.parameters(self.sql)
        values = {**self.settings, "previous_as_of": previous or self.settings["as_of"]}
        unknown = values.keys() - {parameter["name"] for parameter in declared}
        if unknown:
            raise LakeError(f"no such parameter: {', '.join(sorted(unknown))}")
        row = [value_of(values.get(one["name"], one["default"]), one["type"]) for one in declared]
        schema = ", ".join(f"{one['name']} {one['type']}" for one in declared)
        self.spark.createDataFrame([row], schema).createOrReplaceTempView("parameters")
        types = self.spark.createDataFrame(self.person_types, "type bigint, name string")
        types.createOrReplaceTempView("party_type_names")

    def view(self, name: str, file: Path | str, **names: str) -> DataFrame:
        """Registers the result of a file, with the steps that it uses."""
        *earlier, (_, statement) = contract.steps(self.sql / file, **names)
        for step, text in earlier:
            self.keep(self.spark.sql(text)).createOrReplaceTempView(step)
        rows = self.spark.sql(statement)
        rows.createOrReplaceTempView(name)
        return rows

    def narrow(self, file: Path, shared: dict[str, DataFrame]) -> None:
        """Runs the steps of a *.changes.sql: `narrow X` takes the place of X. Of the steps that it uses, those that another table
        began with, too, are taken from `shared`. A step may read what those before it made."""
        statements = ""
        for step, text in contract.used_steps(file):
            statements += text
            if statements not in shared:
                shared[statements] = computed(self.spark.sql(text))
            shared[statements].createOrReplaceTempView(step.removeprefix("narrow "))
        for step, text in contract.own_steps(file):
            computed(self.spark.sql(text)).createOrReplaceTempView(step.removeprefix("narrow "))

    def keep(self, rows: DataFrame) -> DataFrame:
        """Keeps rows that are read several times, until `release`."""
        self._kept.append(rows.persist(StorageLevel.MEMORY_AND_DISK))
        return rows

    def release(self) -> None:
        for rows in self._kept:
            rows.unpersist()
        self._kept = []

    def definition(self, *texts: str) -> str:
        """Hash of everything besides rows that a result depends on: statements, parameters and party types."""
        settings = sorted((name, str(value)) for name, value in self.settings.items() if name != "as_of")
        return hashlib.sha256(repr((texts, settings, self.person_types)).encode()).hexdigest()[:16]

    def published_definition(self, *texts: str) -> str:
        """The same for published tables. Silver tables have the rows of all companies."""
        return self.definition(*texts, *self.companies)


def computed(rows: DataFrame) -> DataFrame:
    """Computes a few rows now. Cached rows would be computed anew when memory is short, and by then the tables have changed."""
    # Named anew, because Spark does not tell the columns of such rows from those of the table that they were selected of.
    return rows.localCheckpoint(eager=True).select(*(F.col(name).alias(name) for name in rows.columns))


def value_of(value: object, type: str) -> object:
    """A value of a column of `parameters`."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    if not isinstance(value, str) or type == "string":
        return value
    if type == "boolean":
        return value.lower() == "true"
    if type == "timestamp":
        return value_of(datetime.fromisoformat(re.sub(r"Z$", "+00:00", value)), type)
    return Decimal(value) if type.startswith("decimal") else int(value)
