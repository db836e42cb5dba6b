"""The table of rejected rows."""

from __future__ import annotations

import functools
import time

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import contract
import difference
from contract import Gold
from gold import Prepared
from lake import UNREADABLE
from rejections import COLUMNS, Rejections, rejected_rows, unreadable_values
from run import Run
from state import GoldState
from views import computed

PATH = "quality/rejected"
KEY = "rejection_id"


def update(run: Run, prepared: list[Prepared]) -> None:
    """Updates the table after all others are published."""
    started = time.monotonic()
    parts = [(one.table, one.rejections) for one in prepared if one.table.rejected]
    definition = run.views.published_definition(*(contract.statements(table.rejected) for table, _ in parts))
    reads = [name for table, _ in parts for name in table.reads]
    version = run.tables.version(PATH)
    known = run.state.rejected
    is_known = known and not run.reconcile and version and (known.version, known.definition, known.inputs) == (
        version,
        definition,
        run.inputs.before(reads),
    )
    run.inputs.register(run.views)
    if is_known and run.inputs.unchanged(reads):
        how, pending = "unchanged", None
    elif is_known:
        how, pending = "changes", _changes(run, parts)
    else:
        how, pending = "whole", difference.whole(run.tables, PATH, KEY, computed(_whole(run, [table for table, _ in parts])))
    entry = run.report.add("quality", "rejected", how)
    if pending:
        entry.take(pending)
        pending.publish()
    rows = run.tables.read(PATH)
    entry.finish(run.tables.version(PATH), started, 0 if pending else run.tables.count(PATH))
    run.report.rejected = {row.reason: row["count"] for row in rows.groupBy("reason").count().orderBy("reason").collect()}
    run.state.rejected = GoldState(entry.version, definition, run.as_of.isoformat(), run.inputs.now(reads))


def _whole(run: Run, tables: list[Gold]) -> DataFrame:
    parts = [rejected_rows(run.views, table) for table in tables]
    for source in contract.sources(run.views.sql):
        if run.lake.is_text(source.name):
            input = run.inputs.silver[source.name]
            found = input.unreadable if input.read_all else run.lake.rows(source).where(f"{UNREADABLE} is not null")
            parts.append(unreadable_values(source.name, found))
    return _union(run, parts)


def _changes(run: Run, parts: list[tuple[Gold, Rejections]]) -> difference.Pending:
    inputs = run.inputs.silver.items()
    rows = [unreadable_values(name, input.unreadable) for name, input in inputs if input.unreadable is not None]
    keys = run.spark.createDataFrame([], "published_table string, key string")
    whole_tables = [table for table, part in parts if part.how == "whole"]
    for table, part in parts:
        if part.how == "changes":
            keys = keys.union(part.keys)
            rows.append(part.rows)
    rows += [rejected_rows(run.views, table) for table in whole_tables]
    existing = run.tables.read(PATH)
    affected = existing.join(keys, ["published_table", "key"], "left_semi").select(F.col(KEY).alias("key"))
    whole = existing.where(F.col("published_table").isin([table.name for table in whole_tables])).select(KEY)
    return difference.changes(run.tables, PATH, KEY, _union(run, rows), affected.union(whole))


def _union(run: Run, parts: list[DataFrame]) -> DataFrame:
    nothing = run.spark.createDataFrame([], ", ".join(f"{name} {type}" for name, type in COLUMNS.items()))
    return functools.reduce(DataFrame.unionByName, parts, nothing).distinct()
