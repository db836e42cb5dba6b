"""Executes the notebook on the days of a shop, and compares every row with what prepare-data publishes. Exit status 1: it differs.

    python days.py --program prepare-data --folder EMPTY [--format delta --format csv]

On Spark the first day is computed as a whole, and the second from its changes; it has to equal what prepare-data computes as a
whole. A bad day has to be refused by both, and to publish nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

import contract
from compare import SHOWN, differences
from notebook import notebook
from prepare import local_session
from tables import CHANGE, create_statement, merge_statement

FIRST, SECOND, BAD = (f"2026-11-{day}T00:00:00Z" for day in (15, 16, 17))
LOST = 100
"""Customers that the bad day deletes: more than a fifth of them."""
NO_ID = {"salesid": "SO-X", "dataareaid": "usrt", "recid": 1, "versionnumber": 10**15}
"""The order without an id."""


class Days:
    def __init__(self, session: SparkSession, program: str, folder: Path, format: str):
        self.session, self.program, self.format = session, program, format
        names = ("", "-prepared", "-afresh", "-spark")
        self.lake, self.rust, self.afresh, self.spark = (folder / f"{format}{name}" for name in names)
        self.notebook = folder / "prepare.ipynb"

    def pass_by(self) -> None:
        sizes = ["--customers", "400", "--lines", "4000"]
        self._run("sample-lake", "--out", self.lake, "--format", self.format, "--as-of", FIRST, *sizes)
        self._prepare(self.rust, FIRST)
        report = self._execute(FIRST)
        expect(set(hows(report).values()) == {"whole"}, "the first day is computed as a whole")
        self._require_equal(self.rust, "the first day")

        self._run("sample-lake", "--out", self.lake, "--change", "0.02")
        self._prepare(self.afresh, SECOND)
        report = self._execute(SECOND)
        expected = {table.name: "changes" for table in contract.gold_tables() if table.changes}
        found = {name: how for name, how in hows(report).items() if name in expected and how != "unchanged"}
        is_so = not report["reconciled"] and "customers" in found and found.items() <= expected.items()
        expect(is_so, f"the second day is computed from its changes: {found}")
        self._require_equal(self.afresh, "the second day")

    def refuse(self) -> None:
        """A day that deletes many customers, and has an order without an id."""
        write_bad_day = {"csv": write_bad_folder, "delta": write_bad_commits}[self.format]
        write_bad_day(self.lake)
        before = published(self.spark)
        status = self._run("run", "--lake", self.lake, "--out", self.rust, "--as-of", BAD, "--sql", contract.SQL, may_fail=True)
        expect(status == 2, f"prepare-data refuses the bad day: status {status}")
        try:
            self._execute(BAD)
        except Exception as error:  # what a notebook raises is of a class that it imported itself
            print(f"refused: {str(error).splitlines()[0][:200]}")
        else:
            expect(False, "the notebook refuses the bad day")
        rules = {(one["rule"], one["table"]) for one in self._report(self.spark)["problems"]}
        expect(rules == {(one["rule"], one["table"]) for one in self._report(self.rust)["problems"]}, f"for the same reasons: {rules}")
        expect(rules == {("row_loss", "custtable"), ("keys", "salestable")}, "and for these")
        expect(published(self.spark) == before, "and publishes nothing")

    def _prepare(self, out: Path, as_of: str) -> None:
        self._run("run", "--lake", self.lake, "--out", out, "--as-of", as_of, "--sql", contract.SQL)

    def _run(self, *words, may_fail: bool = False) -> int:
        done = subprocess.run([self.program, *map(str, words)], stdout=subprocess.DEVNULL)
        expect(may_fail or done.returncode == 0, f"prepare-data {words[0]}")
        return done.returncode

    def _execute(self, as_of: str) -> dict:
        settings = json.dumps({"as_of": as_of})
        parameters = {"lake": str(self.lake), "out": str(self.spark), "settings": settings, "incremental": True}
        execute(self.notebook, self.session, **parameters)
        print(f"{self.format} {as_of}: {processor_seconds(self.session):.0f} s of processor time so far", flush=True)
        return self._report(self.spark)

    def _report(self, out: Path) -> dict:
        return json.loads((out / "quality/report.json").read_text())

    def _require_equal(self, prepared: Path, day: str) -> None:
        keys = {table.name: table.key for table in contract.gold_tables()} | {"rejected": "rejection_id"}
        folders = [path.parent for path in sorted(prepared.glob("*/*/_delta_log"))]
        expect(len(folders) > 20, "there are tables to compare")
        for folder in folders:
            table = folder.relative_to(prepared)
            actual = pa.table(DeltaTable(str(folder)).to_pyarrow_table())
            found = differences(pq.read_table(self.spark / table), actual, keys.get(folder.name, "id"))
            expect(not found, f"{day}, {table}: {actual.num_rows} rows, equal on Spark: {found[:SHOWN]}")
        print(f"{self.format}: {day}: {len(folders)} tables, all rows equal")


def execute(path: Path, session: SparkSession, **parameters: object) -> None:
    """Runs the cells of a notebook as Fabric does: `spark` is there, and a pipeline's parameters follow those of the cell."""
    names: dict[str, object] = {"__name__": "__main__", "spark": session}
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] != "code":
            continue
        exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
        if "parameters" in cell["metadata"].get("tags", []):
            expect(parameters.keys() <= names.keys(), "the notebook has these parameters")
            names.update(parameters)


