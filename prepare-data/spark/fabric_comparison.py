"""Compares the tables of Microsoft's pipeline for Fabric with those of prepare-data, made of the same lake.

    python fabric_comparison.py --lake LAKE --work FOLDER --prepared FOLDER

WORK is what fabric_notebooks.py wrote, PREPARED what prepare-data wrote. Prints tables in Markdown: rows, totals, each difference
by its rule, and what the last run of each rewrote. Exit status 1: a difference has no rule.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path

from pyspark.sql import SparkSession

from fabric_differences import EXPORTED, FINDINGS, GROUPED, NEWEST, UNEXPLAINED, VIEWS
from lake import Lake, read_delta
from prepare import local_session

PAIRS = [
    ("profiles_Customer", "customers"), ("activities_Orders", "sales_order_lines"), (None, "sales_orders"),
    (None, "store_transactions"), (None, "store_transaction_lines"), (None, "payments"), (None, "carts"), (None, "wish_lists"),
    ("activities_LoyaltyPoints", "loyalty_points"), (None, "loyalty_cards"), ("supporting_Products", "products"),
    (None, "product_variants"), ("supporting_Channels", "channels"), ("supporting_Calendar", "calendar"),
    ("supporting_LoyaltyRewardPoints", None),
    ("supporting_LoyaltyPrograms", None), ("analytics_CustomerMetrics", "customer_metrics"),
]


CACHED = ("headers", "accounts", "lines", "customers", "points", "attributes")
"""Views that are read several times."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", required=True, help="folder of the export, Delta")
    parser.add_argument("--work", required=True, type=Path, help="folder that fabric_notebooks.py wrote")
    parser.add_argument("--prepared", required=True, type=Path, help="folder that prepare-data wrote")
    chosen = parser.parse_args()
    spark = local_session()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.ansi.enabled", "false")
    spark.conf.set("spark.sql.sources.parallelPartitionDiscovery.threshold", 1_000_000)
    theirs, ours = register(spark, chosen)
    for layer in theirs.values():
        for name, path in layer.items():
            spark.read.parquet(path).createOrReplaceTempView(name)
    for name, text in VIEWS.items():
        rows = spark.sql(text)
        (rows.cache() if name in CACHED else rows).createOrReplaceTempView(name)
    print_rows(spark, theirs["gold"], ours)
    unexplained = print_bridge(spark, "Order lines", "lines", "their_recid", "our_recid", [("quantity", "SalesQty", "quantity"), *amounts(spark)])
    unexplained += print_bridge(spark, "Customers", "customers", "CustomerId", "customer_id", [])
    unexplained += print_bridge(spark, "Loyalty points", "points", "points_delta", "points", [("points", "points_delta", "points")])
    unexplained += print_findings(spark)
    print_runs(chosen.work, chosen.prepared)
    return 1 if unexplained else 0


def register(spark: SparkSession, chosen: argparse.Namespace) -> tuple[dict, list[str]]:
    lake = Lake(spark, chosen.lake)
    for table in EXPORTED:
        read_delta(spark, lake._delta[table]).createOrReplaceTempView(f"export_{table}")
        spark.sql(NEWEST.format(table=table)).createOrReplaceTempView(f"newest_{table}")
    ours = sorted(path.name for path in (chosen.prepared / "gold").iterdir() if (path / "_delta_log").is_dir())
    for name in ours:
        read_delta(spark, str(chosen.prepared / "gold" / name)).createOrReplaceTempView(f"ours_{name}")
    layers = {layer: chosen.work / "Files" / f"Tables_{layer}" for layer in ("silver", "gold")}
    return {layer: {path.name: str(path) for path in folder.iterdir() if path.is_dir()} for layer, folder in layers.items()}, ours


def print_rows(spark: SparkSession, theirs: dict[str, str], ours: list[str]) -> None:
    def count(there: bool, name: str | None) -> str:
        return f"{spark.table(name).count():,}" if there else "none"

    print("\n| theirs | rows | ours | rows |\n|---|---:|---|---:|")
    for their, our in PAIRS:
        if their in theirs or our in ours:
            print(f"| {their or ''} | {count(their in theirs, their)} | {our or ''} | {count(our in ours, f'ours_{our}')} |")


