"""Change folders contain only what is new. An older version of a row, or the row under a delete, can come again in a later
folder. So new rows are ranked together with what is known of the same ids: the stored rows and the recorded deletes."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contract import Source
from lake import UNREADABLE

REMEMBERED = 20_000
"""Deletes of a table that are remembered, the newest ones."""
STAMPS = ("id", "versionnumber", "sinkmodifiedon")


def add_known(spark: SparkSession, source: Source, new: DataFrame, stored: DataFrame, deletes: dict[str, list]) -> DataFrame:
    """The new rows, and what is known of their ids, with an empty `lakefolder`."""
    ids = new.select("id").distinct()
    rows = [(id, version, written) for id, (written, version) in deletes.items()]
    deleted = spark.createDataFrame(rows, "id string, versionnumber bigint, written bigint")
    deleted = deleted.withColumn("sinkmodifiedon", F.timestamp_micros("written"))
    parts = [_stamps(source, part.join(ids, "id", "left_semi"), flag) for part, flag in ((stored, False), (deleted, True))]
    return new.unionByName(parts[0]).unionByName(parts[1])


def _stamps(source: Source, rows: DataFrame, is_deleted: bool) -> DataFrame:
    """The columns of bronze. The id, the version and the time are known; the rest is NULL."""
    columns = {name: F.col(name) if name in STAMPS else F.lit(None).cast(type) for name, type in source.columns.items()}
    columns["isdelete"] = F.lit(is_deleted)
    return rows.select(*(column.alias(name) for name, column in columns.items()), F.lit("").alias("lakefolder"))


def noted(rows: DataFrame) -> DataFrame:
    """The few rows that are deletes or have an unreadable value."""
    wanted = rows.where(F.col("isdelete") | F.col(UNREADABLE).isNotNull())
    written = F.unix_micros("sinkmodifiedon").alias("written")
    return wanted.select("id", "isdelete", written, "versionnumber", UNREADABLE)


def merged_deletes(special: DataFrame, known: dict[str, list]) -> dict[str, list]:
    """The newest deletes of those that were read and those that were known, by id."""
    newest = special.where("isdelete").groupBy("id").agg(F.max(F.struct("written", "versionnumber")).alias("newest"))
    newest = newest.orderBy(F.col("newest").desc()).limit(REMEMBERED)
    merged = dict(known)
    for row in newest.collect():
        found = [row.newest.written, row.newest.versionnumber]
        merged[row.id] = max(merged.get(row.id, found), found, key=_age)
    if len(merged) > REMEMBERED:
        merged = dict(sorted(merged.items(), key=lambda one: _age(one[1]), reverse=True)[:REMEMBERED])
    return merged


def _age(deleted: list) -> tuple:
    """Deletes in order; an unknown time or version comes first."""
    return tuple((value is not None, value or 0) for value in deleted)
