"""Reads the change folders of Synapse Link by the rules of prepare-data: each folder by its own model.json, and no row that can be
read in two ways."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

if TYPE_CHECKING:
    from lake import Lake

CHANGE_FOLDER = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}[.:]\d{2}[.:]\d{2}")
CORRUPT = "row_that_does_not_fit"
FLAG = re.compile(r"^\s*(true|false|1|0|yes|no)?\s*$", re.IGNORECASE)


class LakeError(Exception):
    """The lake lacks something that is required, or holds something that cannot be read."""


class ChangeFolders:
    """The complete change folders of a lake."""

    def __init__(self, lake: Lake):
        self.lake = lake
        self.spark = lake.spark
        self.skipped: list[str] = []
        self._files: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        names = lake.list("")
        root = next((name for name in names if name.lower() == "model.json"), None)
        self.tables = {entity["name"].lower() for entity in (_model(lake.text(root)) or []) if root} if root else set()
        folders = self._complete(names)
        if not folders:
            raise LakeError(f"nothing was read of {lake.root}: it has no complete change folder")
        for folder in folders:
            self._open(folder)
        if self.skipped and not self._files:
            raise LakeError(f"{lake.root}/{self.skipped[0]} has no model.json that is complete, and no other folder has one")

    def read(self, table: str) -> DataFrame:
        """All rows of a table as text, with the folder of each; columns in lower case."""
        by_columns: dict[tuple[str, ...], list[str]] = {}
        for columns, path in self._files.get(table, []):
            by_columns.setdefault(columns, []).append(path)
        parts = [self._read_files(list(columns), paths) for columns, paths in by_columns.items()]
        if not parts:
            schema = T.StructType([T.StructField("lakefolder", T.StringType())])
            return self.spark.createDataFrame([], schema)
        rows = parts[0]
        for part in parts[1:]:
            rows = rows.unionByName(part, allowMissingColumns=True)
        return rows

    def _complete(self, names: list[str]) -> list[str]:
        """The change folders in order of time, without the one that is still being written, and newer ones."""
        folders = sorted((name for name in names if CHANGE_FOLDER.match(name)), key=uniform)
        for name in (name for name in names if name.lower() == "changelog"):
            for file in self.lake.list(name):
                if file.lower() == "changelog.info":
                    active = uniform(self.lake.text(f"{name}/{file}").strip().strip('"/'))
                    return [folder for folder in folders if uniform(folder) < active]
        return folders[:-1]

    def _open(self, folder: str) -> None:
        children = self.lake.list(folder)
        files = {
            child: [name for name in self.lake.list(f"{folder}/{child}") if name.lower().endswith(".csv")]
            for child in children
            if child.lower() != "optionsetmetadata"
        }
        files = {child: names for child, names in files.items() if names}
        if not files:
            return
        name = next((child for child in children if child.lower() == "model.json"), None)
        model = _model(self.lake.text(f"{folder}/{name}")) if name else None
        if not model:
            self.skipped.append(folder)
            return
        columns = {entity["name"].lower(): _columns(entity) for entity in model}
        self.tables |= columns.keys()
        for child, names in files.items():
            table = child.lower()
            if table not in columns:
                columns[table] = ()
            for file in names:
                self._files.setdefault(table, []).append((columns[table], f"{self.lake.root}/{folder}/{child}/{file}"))

    def _read_files(self, columns: list[str], paths: list[str]) -> DataFrame:
        if "id" not in columns:
            raise LakeError(f"the model.json of its folder does not describe the table of {paths[0]}")
        schema = T.StructType([T.StructField(name, T.StringType()) for name in [*columns, CORRUPT]])
        rows = self.spark.read.csv(
            [_escaped(path) for path in paths],
            schema=schema,
            multiLine=True,
            quote='"',
            escape='"',
            mode="PERMISSIVE",
            columnNameOfCorruptRecord=CORRUPT,
            unescapedQuoteHandling="RAISE_ERROR",
        )
        path = F.replace(F.input_file_name(), F.lit("%3A"), F.lit(":"))
        rows = rows.withColumn("lakefolder", F.replace(F.element_at(F.split(path, "/"), -3), F.lit(":"), F.lit(".")))
        flag = next((name for name in ("isdelete", "isdeleted") if name in columns), None)
        least = columns.index(flag) + 1 if flag else len(columns)
        version = next((columns.index(name) for name in ("versionnumber", "sysrowversion") if name in columns), None)
        problem = _problem(len(columns), least, version)
        raw = F.when(F.col(CORRUPT).isNotNull(), problem(F.col(CORRUPT)))
        bad_flag = ~F.coalesce(F.col(flag), F.lit("")).rlike(f"(?i){FLAG.pattern}") if flag else F.lit(False)
        bad_text = F.concat_ws("", *columns).contains("\ufffd")
        wrong = F.coalesce(
            raw,
            F.when(bad_flag, F.lit("the value in the place of IsDelete is not true, false or empty")),
            F.when(bad_text, F.lit("the row is not UTF-8 text")),
        )
        stop = F.raise_error(F.concat(path, F.lit(": "), wrong))
        # The check is part of a column that is read of every row, to find the newest versions.
        return rows.withColumn("id", F.when(wrong.isNotNull(), stop).otherwise(F.col("id"))).drop(CORRUPT)


def uniform(folder: str) -> str:
    return folder.replace(":", ".").rstrip("Zz")


def _model(text: str) -> list[dict] | None:
    """The tables that a model.json describes; None if it is empty or cut."""
    try:
        return json.loads(text.lstrip("\ufeff")).get("entities") or None
    except (ValueError, AttributeError):
        return None


def _columns(entity: dict) -> tuple[str, ...]:
    return tuple(attribute["name"].lower() for attribute in entity.get("attributes", []))


def _escaped(path: str) -> str:
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def _problem(columns: int, least: int, version: int | None):
    """What is wrong with a row that has more or fewer values than columns; None where columns were added after IsDelete."""

    def problem(row: str) -> str | None:
        values = next(csv.reader(io.StringIO(row, newline="")), [])
        found = len(values)
        in_place = version is None or (found > version and re.fullmatch(r"\s*-?\d+\s*", values[version]))
        if least <= found <= columns or (found > columns and least == columns and in_place):
            return None
        return f"the row has {found} values, and model.json of the folder has {columns} columns"

    return F.udf(problem, T.StringType())
