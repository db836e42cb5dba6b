"""Reads what both engines share: sources.json and the SQL files."""

from __future__ import annotations

import itertools
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
    companies_by: tuple[str, ...] = ()
    """Columns that name the company of a row, of which the first that is not NULL counts."""


@dataclass(frozen=True)
class Gold:
    """A gold table: its SQL file and what the file's header says."""

    name: str
    path: Path
    key: str
    driver: str
    category: str
    reads: tuple[str, ...] = ()

    @property
    def changes(self) -> Path | None:
        """The file of the rows that may have changed since the last run; None for a small table, which is computed as a whole."""
        path = self.path.with_suffix(".changes.sql")
        return path if path.exists() else None

    @property
    def rejected(self) -> Path | None:
        """The file of the source rows that are not in the table."""
        path = self.path.parents[1] / "rejected" / self.path.name
        return path if path.exists() else None


@dataclass(frozen=True)
class Check:
    """A count of references without a target. It stops nothing."""

    name: str
    about: str
    reads: tuple[str, ...]
    statement: str


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
    return [*used_steps(path), *own_steps(path, **names)]


def used_steps(path: Path) -> list[tuple[str, str]]:
    """The steps of the other files that a file uses."""
    used = re.search(r"^-- uses: (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    files = [path.parents[1] / "steps" / f"{name.strip()}.sql" for name in used[1].split(",")] if used else []
    return [(name or file.stem, text) for file in files for name, text in own_steps(file)]


def own_steps(path: Path, **names: str) -> list[tuple[str, str]]:
    """The steps of the file itself."""
    text = path.read_text(encoding="utf-8")
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    parts = re.split(r"^-- step: (.+)$", text, flags=re.MULTILINE)
    if len(parts) == 1:
        return [("", text)]
    return list(zip((name.strip() for name in parts[1::2]), parts[2::2]))


def statements(path: Path) -> str:
    """Everything that the rows of a file depend on: its text, and that of the steps that it uses."""
    return "".join(text for _, text in steps(path)) + path.read_text(encoding="utf-8")


def checks(sql: Path = SQL) -> list[Check]:
    folder = sql / "checks"
    files = sorted(path for path in folder.glob("*.sql") if path.stem != "reference")
    found = [_check(path.stem, path.read_text(encoding="utf-8")) for path in files]
    template = (folder / "reference.sql").read_text(encoding="utf-8")
    for one in json.loads((folder / "references.json").read_text(encoding="utf-8")):
        text = template
        for name, value in {"condition": "true", **one}.items():
            text = text.replace("{" + name + "}", value)
        found.append(Check(one["name"], one["about"], (one["table"], one["target"]), text))
    return found


def _check(name: str, text: str) -> Check:
    header = [line[2:].strip() for line in itertools.takewhile(lambda line: line.startswith("--"), text.splitlines())]
    about = " ".join(line for line in header if not line.startswith("reads:"))
    return Check(name, about, _reads(text), text)


def _reads(text: str) -> tuple[str, ...]:
    line = re.search(r"^-- reads: (.+)$", text, flags=re.MULTILINE)
    return tuple(name.strip() for name in line[1].split(",")) if line else ()


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
        companies_by=("dataareaid",) if table["company"] else tuple(table.get("companies_by", ())),
    )


def _gold(path: Path) -> Gold:
    text = path.read_text(encoding="utf-8")
    header = dict(re.findall(r"^-- (key|driver|category): (\w+)", text, flags=re.MULTILINE))
    return Gold(path.stem, path, header["key"], header["driver"], header["category"], _reads(text))
