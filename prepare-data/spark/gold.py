"""Published tables. All are prepared before the first is published, and only if the gate stops none of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame

import contract
import difference
import gate
from contract import Gold
from difference import Pending
from rejections import Rejections, rejections_of
from report import Entry
from run import Run
from state import GoldState
from views import computed


@dataclass
class Prepared:
    """A gold table before it is published."""

    table: Gold
    entry: Entry
    pending: Pending | None
    """Its changes; None if it was not computed."""
    rejections: Rejections


def prepare(run: Run) -> list[Prepared]:
    """Prepares every gold table whose main source is exported."""
    tables = contract.gold_tables(run.views.sql)
    run.report.left_out += [table.name for table in tables if not run.inputs.has(table.driver)]
    return [_prepare_one(run, table) for table in tables if run.inputs.has(table.driver)]


def problems(run: Run, prepared: list[Prepared]) -> list[gate.Problem]:
    """What the gate finds in the prepared tables."""
    found = []
    for one in prepared:
        if one.pending:
            found += gate.keys(one.pending) + gate.row_loss(one.pending, run.vanishing_share)
            if not one.pending.counts.after:
                driver = one.table.driver
                found += gate.empty_profile(one.pending, one.table.category, driver, run.spark.table(driver).isEmpty())
    return found


def publish(run: Run, prepared: list[Prepared]) -> None:
    for one in prepared:
        table, path = one.table, f"gold/{one.table.name}"
        if one.pending:
            one.pending.publish()
        one.entry.version = run.tables.version(path)
        now = run.inputs.now(table.reads)
        run.state.gold[table.name] = GoldState(one.entry.version, _definition(run, table), run.as_of.isoformat(), now)


def _prepare_one(run: Run, table: Gold) -> Prepared:
    started = time.monotonic()
    version = run.tables.version(f"gold/{table.name}")
    known = run.state.gold.get(table.name)
    # The state is used only if these statements made the table from the inputs as they were before this run.
    is_known = known and (known.version, known.definition, known.inputs, run.reconcile) == (
        version,
        _definition(run, table),
        run.inputs.before(table.reads),
        False,
    )
    how, pending, rejections = _computed(run, table, known if is_known else None)
    run.views.release()
    entry = run.report.add("gold", table.name, how)
    if pending:
        entry.take(pending)
    entry.finish(None, started, 0 if pending else run.tables.count(f"gold/{table.name}"))
    return Prepared(table, entry, pending, rejections)


def _computed(run: Run, table: Gold, known: GoldState | None) -> tuple[str, Pending | None, Rejections]:
    depends_on_time = "as_of" in contract.statements(table.path)
    if known and run.inputs.unchanged(table.reads) and not depends_on_time:
        return "unchanged", None, Rejections("unchanged")
    if known and table.changes and run.inputs.register_changes(table.reads):
        return _changes(run, table, datetime.fromisoformat(known.as_of))
    run.inputs.register(run.views)
    rows = computed(run.views.view(table.name, table.path))
    return "whole", difference.whole(run.tables, f"gold/{table.name}", table.key, rows), Rejections("whole")


def _changes(run: Run, table: Gold, previous: datetime) -> tuple[str, Pending | None, Rejections]:
    run.inputs.register(run.views, previous)
    run.views.narrow(table.changes, run.shared_steps.setdefault(previous, {}))
    affected = run.spark.table("affected").select("key").distinct()
    if affected.isEmpty():
        return "unchanged", None, Rejections("unchanged")
    rejections = rejections_of(run.views, table, affected)
    rows: DataFrame = run.views.view(table.name, table.path)
    pending = difference.changes(run.tables, f"gold/{table.name}", table.key, rows, affected)
    return "changes", pending, rejections


def _definition(run: Run, table: Gold) -> str:
    paths = [table.path, *([table.changes] if table.changes else [])]
    return run.views.published_definition(*map(contract.statements, paths))
