"""Finds the exported tables of a lake and gives each as a view with the columns that sources.json declares.

Delta tables are told by their `_delta_log`, Synapse Link's CSV by `model.json`. Paths may be local, abfss:// or whatever else
Spark can open.
"""

from __future__ import annotations

import json
from typing import Iterable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField

from change_folders import ChangeFolders, LakeError
from contract import Source
from option_labels import LISTS, OptionLabels

DELTA_FOLDERS = ("deltalake", "Tables", "Tables/dbo", "")
UNSEEN = "".join(map(chr, [*range(9, 14), 32, 133, 160, 5760, *range(8192, 8203), 8203, 8232, 8233, 8239, 8287, 12288, 65279]))
"""What nobody sees around text: spaces of all kinds, tabs, ends of lines, and byte order marks."""


class Lake:
    def __init__(self, spark: SparkSession, root: str):
        self.spark = spark
        self.root = root.rstrip("/")
        self._delta = dict(self._find_delta())
        self._folders = None if self._delta else ChangeFolders(self)
        self._labels = self._folders.labels() if self._folders else OptionLabels()
        for name in LISTS.keys() & self._delta.keys():
            self._labels.add_rows(row.asDict() for row in read_delta(spark, self._delta[name]).collect())

    @property
    def skipped(self) -> list[str]:
        """Change folders that are not read, because the export did not finish them."""
        return self._folders.skipped if self._folders else []

    def has(self, table: str) -> bool:
        return table in (self._delta if self._folders is None else self._folders.tables)

    def bronze(self, source: Source) -> DataFrame:
        """All rows of the source, deleted and superseded ones included."""
        if not self.has(source.name) and source.required:
            raise LakeError(f"{self.root} has no table {source.name}: add it to the export")
        if not self.has(source.name):
            return self._empty(source)
        if source.name in self._delta:
            rows = read_delta(self.spark, self._delta[source.name]).withColumn("lakefolder", F.lit(""))
        else:
            rows = self._folders.read(source.name)
        return _conform(rows, self._labels.extended(source))

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
        columns = ", ".join(f"{name} {type}" for name, type in source.columns.items())
        return self.spark.createDataFrame([], f"{columns}, lakefolder string")

    def list(self, path: str) -> list[str]:
        """Names in a folder of the lake."""
        files, at = self._open(f"{self.root}/{path}".rstrip("/"))
        return [status.getPath().getName() for status in files.listStatus(at)] if files.exists(at) else []

    def text(self, path: str) -> str:
        """The text of a file of the lake."""
        files, at = self._open(f"{self.root}/{path}")
        stream = files.open(at)
        try:
            return self.spark._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()

    def _open(self, path: str):
        at = self.spark._jvm.org.apache.hadoop.fs.Path(path)
        return at.getFileSystem(self.spark._jsc.hadoopConfiguration()), at


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


def _conform(rows: DataFrame, source: Source) -> DataFrame:
    present = {field.name.lower(): field for field in rows.schema.fields}
    missing = source.required_columns - present.keys()
    if missing and present.keys() != {"lakefolder"}:
        raise LakeError(f"{source.name} lacks {', '.join(sorted(missing))}: the export is older, or another table")
    columns = [
        _cast(name, present.get(name), type, source.labels.get(name)).alias(name) for name, type in source.columns.items()
    ]
    return rows.select(*columns, F.col("lakefolder"))


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
        return F.coalesce(american, F.when(~text.contains("/"), text).try_cast("timestamp"))
    return text.try_cast(type)


def _number(text):
    return F.when(text.rlike(r"^[+-]?\d+$"), text).try_cast("int")
