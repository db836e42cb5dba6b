"""Runs the queries of the pages on the telemetry that the sandbox recorded. Each must return rows on at least one day.

    python3 .ci/page_queries.py target/tmp/telemetry

A query that names an event or a field that the app does not log is valid for queries.mjs, and returns nothing here. Needs
the packages in alerts.txt.
"""

import re
import sys
from pathlib import Path

import duckdb
import duckdb_kql

from alerts import RECORDED, ROOT, recorded, tables


def queries():
    """Each query of a page, with its name."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        blocks = re.split(r"^ *```kusto\n", page.read_text(), flags=re.MULTILINE)[1:]
        for number, block in enumerate(blocks, start=1):
            yield f"docs/{page.name}, query {number}", re.split(r"^ *```", block, flags=re.MULTILINE)[0]


def returns_rows(query, rows):
    with duckdb.connect() as base:
        tables(base, rows)
        return bool(base.execute(duckdb_kql.to_sql(query)).fetchall())


def main(folder):
    days = [recorded(folder / f"{name}.ndjson")[0] for name in RECORDED]
    all_queries = list(queries())
    empty = [name for name, query in all_queries if not any(returns_rows(query, rows) for rows in days)]
    for name in empty:
        print(f"{name}: no rows on any day", file=sys.stderr)
    print(f"{len(all_queries)} queries of pages on {len(days)} days, {len(empty)} without rows")
    return 1 if empty or not all_queries else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
