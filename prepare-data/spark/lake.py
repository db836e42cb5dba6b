"""Finds the exported tables of a lake and gives each as a view with the columns that sources.json declares.

Delta tables are told by their `_delta_log`, Synapse Link's CSV by `model.json`. Paths may be local, abfss:// or whatever else
Spark can open.
"""

from __future__ import annotations

import json
import re
from typing import Iterable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField

from change_folders import ChangeFolders, LakeError
from contract import Source
from files import Files
from option_labels import LISTS, OptionLabels

DELTA_FOLDERS = ("deltalake", "Tables", "Tables/dbo", "")
UNSEEN = "".join(map(chr, [*range(9, 14), 32, 133, 160, 5760, *range(8192, 8203), 8203, 8232, 8233, 8239, 8287, 12288, 65279]))
"""What nobody sees around text: spaces of all kinds, tabs, ends of lines, and byte order marks."""
UNREADABLE = "unreadable_column"
"""Column of rows: the first column whose text in a change folder is not of its type."""
OTHER_NAMES = {"isdelete": "isdeleted", "versionnumber": "sysrowversion", "sinkmodifiedon": "sinkcreatedon"}
"""What exports call these columns otherwise; and reserved words have `_` at the end.
<https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-link-select-fno-data>"""


class Lake:
    def __init__(self, spark: SparkSession, root: str):
        self.spark = spark
        self.files = Files(spark, root)
        self.root = self.files.root
        self._delta = dict(self._find_delta())
        self._folders = None if self._delta else ChangeFolders(self)
        self._labels = self._folders.labels() if self._folders else OptionLabels()
        for name in LISTS.keys() & self._delta.keys():
            self._labels.add_rows(row.asDict() for row in read_delta(spark, self._delta[name]).collect())

    @property
    def skipped(self) -> list[dict[str, str]]:
        """Change folders that are not read, because the export did not finish them, and why."""
        return self._folders.skipped if self._folders else []

    def has(self, table: str) -> bool:
        return table in (self._delta if self._folders is None else self._folders.tables)

    def bronze(self, source: Source) -> DataFrame:
        """All rows of the source, deleted and superseded ones included."""
        return self.rows(source).drop(UNREADABLE)

    def rows(self, source: Source, after: str | None = None) -> DataFrame:
        """The same with UNREADABLE; of change folders only those after one, if it is given."""
        if not self.has(source.name) and source.required:
            raise LakeError(f"{self.root} has no table {source.name}: add it to the export")
        if not self.has(source.name):
            return self._empty(source)
        if source.name in self._delta:
            rows = read_delta(self.spark, self._delta[source.name]).withColumn("lakefolder", F.lit(""))
        else:
            rows = self._folders.read(source.name, after)
        return _conform(rows, self._labels.extended(source), self.is_text(source.name))

    def definition(self, source: Source) -> str:
        """What decides how the rows of a table are read, besides the rows: its columns, and the labels of enums."""
        found = read_delta(self.spark, self._delta[source.name]).dtypes if source.name in self._delta else "text"
        return json.dumps([sorted(found), source.columns, self._labels.extended(source).labels], sort_keys=True)

    def position(self, table: str) -> dict:
        """How far the export goes: what was read up to here need not be read again."""
        if table in self._delta:
            return {"version": delta_version(Files(self.spark, self._delta[table]))}
        return {"folder": self._folders.newest}

    def first_folder(self) -> str | None:
        """The oldest change folder."""
        return self._folders.first if self._folders else None

    def is_text(self, table: str) -> bool:
        """Whether a table is exported in change folders."""
        return self._folders is not None and self.has(table)

    def _find_delta(self) -> Iterable[tuple[str, str]]:
        found = set()
        for folder in DELTA_FOLDERS:
            parent = self._spelled(folder)
            if parent is None:
                continue
            for name in self.list(parent):
                table = name.lower()
                if table not in found and self.list(f"{parent}/{name}/_delta_log"):
                    found.add(table)
                    yield table, f"{self.root}/{parent}/{name}".replace("//", "/") if "://" not in self.root else f"{self.root}/{parent}/{name}"

    def _spelled(self, folder: str) -> str | None:
        """A folder as the lake spells it."""
        path = ""
        for part in filter(None, folder.split("/")):
            name = next((name for name in self.list(path) if name.lower() == part.lower()), None)
            if name is None:
                return None
            path = f"{path}/{name}".lstrip("/")
        return path

    def _empty(self, source: Source) -> DataFrame:
        columns = {**source.columns, "lakefolder": "string", UNREADABLE: "string"}
        values = ", ".join(f"cast(null as {type}) as {name}" for name, type in columns.items())
        # Not `createDataFrame([])`: only of this does Spark know while planning that it has no rows, and leaves out what reads it.
        return self.spark.sql(f"select {values} where false")

    def has_files(self, table: str, after: str) -> bool:
        """Whether change folders after one have rows of a table."""
        return self._folders.has_files(table, after)

    def list(self, path: str) -> list[str]:
        """Names in a folder of the lake."""
        return self.files.list(path)

    def text(self, path: str) -> str:
        """The text of a file of the lake."""
        return self.files.text(path)


