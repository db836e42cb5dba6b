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
from pyspark.sql.types import StringType, StructField, StructType

from contract import Source

DELTA_FOLDERS = ("deltalake", "Tables", "")
CHANGE_FOLDER = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}[.:]\d{2}[.:]\d{2}")
BEYOND = "columns_beyond_the_model"
"""Takes what a CSV row has more than model.json declares: such a row was split wrongly, and nothing in it can be trusted."""


class LakeError(Exception):
    """The lake lacks something that is required, or holds something that cannot be read."""


class Lake:
    def __init__(self, spark: SparkSession, root: str):
        self.spark = spark
        self.root = root.rstrip("/")
        self._delta = dict(self._find_delta())
        self._entities = {} if self._delta else self._read_model()
        self._change_folders = [] if self._delta else self._find_change_folders()

    def has(self, table: str) -> bool:
        return table in self._delta or table in self._entities

    def bronze(self, source: Source) -> DataFrame:
        """All rows of the source, deleted and superseded ones included."""
        if not self.has(source.name) and source.required:
            raise LakeError(f"{self.root} has no table {source.name}: add it to the export")
        if not self.has(source.name):
            return self._empty(source)
        if source.name in self._delta:
            rows = read_delta(self.spark, self._delta[source.name]).withColumn("lakefolder", F.lit(""))
        else:
            rows = self._read_csv(source.name)
        return _conform(rows, source)

    def _find_delta(self) -> Iterable[tuple[str, str]]:
        for folder in DELTA_FOLDERS:
            parent = f"{self.root}/{folder}".rstrip("/")
            for name in self._list(parent):
                if self._list(f"{parent}/{name}/_delta_log"):
                    yield name.lower(), f"{parent}/{name}"

    def _read_model(self) -> dict[str, dict]:
        if "model.json" not in self._list(self.root):
            raise LakeError(f"{self.root} has neither Delta tables nor a model.json: is it the export's folder?")
        model = json.loads(self._text(f"{self.root}/model.json"))
        return {entity["name"].lower(): entity for entity in model["entities"]}

    def _find_change_folders(self) -> list[str]:
        """The change folders in order of time, without the one that is still being written."""
        active = ""
        if "changelog.info" in self._list(f"{self.root}/Changelog"):
            active = _uniform(self._text(f"{self.root}/Changelog/changelog.info").strip().strip("/"))
        folders = sorted(name for name in self._list(self.root) if CHANGE_FOLDER.match(name))
        return [name for name in folders if _uniform(name) != active]

    def _read_csv(self, table: str) -> DataFrame:
        entity = self._entities[table]
        names = [attribute["name"].lower() for attribute in entity["attributes"]]
        schema = StructType([StructField(name, StringType()) for name in [*names, BEYOND]])
        paths = [
            f"{self.root}/{folder}/{child}"
            for folder in self._change_folders
            for child in self._list(f"{self.root}/{folder}")
            if child.lower() == table and any(file.endswith(".csv") for file in self._list(f"{self.root}/{folder}/{child}"))
        ]
        if not paths:
            return self.spark.createDataFrame([], schema).withColumn("lakefolder", F.lit(""))
        # Columns that were added to the export later are missing at the end of older rows; PERMISSIVE makes them NULL.
        rows = self.spark.read.csv(
            paths, schema=schema, multiLine=True, quote='"', escape='"', mode="PERMISSIVE", pathGlobFilter="*.csv"
        )
        path = F.replace(F.input_file_name(), F.lit("%3A"), F.lit("."))
        folder = F.replace(F.element_at(F.split(path, "/"), -3), F.lit(":"), F.lit("."))
        split_wrongly = F.raise_error(F.concat(F.lit("more columns than model.json declares in "), path))
        return rows.withColumn("lakefolder", F.when(F.col(BEYOND).isNotNull(), split_wrongly).otherwise(folder))

    def _empty(self, source: Source) -> DataFrame:
        columns = ", ".join(f"{name} {type}" for name, type in source.columns.items())
        return self.spark.createDataFrame([], f"{columns}, lakefolder string")

    def _list(self, path: str) -> list[str]:
        files, at = self._open(path)
        return [status.getPath().getName() for status in files.listStatus(at)] if files.exists(at) else []

    def _text(self, path: str) -> str:
        files, at = self._open(path)
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
    if missing:
        raise LakeError(f"{source.name} lacks {', '.join(sorted(missing))}: the export is older, or another table")
    columns = [_cast(present.get(name), type).alias(name) for name, type in source.columns.items()]
    return rows.select(*columns, F.col("lakefolder"))


def _cast(field: StructField | None, type: str):
    if field is None:
        return F.lit(None).cast(type)
    column = F.col(f"`{field.name}`")
    if not isinstance(field.dataType, StringType) or type == "string":
        return column.cast(type)
    text = F.when(F.trim(column) != "", F.trim(column))
    if type == "timestamp":
        # Synapse Link writes its own columns as people in the United States do, and everything else as ISO 8601.
        american = F.to_timestamp(F.when(text.contains("/"), text), "M/d/yyyy h:mm:ss a")
        return F.coalesce(american, F.when(~text.contains("/"), text).cast("timestamp"))
    return text.cast(type)


def _uniform(folder: str) -> str:
    return folder.replace(":", ".")
