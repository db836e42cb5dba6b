"""Prepares exported Commerce tables for Customer Insights - Data on Spark, with the SQL files that prepare-data runs.

In a notebook of Fabric or Synapse:

    from prepare import Preparation
    Preparation(spark, lake="abfss://...", out="abfss://...").run()

On the command line: python prepare.py --lake LAKE --out FOLDER [--set language=de-de]
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pyspark.sql import SparkSession

import checks
import contract
import gold
import rejected
import silver
from companies import choose, codes_of
from contract import Gold
from inputs import Input, Inputs
from lake import Lake, LakeError
from report import Report
from run import Run
from silver import Silver
from state import State
from tables import open_tables
from views import Views, computed, value_of


class Preparation:
    """Prepares a lake, and publishes what differs from the last run."""

    def __init__(
        self,
        spark: SparkSession,
        lake: str,
        out: str | None = None,
        sql: str | Path = contract.SQL,
        settings: dict[str, object] | None = None,
        person_types: list[int] = (),
        vanishing_share: float = 0.2,
        reconcile_after_days: int = 7,
        companies: list[str] = (),
    ):
        self.spark = spark
        self.sql = Path(sql)
        self.out = out.rstrip("/") if out else None
        if self.out == lake.rstrip("/"):
            raise LakeError("out is the folder of lake: the results need a folder of their own")
        if not 0 <= vanishing_share <= 1:
            raise LakeError(f"vanishing_share {vanishing_share} is not between 0 and 1: a fifth is 0.2")
        self.vanishing_share = vanishing_share
        self.reconcile_after = timedelta(days=reconcile_after_days)
        # Validity and event times are compared in UTC, whatever the session was set to.
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        settings = {"as_of": datetime.now(timezone.utc), **(settings or {})}
        self.as_of = settings["as_of"] = value_of(settings["as_of"], "timestamp")
        self.views = Views(spark, self.sql, settings, list(person_types), codes_of(companies))
        self.lake = Lake(spark, lake)

    def run(self, layers: str = "three", incremental: bool = False) -> dict[str, int]:
        """Prepares and publishes what differs; gives the rows of each gold table. `incremental` computes only what may have
        changed since the last run, except once a week."""
        run = self._new_run(layers, incremental)
        try:
            self._prepare(run)
            run.state.write(run.files)
            run.report.write(run.files)
        finally:
            self.views.release()
        print(run.report)
        if run.report.problems:
            found = "; ".join(f"{problem.table}: {problem.message}" for problem in run.report.problems)
            raise LakeError(f"nothing was published: {found}")
        return run.report.rows()

    def _new_run(self, layers: str, incremental: bool) -> Run:
        tables = open_tables(self.spark, self.out)
        state = State.read(tables.files)
        tables.known_rows = state.rows
        last = state.reconciled()
        reconcile = not incremental or last is None or self.as_of - last >= self.reconcile_after
        report = Report(self.as_of, reconcile)
        report.skipped_folders = self.lake.skipped
        keeps_silver = layers == "three"
        return Run(
            self.spark, self.views, self.lake, tables, state, report, self.as_of, self.vanishing_share, keeps_silver, reconcile
        )

    def _prepare(self, run: Run) -> None:
        self.views.register_settings()
        for source in contract.sources(self.sql):
            run.inputs.silver[source.name] = Silver(run, source).update()
        if run.report.problems:
            return
        # If the gate stops gold, the next run finds that these tables are ahead of what gold was made of.
        run.state.write(run.files)
        choose(self.views.companies, run.inputs, contract.sources(self.sql))
        run.inputs.register(self.views)
        run.report.newest_source_row = silver.newest_row(run)
        checks.require_names(run)
        run.inputs.compute_shared(self.views)
        prepared = gold.prepare(run)
        run.inputs.register(self.views)
        run.report.problems += gold.problems(run, prepared)
        if run.report.problems:
            return
        gold.publish(run, prepared)
        rejected.update(run, prepared)
        run.report.gaps = checks.gaps(run)
        if run.reconcile:
            run.state.reconciled_at = self.as_of.isoformat()

    def silver(self) -> list[str]:
        """Registers silver, computed as a whole; gives the names of the silver tables that the lake has."""
        self.views.register_settings()
        tables = contract.sources(self.sql)
        self._inputs = Inputs()
        for source in tables:
            # Computed once: with all that makes silver in the plans of gold, planning these takes minutes.
            rows = computed(silver.view_of(self.views, source, self.lake.bronze(source)))
            rows.createOrReplaceTempView(source.name)
            self._inputs.silver[source.name] = Input(rows, self.lake.has(source.name))
        return [source.name for source in tables if self.lake.has(source.name)]

    def gold(self) -> list[Gold]:
        """Registers the gold tables that the lake has the rows for, computed as a whole; silver must be registered."""
        if self.views.companies:
            choose(self.views.companies, self._inputs, contract.sources(self.sql))
            self._inputs.register(self.views)
        self._inputs.compute_shared(self.views)
        tables = [table for table in contract.gold_tables(self.sql) if self._inputs.has(table.driver)]
        for table in tables:
            self.views.view(table.name, table.path)
        return tables


def local_session(is_small: bool = False) -> SparkSession:
    """Spark on this machine's cores; shuffles have as many parts as these can use, not the 200 of a cluster. A small lake of a
    test needs one part, and no compilation of what runs once."""
    parts = 1 if is_small else 2 * (os.cpu_count() or 1)
    session = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false")
    session = session.config("spark.ui.showConsoleProgress", "false").config("spark.log.level", "ERROR")
    session = session.config("spark.sql.shuffle.partitions", parts)
    session = session.config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")  # the default is deprecated, without a zone
    if is_small:
        session = session.config("spark.sql.adaptive.enabled", "false").config("spark.sql.codegen.wholeStage", "false")
        session = session.config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        options = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC"
        session = session.config("spark.driver.memory", "2g").config("spark.sql.ui.retainedExecutions", 1)
        session = session.config("spark.driver.extraJavaOptions", options).config("spark.default.parallelism", 1)
    return session.getOrCreate()


def settings_of(pairs: list[str]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", required=True, help="folder of the export")
    parser.add_argument("--out", required=True, help="folder for silver/, gold/ and quality/")
    parser.add_argument("--layers", choices=("three", "two"), default="three", help="two: silver is not written")
    parser.add_argument("--person-type", type=int, action="append", default=[], help="instancerelationtype of persons")
    parser.add_argument("--companies", default="", metavar="COMPANY,...", help="companies to publish; without it, all")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of sources.json")
    parser.add_argument("--incremental", action="store_true", help="compute only what may have changed since the last run")
    chosen = parser.parse_args()
    preparation = Preparation(
        local_session(),
        chosen.lake,
        chosen.out,
        settings=settings_of(chosen.set),
        person_types=chosen.person_type,
        companies=chosen.companies.split(","),
    )
    preparation.run(chosen.layers, chosen.incremental)


if __name__ == "__main__":
    main()
