"""Makes prepare.ipynb, a notebook for Fabric and Synapse that holds the Python and SQL files, so that importing is one file.

    python notebook.py [--sql FOLDER] [--out prepare.ipynb]

The notebook is made when it is needed, of the files as they are, and is never edited or committed.
"""

from __future__ import annotations

import argparse
import ast
import json
from pathlib import Path

import contract

HERE = Path(__file__).resolve().parent
CELL_SIZE = 16_000
"""Characters of a cell, unless one file is longer."""

ABOUT = """# Commerce tables for Customer Insights - Data

Reads Commerce tables that Link to Fabric or Synapse Link exported, and writes `gold/` for Customer Insights - Data, `silver/`, and
`quality/` with the report and the rejected rows. A run writes only the rows that differ from the last one.

Set the parameters in the next cell, or let a pipeline set them. The cells after it hold the files of the preparation and need no
change. The last cell runs it. It fails if the quality gate finds a problem; then nothing is published.
"""

PARAMETERS = """# The folder of the export: abfss://dataverse-...@....dfs.core.windows.net, or a lakehouse whose Tables are shortcuts
lake = ""
# The folder of the results. Customer Insights - Data reads the folder gold in it
out = ""
# Parameters of sources.json as JSON: '{"language": "de-de"}'
settings = "{}"
# Party types that are persons, with commas: "12506"; empty: they are found in the data
person_types = ""
# Companies to publish, with commas: "usmf,demf"; empty: all
companies = ""
# three, or two: silver is not written, and every run computes everything
layers = "three"
# Compute only what may have changed since the last run, except once a week
incremental = False
# Stop if a table would lose more than this share of its rows
vanishing_share = 0.2
# Days between two comparisons of all rows
reconcile_after_days = 7
"""

UNPACK = """import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
for name, text in FILES.items():
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    # An earlier run in this session may have loaded other files.
    sys.modules.pop(Path(name).stem, None)
sys.path.insert(0, str(folder / "spark"))
"""

RUN = """import json

from prepare import Preparation

rows = Preparation(
    spark,
    lake=lake,
    out=out,
    settings=json.loads(settings),
    person_types=[int(type) for type in person_types.split(",") if type.strip()],
    companies=companies.split(","),
    vanishing_share=vanishing_share,
    reconcile_after_days=reconcile_after_days,
).run(layers, incremental)
"""


def notebook(sql: Path) -> dict:
    """The notebook with these SQL files."""
    cells = [_markdown(ABOUT), _code(PARAMETERS, tags=["parameters"]), _code("FILES = {}\n")]
    groups = {"spark": sorted(_needed(HERE / "prepare.py", set())), "sql": [sql / "sources.json"]}
    for path in sorted(sql.rglob("*.sql")) + sorted((sql / "checks").glob("*.json")):
        groups.setdefault(f"sql/{path.parent.name}", []).append(path)
    for folder, paths in groups.items():
        cells += [_markdown(f"## {folder}"), *(_code(text, hidden=True) for text in _packed(folder, paths))]
    cells += [_markdown("## Run"), _code(UNPACK), _code(RUN)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "synapse_pyspark", "display_name": "Synapse PySpark", "language": "Python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _needed(path: Path, found: set[Path]) -> set[Path]:
    """A module, and the modules of this folder that it imports."""
    found.add(path)
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [statement.module] if isinstance(statement, ast.ImportFrom) else []
        names += [one.name for one in statement.names] if isinstance(statement, ast.Import) else []
        for imported in (HERE / f"{name}.py" for name in names):
            if imported.exists() and imported not in found:
                _needed(imported, found)
    return found


def _packed(folder: str, paths: list[Path]) -> list[str]:
    """Texts of cells, each with several files: Fabric executes 256 code cells of a notebook at most.
    <https://learn.microsoft.com/fabric/data-engineering/notebook-limitation>"""
    cells = [""]
    for path in paths:
        text = _file(f"{folder}/{path.name}", path)
        if cells[-1] and len(cells[-1]) + len(text) > CELL_SIZE:
            cells.append("")
        cells[-1] += text
    return cells


def _file(name: str, path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    literal = f"r'''{text}'''"
    try:
        is_same = ast.literal_eval(literal) == text
    except SyntaxError:
        is_same = False
    return f"FILES[{name!r}] = {literal if is_same else repr(text)}\n"


def _markdown(text: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(text: str, tags: list[str] = (), hidden: bool = False) -> dict:
    metadata = {"tags": list(tags)} if tags else {}
    if hidden:
        metadata["jupyter"] = {"source_hidden": True}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sql", default=str(contract.SQL), help="folder of SQL files to use instead of the shipped ones")
    parser.add_argument("--out", default="prepare.ipynb", help="file of the notebook")
    chosen = parser.parse_args()
    text = json.dumps(notebook(Path(chosen.sql)), indent=1, ensure_ascii=False) + "\n"
    Path(chosen.out).write_text(text, encoding="utf-8")
    print(f"{chosen.out}: {len(text) // 1024} KiB")


if __name__ == "__main__":
    main()
