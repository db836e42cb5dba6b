"""Executes the notebooks of Microsoft's pipeline for Fabric on plain PySpark, cell by cell and unchanged.

    python fabric_notebooks.py --notebooks FOLDER --lake LAKE --work FOLDER

writes their tables to WORK/Files and the seconds, rows and bytes of each run to WORK/runs.json. fabric_comparison.py compares.

What Fabric has and plain PySpark has not is replaced: the lakehouse by a database with views on the lake's tables, `Files/`
by a folder, and Delta tables by Parquet tables. See docs/lake/fabric-pipeline.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from pathlib import Path

from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from lake import Lake, read_delta
from prepare import local_session

DATABASE = "ci_lakehouse"
"""The lakehouse that the notebooks are set to."""

COLUMNS = {
    "dirpartytable": {"namealias": "string", "addressbooknames": "string", "dataareaid": "string"},
    "retailaffiliation": {
        "name": "string", "affiliationtype": "int", "poolrelatedcards": "int", "hideinchannels": "int",
        "dataareaid": "string", "modifieddatetime": "timestamp",
    },
    "retailloyaltycard": {
        "dataareaid": "string", "omoperatingunitid": "bigint", "loyaltyenrollmentdate": "timestamp",
        "loyaltyblockeddate": "timestamp",
    },
    "retailloyaltycardtier": {
        "loyaltycard": "bigint", "loyaltytier": "bigint", "affiliation": "bigint", "dataareaid": "string",
        "validfrom": "timestamp", "validto": "timestamp", "modifieddatetime": "timestamp",
    },
    "retailloyaltycardrewardpointtrans": {
        "dataareaid": "string", "remaining": "decimal(32,6)", "storeid": "string", "terminalid": "string", "staffid": "string",
        "loyaltytransactiontype": "int", "loyaltytier": "string", "startdate": "timestamp",
    },
}
"""Columns that the notebooks demand and an export may lack; NULL takes their place, or the cell would fail."""


LAYERS = ("silver", "gold")


class Notebooks:
    """The two notebooks, and the lakehouse that they run in."""

    def __init__(self, spark: SparkSession, folder: Path, work: Path):
        self.spark = spark
        self.files = work / "Files"
        self._notebooks = sorted(folder.rglob("*.ipynb"))
        if not self._notebooks:
            raise SystemExit(f"{folder} has no .ipynb file: give the folder notebooks of the pipeline")

    def run(self, lake: Lake) -> float:
        """Executes all notebooks over the lake; gives the seconds."""
        self._lakehouse(lake)
        log = io.StringIO()
        started = time.monotonic()
        with _fabric(self.spark, self.files), contextlib.redirect_stdout(log):
            for notebook in self._notebooks:
                self._execute(notebook)
        seconds = time.monotonic() - started
        for line in log.getvalue().splitlines():
            if "SKIP" in line or "WARN" in line or "error" in line:
                print(f"  {line}")
        return seconds

    def _execute(self, notebook: Path) -> None:
        names = {"spark": self.spark, "display": lambda *_: None, "__name__": notebook.stem}
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        for number, cell in enumerate(cells):
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), names)

    def _lakehouse(self, lake: Lake) -> None:
        self.spark.sql(f"create database if not exists {DATABASE}")
        for name, path in lake._delta.items():
            rows = read_delta(self.spark, path)
            present = {field.name.lower() for field in rows.schema.fields}
            lacking = {column: type for column, type in COLUMNS.get(name, {}).items() if column not in present}
            if lacking:
                print(f"  {name} lacks {', '.join(lacking)}: NULL")
            for column, type in lacking.items():
                rows = rows.withColumn(column, F.lit(None).cast(type))
            rows.createOrReplaceTempView(name)


@contextlib.contextmanager
def _fabric(spark: SparkSession, files: Path):
    """Fabric's settings, paths and table format, as far as the notebooks need them."""
    settings = {
        "spark.sql.ansi.enabled": "false",  # as in Spark 3.5, which Fabric has
        "spark.sql.sources.default": "parquet",
        # A partitioned table shows its partitions without a command that a Delta table does not need.
        "spark.sql.hive.manageFilesourcePartitions": "false",
        # A Delta table's log knows its files; Parquet's are listed, which is not to cost a task for each day.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
    }
    before = {name: spark.conf.get(name) for name in settings}
    database = spark.catalog.currentDatabase()
    format, save, sql = DataFrameWriter.format, DataFrameWriter.save, SparkSession.sql

    def located(path: str) -> str:
        return str(files.parent / path) if path.startswith("Files/") else path

    def parquet_sql(session: SparkSession, text: str, *args, **named):
        text = text.replace("USING DELTA", "USING PARQUET").replace("'Files/", f"'{files}/")
        return sql(session, text, *args, **named)

    DataFrameWriter.format = lambda writer, source: format(writer, "parquet" if source == "delta" else source)
    DataFrameWriter.save = lambda writer, path=None, *args, **named: save(writer, path and located(path), *args, **named)
    type(spark).sql = parquet_sql
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        DataFrameWriter.format, DataFrameWriter.save, type(spark).sql = format, save, sql
        for name, value in before.items():
            spark.conf.set(name, value)
        spark.catalog.setCurrentDatabase(database)


def written(folder: Path) -> dict[str, int]:
    """Files and bytes of a folder of tables; every run overwrites all of them."""
    files = list(folder.rglob("*.parquet"))
    return {"files": len(files), "bytes": sum(file.stat().st_size for file in files)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", required=True, type=Path, help="folder of the two notebooks")
    parser.add_argument("--lake", required=True, help="folder of the export, Delta")
    parser.add_argument("--work", required=True, type=Path, help="folder for the tables that the notebooks write")
    chosen = parser.parse_args()
    spark = local_session()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    work = chosen.work.resolve()
    seconds = Notebooks(spark, chosen.notebooks, work).run(Lake(spark, chosen.lake))
    run = {"seconds": round(seconds, 1), **{layer: written(work / "Files" / f"Tables_{layer}") for layer in LAYERS}}
    record = work / "runs.json"
    runs = json.loads(record.read_text()) if record.exists() else []
    record.write_text(json.dumps([*runs, run], indent=2))
    print(json.dumps(run))


if __name__ == "__main__":
    main()
