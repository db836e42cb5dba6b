"""Checks of the published tables, which stop nothing, and of the category hierarchy, which does."""

from __future__ import annotations

import functools

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import contract
from change_folders import LakeError
from run import Run


def gaps(run: Run) -> list[dict]:
    """References without a target, of the checks whose tables are all published."""
    published = {table.name for table in contract.gold_tables(run.views.sql) if run.tables.version(f"gold/{table.name}")}
    for name in published:
        run.tables.read(f"gold/{name}").createOrReplaceTempView(name)
    checks = [check for check in contract.checks(run.views.sql) if published.issuperset(check.reads)]
    if not checks:
        return []
    parts = [run.spark.sql(check.statement).select(F.lit(check.name).alias("check"), "gaps", "of_rows") for check in checks]
    found = {row.check: row for row in functools.reduce(DataFrame.unionByName, parts).collect()}
    return [
        {"check": check.name, "about": check.about, "gaps": found[check.name].gaps, "of": found[check.name].of_rows}
        for check in checks
    ]


NAMES = (
    ("category_hierarchy", "ecorescategoryhierarchy", "category hierarchy"),
    ("brand_attribute", "ecoresattribute", "product attribute"),
    ("exchange_rate_type", "exchangeratetype", "exchange rate type"),
)
"""Parameters that name a record of a table of the export, and what the record is."""


def require_names(run: Run) -> None:
    """Refuses names that the export does not have: columns would be empty, and nobody would see why."""
    for parameter, table, what in NAMES:
        wanted = run.views.settings.get(parameter)
        if wanted and run.inputs.has(table):
            _require_name(run, parameter, table, what, wanted)


def _require_name(run: Run, parameter: str, table: str, what: str, wanted: object) -> None:
    rows = run.spark.sql(f"select name, cast(recid as string) as number from {table} order by name nulls last")
    names = [(row.name, row.number) for row in rows.collect()]
    if not any((name or "").lower() == str(wanted).lower() or number == str(wanted) for name, number in names):
        known = ", ".join(name or number for name, number in names) or "none"
        raise LakeError(f"there is no {what} `{wanted}` (setting {parameter}); the export has {known}")
