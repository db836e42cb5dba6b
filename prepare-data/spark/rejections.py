"""Source rows that are in no published table, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contract import Gold
from lake import UNREADABLE
from views import Views, computed

COLUMNS = {
    "rejection_id": "string",
    "published_table": "string",
    "source_table": "string",
    "source_id": "string",
    "company": "string",
    "key": "string",
    "recorded_at": "timestamp",
    "reason": "string",
}


@dataclass
class Rejections:
    """How the rejected rows of one published table are updated."""

    how: str
    """unchanged; changes: those with these keys are replaced by these rows; whole: all are computed."""
    keys: DataFrame | None = None
    rows: DataFrame | None = None


def rejections_of(views: Views, table: Gold, affected: DataFrame) -> Rejections:
    """The rejected rows of the affected keys. The views contain only rows of these keys now."""
    if not table.rejected:
        return Rejections("unchanged")
    keys = affected.select(F.lit(table.name).alias("published_table"), "key")
    return Rejections("changes", keys, computed(rejected_rows(views, table)))


def rejected_rows(views: Views, table: Gold) -> DataFrame:
    """The rows that the script of a table rejects, in the columns of the table of rejected rows."""
    rows = views.view("rejections", table.rejected)
    return rows.select(
        F.concat_ws("/", F.lit(table.name), "source_table", "source_id", "reason").alias("rejection_id"),
        F.lit(table.name).alias("published_table"),
        "source_table",
        "source_id",
        F.col("dataareaid").alias("company"),
        "key",
        "recorded_at",
        "reason",
    )


def unreadable_values(name: str, unreadable: DataFrame) -> DataFrame:
    """Values of change folders that are not of the type of their column."""
    identity = F.concat_ws("/", F.lit(name), "id", F.lit("unreadable"), UNREADABLE)
    known = {
        "rejection_id": identity,
        "source_table": F.lit(name),
        "source_id": F.col("id"),
        "reason": F.concat(F.lit("unreadable_"), UNREADABLE),
    }
    return unreadable.select(*(known.get(column, F.lit(None)).cast(type).alias(column) for column, type in COLUMNS.items()))
