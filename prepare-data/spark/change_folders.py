"""Reads the change folders of Synapse Link by the rules of prepare-data: each folder by its own model.json, and no row that can be
read in two ways."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from option_labels import OptionLabels

if TYPE_CHECKING:
    from lake import Lake

CHANGE_FOLDER = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}[.:]\d{2}[.:]\d{2}")
LABELS = "optionsetmetadata"
"""Folder with the lists of labels of enums, in lower case."""
CORRUPT = "row_that_does_not_fit"
FLAG = re.compile(r"^\s*(true|false|1|0|yes|no)?\s*$", re.IGNORECASE)


class Layout(NamedTuple):
    """How the files of a table are written."""

    columns: tuple[str, ...]
    has_header: bool = False
    delimiter: str = ","


class LakeError(Exception):
    """The lake lacks something that is required, or holds something that cannot be read."""


class ChangeFolders:
    """The complete change folders of a lake."""

    def __init__(self, lake: Lake):
        self.lake = lake
        self.spark = lake.spark
        self.skipped: list[dict[str, str]] = []
        self._files: dict[str, list[tuple[str, Layout, str]]] = {}
        names = lake.list("")
        root = next((name for name in names if name.lower() == "model.json"), None)
        self.tables = {entity["name"].lower() for entity in (_model(lake.text(root)) or []) if root} if root else set()
        self._active: str | None = None
        folders = self._folders = self._complete(names)
        if not folders:
            raise LakeError(f"nothing was read of {lake.root}: it has no complete change folder")
        for folder in folders:
            self._open(folder)
        if self.skipped and not self._files:
            raise LakeError(f"{lake.root}/{self.skipped[0]['folder']} has no model.json that is complete, and no other folder has one")

    @property
    def first(self) -> str:
        return uniform(self._folders[0])

    @property
    def newest(self) -> str:
        return uniform(self._folders[-1])

    def has_files(self, table: str, after: str) -> bool:
        return any(folder > after for folder, *_ in self._files.get(table, []))

    def read(self, table: str, after: str | None = None) -> DataFrame:
        """The rows of a table as text, with the folder of each; columns in lower case. All, or those of later folders only."""
        by_layout: dict[Layout, list[str]] = {}
        for folder, layout, path in self._files.get(table, []):
            if after is None or folder > after:
                by_layout.setdefault(layout, []).append(path)
        parts = [self._read_files(layout, paths) for layout, paths in by_layout.items()]
        if not parts:
            schema = T.StructType([T.StructField("lakefolder", T.StringType())])
            return self.spark.createDataFrame([], schema)
        rows = parts[0]
        for part in parts[1:]:
            rows = rows.unionByName(part, allowMissingColumns=True)
        return rows

    def labels(self) -> OptionLabels:
        """The labels of the newest complete folder that has some; else of the folder that is being written; else of the lake."""
        labels = OptionLabels()
        for parent in [*reversed(self._folders), *([self._active] if self._active else []), ""]:
            for name in self.lake.list(parent):
                if name.lower() != LABELS:
                    continue
                path = f"{parent}/{name}".lstrip("/")
                files = [file for file in self.lake.list(path) if file.lower().endswith(".csv")]
                for file in files:
                    labels.add_file(file, self.lake.text(f"{path}/{file}"))
                if files:
                    return labels
        return labels

    def _complete(self, names: list[str]) -> list[str]:
        """The change folders in order of time, without the one that is still being written, and newer ones."""
        folders = sorted((name for name in names if CHANGE_FOLDER.match(name)), key=uniform)
        for name in (name for name in names if name.lower() == "changelog"):
            for file in self.lake.list(name):
                if file.lower() == "changelog.info":
                    active = uniform(self.lake.text(f"{name}/{file}").strip().strip('"/'))
                    self._active = next((folder for folder in folders if uniform(folder) == active), None)
                    return [folder for folder in folders if uniform(folder) < active]
        self._active = folders[-1] if folders else None
        return folders[:-1]

    def _open(self, folder: str) -> None:
        children = self.lake.list(folder)
        files = {
            child: [name for name in self.lake.list(f"{folder}/{child}") if name.lower().endswith(".csv")]
            for child in children
            if child.lower() != LABELS
        }
        files = {child: names for child, names in files.items() if names}
        if not files:
            return
        name = next((child for child in children if child.lower() == "model.json"), None)
        model = _model(self.lake.text(f"{folder}/{name}")) if name else None
        if not model:
            reason = "its model.json is empty or cut" if name else "it has no model.json"
            self.skipped.append({"folder": folder, "reason": reason})
            return
        layouts = {entity["name"].lower(): _layout(entity) for entity in model}
        self.tables |= layouts.keys()
        for child, names in files.items():
            table = child.lower()
            for file in names:
                layout = layouts.get(table, Layout(()))
                self._files.setdefault(table, []).append((uniform(folder), layout, f"{self.lake.root}/{folder}/{child}/{file}"))

    def _read_files(self, layout: Layout, paths: list[str]) -> DataFrame:
        columns = list(layout.columns)
        if "id" not in columns:
            raise LakeError(f"the model.json of its folder does not describe the table of {paths[0]}")
        schema = T.StructType([T.StructField(name, T.StringType()) for name in [*columns, CORRUPT]])
        rows = self.spark.read.csv(
            [_escaped(path) for path in paths],
            schema=schema,
            multiLine=True,
            header=layout.has_header,
            enforceSchema=True,
            sep=layout.delimiter,
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
        problem = _problem(len(columns), least, version, layout.delimiter)
        raw = F.when(F.col(CORRUPT).isNotNull(), problem(F.col(CORRUPT)))
        bad_flag = ~F.coalesce(F.col(flag), F.lit("")).rlike(f"(?i){FLAG.pattern}") if flag else F.lit(False)
        bad_text = F.concat_ws("", *columns).contains("\ufffd")
        wrong = F.coalesce(
            raw,
            F.when(bad_flag, F.lit("the value in the place of IsDelete is not true, false or empty")),
            F.when(bad_text, F.lit("the row is not UTF-8 text")),
        )
        stop = F.raise_error(F.concat(path, F.lit(": "), wrong))
        self._require_order(rows, layout, least, path)
        # The check is part of a column that is read of every row, to find the newest versions.
        return rows.withColumn("id", F.when(wrong.isNotNull(), stop).otherwise(F.col("id"))).drop(CORRUPT)

    def _require_order(self, rows: DataFrame, layout: Layout, least: int, path) -> None:
        """Within a file, only wider rows may follow: so a column is added while a folder is written."""
        columns, split = layout.columns, _splitter(layout.delimiter)
        width = F.udf(lambda row: len(split(row)), T.IntegerType())
        width = F.when(F.col(CORRUPT).isNotNull(), width(F.col(CORRUPT))).otherwise(len(columns))
        # Spark finds the rows that do not fit only if it reads all columns.
        read = F.max(F.length(F.concat_ws("", *columns)))
        place = F.monotonically_increasing_id()  # a file is in one partition, because its values can contain ends of lines
        widths = rows.select(path.alias("file"), width.alias("width"), place.alias("place"), *columns)
        widths = widths.where(F.col("width") >= least).groupBy("file", "width")
        widest: dict[str, tuple[int, int]] = {}
        for row in sorted(widths.agg(F.min("place").alias("first"), F.max("place").alias("last"), read).collect(), key=lambda row: row.width):
            before = widest.get(row.file)
            if before and row.first < before[1]:
                raise LakeError(f"{row.file}: a row has {before[0]} values, and a row before it has {row.width}")
            widest[row.file] = (row.width, max(row.last, before[1] if before else 0))


def uniform(folder: str) -> str:
    return folder.replace(":", ".").rstrip("Zz")


def _model(text: str) -> list[dict] | None:
    """The tables that a model.json describes; None if it is empty or cut."""
    try:
        return json.loads(text.lstrip("\ufeff")).get("entities") or None
    except (ValueError, AttributeError):
        return None


def _layout(entity: dict) -> Layout:
    settings = next((part["fileFormatSettings"] for part in entity.get("partitions") or [] if part.get("fileFormatSettings")), {})
    columns = tuple(attribute["name"].lower() for attribute in entity.get("attributes", []))
    return Layout(columns, bool(settings.get("columnHeaders")), (settings.get("delimiter") or ",")[0])


def _splitter(delimiter: str):
    """Splits a row into values. A function within a function is sent to Spark's workers as code; they cannot import this module."""

    def split(row: str) -> list[str]:
        return next(csv.reader(io.StringIO(row, newline=""), delimiter=delimiter), [])

    return split


def _escaped(path: str) -> str:
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def _problem(columns: int, least: int, version: int | None, delimiter: str):
    """What is wrong with a row that has more or fewer values than columns; None where columns were added after IsDelete."""
    split = _splitter(delimiter)

    def problem(row: str) -> str | None:
        values = split(row)
        found = len(values)
        in_place = version is None or (found > version and re.fullmatch(r"\s*-?\d+\s*", values[version]))
        if least <= found <= columns or (found > columns and least == columns and in_place):
            return None
        return f"the row has {found} values, and model.json of the folder has {columns} columns"

    return F.udf(problem, T.StringType())
