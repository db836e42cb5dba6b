"""Compares what prepare-data wrote with what Spark makes of the same lake: schema, keys and every value of every row.

    python compare.py --lake LAKE --prepared FOLDER [--as-of 2026-01-31T06:00:00Z] [--set language=de-de]

The tables are read back with the deltalake package, which shares no code with Spark. Exit status 1: something differs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from pyspark.sql import DataFrame

from prepare import Preparation, local_session, settings_of

SHOWN = 5
"""Differences that are printed of each table."""


def main() -> int:
    chosen = _arguments()
    settings = settings_of(chosen.set)
    if chosen.as_of:
        settings["as_of"] = chosen.as_of
    preparation = Preparation(
        local_session(chosen.small),
        chosen.lake,
        settings=settings,
        person_types=chosen.person_type,
        companies=chosen.companies.split(","),
    )
    prepared = Path(chosen.prepared)

    keys, rows = {}, {}
    for name in preparation.silver():
        rows[f"silver/{name}"] = preparation.spark.table(name)  # of all companies; the gold tables see the chosen ones
        if (prepared / "silver" / name).exists():  # with two layers, silver is not written
            keys[f"silver/{name}"] = "id"
    for table in preparation.gold():
        rows[f"gold/{table.name}"] = preparation.spark.table(table.name)
        keys[f"gold/{table.name}"] = table.key

    differing = 0
    for name, key in keys.items():
        differences = _compare(rows[name], prepared / name, key)
        differing += bool(differences)
        for difference in differences[:SHOWN]:
            print(f"  {name}: {difference}")
    unexpected = _tables(prepared / "gold") - {name.split("/")[1] for name in keys if name.startswith("gold/")}
    for name in sorted(unexpected):
        print(f"  gold/{name}: Spark does not make this table")
    print(f"{len(keys)} tables compared, {differing + len(unexpected)} differ")
    return 1 if differing or unexpected else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", required=True, help="folder of the export")
    parser.add_argument("--prepared", required=True, help="folder that prepare-data wrote, with silver/ and gold/")
    parser.add_argument("--as-of", help="time of the run that is compared; now, if not given")
    parser.add_argument("--person-type", type=int, action="append", default=[], help="instancerelationtype of persons")
    parser.add_argument("--small", action="store_true", help="the lake is small: start quickly")
    parser.add_argument("--companies", default="", metavar="COMPANY,...", help="companies that were published; without it, all")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of sources.json")
    return parser.parse_args()


def _tables(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def _compare(expected_rows: DataFrame, path: Path, key: str) -> list[str]:
    if not (path / "_delta_log").is_dir():
        return ["is not there"]
    actual = pa.table(DeltaTable(str(path)).to_pyarrow_table())
    print(f"{path.parent.name}/{path.name}: {actual.num_rows} rows")
    return differences(expected_rows.toArrow(), actual, key)


def differences(expected: pa.Table, actual: pa.Table, key: str) -> list[str]:
    """What differs between two tables in schema and rows, whatever the order of the rows."""
    expected, actual = _uniform(expected), _uniform(actual)
    return _schema_differences(expected.schema, actual.schema) or _row_differences(expected, actual, key)


def _uniform(table: pa.Table) -> pa.Table:
    """Arrow has several layouts for text; they mean the same."""
    layouts = (pa.large_string(), pa.string_view())
    types = [pa.string() if field.type in layouts else field.type for field in table.schema]
    return table.cast(pa.schema([pa.field(name, type) for name, type in zip(table.column_names, types)]))


def _schema_differences(expected: pa.Schema, actual: pa.Schema) -> list[str]:
    if expected.names != actual.names:
        return [f"columns {actual.names} instead of {expected.names}"]
    pairs = zip(expected, actual)
    return [f"{one.name} is {other.type} instead of {one.type}" for one, other in pairs if one.type != other.type]


def _row_differences(expected: pa.Table, actual: pa.Table, key: str) -> list[str]:
    expected, actual = expected.sort_by(key), actual.sort_by(key)
    if expected.combine_chunks().equals(actual.combine_chunks()):
        return []
    return _key_differences(expected, actual, key) or _value_differences(expected, actual, key)


def _key_differences(expected: pa.Table, actual: pa.Table, key: str) -> list[str]:
    missing = expected.filter(pc.invert(pc.is_in(expected[key], actual[key].combine_chunks())))
    extra = actual.filter(pc.invert(pc.is_in(actual[key], expected[key].combine_chunks())))
    differences = [f"{value} is missing" for value in missing[key].slice(0, SHOWN).to_pylist()]
    differences += [f"{value} is too many" for value in extra[key].slice(0, SHOWN).to_pylist()]
    if not differences and expected.num_rows != actual.num_rows:
        differences = [f"{actual.num_rows} rows instead of {expected.num_rows}: {key} repeats"]
    return differences


def _value_differences(expected: pa.Table, actual: pa.Table, key: str) -> list[str]:
    """Both tables are sorted and have the same keys."""
    differences = []
    for name in expected.column_names:
        one, other = expected[name], actual[name]
        equal = pc.fill_null(pc.equal(one, other), False)
        both_null = pc.and_(pc.is_null(one), pc.is_null(other))
        rows = pc.indices_nonzero(pc.invert(pc.or_(equal, both_null))).to_pylist()
        for row in rows[:SHOWN]:
            differences.append(f"{expected[key][row]}: {name} is {other[row]} instead of {one[row]}")
    return differences


if __name__ == "__main__":
    sys.exit(main())
