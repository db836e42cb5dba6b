"""Reads what both engines share: sources.json and the SQL files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

SQL = Path(__file__).resolve().parent.parent / "sql"

SYSTEM_COLUMNS = {"id": "string", "recid": "bigint"}
TRAILING_COLUMNS = {"isdelete": "boolean", "versionnumber": "bigint", "sinkmodifiedon": "timestamp"}


@dataclass(frozen=True)
class Source:
    """A table of the export, as sources.json declares it."""

    name: str
    required: bool
    columns: dict[str, str]
    """Every column of the table's bronze view with its SQL type, in order; `lakefolder` comes after them."""
    required_columns: frozenset[str]
    labels: dict[str, dict[str, int]]
    """Numbers of enums by label, by column."""


@dataclass(frozen=True)
class Gold:
    """A gold table: its SQL file and what the file's header says."""

    name: str
    path: Path
    key: str
    driver: str
    category: str


def sources(sql: Path = SQL) -> list[Source]:
    return [_source(table) for table in _contract(sql)["tables"]]


def parameters(sql: Path = SQL) -> list[dict]:
    """The columns of the table `parameters`: name, type, default."""
    return _contract(sql)["parameters"]


def gold_tables(sql: Path = SQL) -> list[Gold]:
    files = sorted(path for path in (sql / "gold").glob("*.sql") if not path.name.endswith(".changes.sql"))
    return [_gold(path) for path in files]


def steps(path: Path, **names: str) -> list[tuple[str, str]]:
    """The statements of a file with the names of their steps, those that it uses first; the last may have no name."""
    text = path.read_text(encoding="utf-8")
    used = re.search(r"^-- uses: (.+)$", text, flags=re.MULTILINE)
    names_used = [name.strip() for name in used[1].split(",")] if used else []
    earlier = [(name, (path.parents[1] / "steps" / f"{name}.sql").read_text(encoding="utf-8")) for name in names_used]
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    parts = re.split(r"^-- step: (.+)$", text, flags=re.MULTILINE)
    if len(parts) == 1:
        return [*earlier, ("", text)]
    return earlier + list(zip((name.strip() for name in parts[1::2]), parts[2::2]))


def _contract(sql: Path) -> dict:
    return json.loads((sql / "sources.json").read_text(encoding="utf-8"))


def _source(table: dict) -> Source:
    company = {"dataareaid": "string"} if table["company"] else {}
    declared = {column["name"]: column["type"] for column in table["columns"]}
    required = {column["name"] for column in table["columns"] if column.get("required")}
    return Source(
        name=table["name"],
        required=table["required"],
        columns={**SYSTEM_COLUMNS, **company, **declared, **TRAILING_COLUMNS},
        required_columns=frozenset({"id", *company, *required}),
        labels={column["name"]: column["labels"] for column in table["columns"] if column.get("labels")},
    )


def _gold(path: Path) -> Gold:
    header = dict(re.findall(r"^-- (key|driver|category): (\w+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
    return Gold(name=path.stem, path=path, key=header["key"], driver=header["driver"], category=header["category"])