def amounts(spark: SparkSession) -> list[tuple[str, str, str]]:
    currencies = [row[0] for row in spark.sql("select distinct currency from lines where currency <> '' order by 1").collect()]
    return [(one, f"case when currency = '{one}' then LineAmount end", f"case when currency = '{one}' then line_amount end") for one in currencies]


def print_bridge(spark: SparkSession, title: str, table: str, their_key: str, our_key: str, sums: list[tuple[str, str, str]]) -> int:
    """From their table to ours, rule by rule; gives the rows that no rule explains."""
    counted = [(f"count({their_key})", f"count({our_key})"), *((f"coalesce(sum({one}), 0)", f"coalesce(sum({other}), 0)") for _, one, other in sums)]
    columns = ", ".join(f"{one}, {other}" for one, other in counted)
    pairs = {row[0]: list(zip(row[1::2], row[2::2])) for row in spark.sql(f"select rule, {columns} from {table} group by rule order by rule").collect()}
    names = ["rows", *(name for name, _, _ in sums)]
    print(f"\n{title}, from their table to ours:\n\n| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    print(_line("their table", [sum(values) for values in zip(*([one for one, _ in pair] for pair in pairs.values()))]))
    for rule, pair in pairs.items():
        if rule != "same":
            print(_line(rule, [other - one for one, other in pair], signed=True))
    print(_line("our table", [sum(values) for values in zip(*([other for _, other in pair] for pair in pairs.values()))]))
    return sum(max(pair[0]) for rule, pair in pairs.items() if rule.startswith(UNEXPLAINED))


def print_findings(spark: SparkSession) -> int:
    """Differences within the rows that both have; gives those that no rule explains."""
    lines = []
    for about, figures, table, rows in FINDINGS:
        count, other = spark.sql(f"select {figures} from {table} where {rows}").first()
        lines.append((about, count or 0, other or 0))
    for about, name, table, rows in GROUPED:
        for rule, count in spark.sql(f"select {name}, count(*) from {table} where {rows} group by 1 order by 1").collect():
            lines.append((f"{about} {rule}", count, ""))
    print("\n| within the rows that both have | rows | |\n|---|---:|---:|")
    for about, count, other in lines:
        print(_line(about, [count, other]))
    return sum(count for about, count, _ in lines if UNEXPLAINED in about)


def print_runs(work: Path, prepared: Path) -> None:
    runs = json.loads((work / "runs.json").read_text())
    report = json.loads((prepared / "quality" / "report.json").read_text())
    silver, gold = (rewritten(prepared / layer, report["asOf"]) for layer in ("silver", "gold"))
    print("\n| run | seconds | silver, bytes written | gold, bytes written |\n|---|---:|---:|---:|")
    for number, run in enumerate(runs, 1):
        print(f"| theirs, {number} | {run['seconds']:,} | {run['silver']['bytes']:,} | {run['gold']['bytes']:,} |")
    print(f"| ours, the last | {report['milliseconds'] / 1000:,.1f} | {silver:,} | {gold:,} |")


def rewritten(folder: Path, since: str) -> int:
    """Bytes of the files that the tables of the folder gained since then, by their logs."""
    start = datetime.fromisoformat(since[:19] + "+00:00").timestamp() * 1000
    total = 0
    for commit in folder.glob("*/_delta_log/*.json"):
        actions = [json.loads(line) for line in commit.read_text().splitlines() if line]
        if any(action.get("commitInfo", {}).get("timestamp", 0) >= start for action in actions):
            total += sum(action["add"]["size"] for action in actions if "add" in action)
    return total


def _line(name: str, values: list, signed: bool = False) -> str:
    texts = (value if value == "" else f"{value:+,.2f}" if signed else f"{value:,.2f}" for value in values)
    return f"| {name} | {' | '.join(text.removesuffix('.00') for text in texts)} |"


if __name__ == "__main__":
    sys.exit(main())