def processor_seconds(session: SparkSession) -> float:
    """Of Spark's Java process: what a run costs on a busy machine, too."""
    return session._jvm.java.lang.ProcessHandle.current().info().totalCpuDuration().get().toMillis() / 1000


def write_bad_commits(lake: Path) -> None:
    customers, orders = (DeltaTable(str(next(lake.glob(f"**/{name}/_delta_log")).parent)) for name in ("custtable", "salestable"))
    id = next(name for name in customers.schema().to_arrow().names if name.lower() == "id")
    ids = customers.to_pyarrow_table(columns=[id])[id].to_pylist()
    customers.delete(f""""{id}" in ('{"', '".join(some_of(ids))}')""")
    schema = pa.schema(orders.schema().to_arrow())
    row = {name: NO_ID.get(name.lower()) for name in schema.names}
    write_deltalake(orders, pa.Table.from_pylist([row], schema), mode="append")


def write_bad_folder(lake: Path) -> None:
    newest = sorted(path for path in lake.glob("20*") if (path / "model.json").exists())[-1]
    folder = lake / "2026-11-15T12.00.00Z"
    model = json.loads((newest / "model.json").read_text())
    columns = {one["name"].lower(): [column["name"].lower() for column in one["attributes"]] for one in model["entities"]}
    ids = sorted(row[0] for file in lake.glob("20*/custtable/*.csv") for row in csv.reader(file.open(encoding="utf-8", newline="")))
    deleted = {"sinkmodifiedon": "11/15/2026 11:00:00 AM", "isdelete": "true"}
    for table, rows in {
        "custtable": [{"id": id, **deleted} for id in some_of(ids)],
        "salestable": [NO_ID],
    }.items():
        (folder / table).mkdir(parents=True)
        with (folder / table / "2026.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([str(row.get(name, "")) for name in columns[table]] for row in rows)
    (folder / "model.json").write_text(json.dumps(model))


def some_of(ids: list[str]) -> list[str]:
    """About `LOST` of the ids."""
    every = sorted(set(ids))
    return every[:: max(1, len(every) // LOST)]


def published(out: Path) -> set[str]:
    return {str(path) for path in (out / "gold").rglob("*.parquet")}


def hows(report: dict) -> dict[str, str]:
    return {one["table"]: one["how"] for one in report["tables"] if one["layer"] == "gold"}


def expect(is_so: bool, what: str) -> None:
    if not is_so:
        sys.exit(f"not so: {what}")


def require_sql_of_delta(session: SparkSession) -> None:
    """Delta for Spark is not here: its statements are parsed, not executed."""
    rows = session.createDataFrame([], "customer_id string, first_name string, amount decimal(32, 6), at timestamp")
    parser = session._jsparkSession.sessionState().sqlParser()
    parser.parsePlan(create_statement("abfss://a@b/gold/customers", rows.schema))
    plan = parser.parsePlan(merge_statement("abfss://a@b/gold/customers", [*rows.columns, CHANGE], "customer_id")).toString()
    expect("deleteaction(Some(('changes._change = delete)))" in plan, f"the statement deletes what is gone: {plan}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="prepare-data")
    parser.add_argument("--folder", required=True, help="an empty folder for lakes and results")
    parser.add_argument("--format", choices=("delta", "csv"), action="append", default=[])
    chosen = parser.parse_args()
    folder = Path(chosen.folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prepare.ipynb").write_text(json.dumps(notebook(contract.SQL)), encoding="utf-8")
    session = local_session(is_small=True)
    require_sql_of_delta(session)
    for format in chosen.format or ["delta", "csv"]:
        days = Days(session, chosen.program, folder, format)
        days.pass_by()
        days.refuse()


if __name__ == "__main__":
    main()