def delta_version(table: Files) -> str | None:
    """The newest version in the log of a Delta table; None if there is no table."""
    found = (re.fullmatch(r"(\d{20})\.(?:json|checkpoint\b.*)", name) for name in table.list("_delta_log"))
    versions = [int(match[1]) for match in found if match]
    return str(max(versions)) if versions else None


def has_delta(spark: SparkSession) -> bool:
    """Whether Spark itself reads and writes Delta, as in Fabric, Synapse and Databricks."""
    try:
        spark._jvm.java.lang.Thread.currentThread().getContextClassLoader().loadClass("io.delta.tables.DeltaTable")
    except Exception:  # py4j's error for ClassNotFoundException
        return False
    return True


def read_delta(spark: SparkSession, path: str) -> DataFrame:
    if has_delta(spark):
        return spark.read.format("delta").load(path)
    # Plain PySpark has no Delta: the table's log says which files are its present ones.
    from deltalake import DeltaTable

    table = DeltaTable(path)
    features = table.protocol().reader_features or []
    if "deletionVectors" in features:
        raise LakeError(f"{path} has deletion vectors: only a Spark with Delta can read it")
    files = table.file_uris()
    if not files:
        from pyspark.sql.types import StructType as Schema

        return spark.createDataFrame([], Schema.fromJson(json.loads(table.schema().to_json())))
    return spark.read.option("basePath", path).option("mergeSchema", "true").parquet(*files)


def _conform(rows: DataFrame, source: Source, is_text: bool) -> DataFrame:
    exported = {field.name.lower(): field for field in rows.schema.fields}
    present = {name: _exported(exported, name) for name in source.columns}
    missing = {name for name in source.required_columns if not present[name]}
    if missing and exported.keys() != {"lakefolder"}:
        raise LakeError(f"{source.name} lacks {', '.join(sorted(missing))}: the export is older, or another table")
    columns = {name: _cast(name, present[name], type, source.labels.get(name)) for name, type in source.columns.items()}
    checked = [name for name, type in source.columns.items() if is_text and present[name] and type != "string"]
    unreadable = [F.when(_is_unreadable(present[name], columns[name], name in source.labels), name) for name in checked]
    problem = F.coalesce(*unreadable) if unreadable else F.lit(None).cast("string")
    named = [column.alias(name) for name, column in columns.items()]
    return rows.select(*named, F.col("lakefolder"), problem.alias(UNREADABLE))


def _exported(fields: dict[str, StructField], name: str) -> StructField | None:
    return fields.get(name) or fields.get(f"{name}_") or fields.get(OTHER_NAMES.get(name, ""))


def _is_unreadable(field: StructField, value, is_enum: bool):
    """Whether there is text that does not give a value of the column's type."""
    text = F.btrim(F.col(f"`{field.name}`"), F.lit(UNSEEN))
    unknown = F.coalesce(value == -1, F.lit(True)) if is_enum else value.isNull()
    return (text != "") & unknown


def _cast(name: str, field: StructField | None, type: str, labels: dict[str, int] | None):
    if field is None:
        return F.lit(None).cast(type)
    column = F.col(f"`{field.name}`")
    if not isinstance(field.dataType, StringType):
        return column.cast(type)
    trimmed = F.btrim(column, F.lit(UNSEEN))
    if type == "string":
        return column if name == "id" else trimmed
    text = F.when(trimmed != "", trimmed)
    if labels:
        plain = F.lower(F.regexp_replace(text, r"[^\p{L}\p{N}]", ""))
        known = F.coalesce(*[F.when(plain == label, number) for label, number in labels.items()])
        return F.when(text.isNotNull(), F.coalesce(_number(text), known, F.lit(-1))).cast(type)
    if type == "timestamp":
        # Synapse Link writes its own columns as people in the United States do, and everything else as ISO 8601.
        american = F.to_timestamp(F.when(text.contains("/"), text), "M/d/yyyy h:mm:ss a")
        return F.coalesce(american, _try_cast(F.when(~text.contains("/"), text), "timestamp"))
    return _try_cast(text, type)


def _number(text):
    return _try_cast(F.when(text.rlike(r"^[+-]?\d+$"), text), "int")


def _try_cast(value, type: str):
    """NULL where a value is not of the type. Before Spark 4, a cast did the same, and there was no other."""
    return value.try_cast(type) if hasattr(value.__class__, "try_cast") else value.cast(type)
