"""Writes a small lake with the defects of real change folders, and lakes that must be refused, to compare both engines on.

    python dirty_lake.py --out FOLDER

FOLDER/read is a lake that both engines read alike. Each folder in FOLDER/refused is one that both refuse.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
from pathlib import Path

import contract

PERSON = 98765


class DirtyLake:
    def __init__(self, folder: Path):
        self.folder = folder
        self.columns = {
            source.name: [*[name for name in source.columns if name != "isdelete"], "IsDelete"] for source in contract.sources()
        }
        self.write("Changelog/changelog.info", "2026-12-01T00.00.00Z")

    def write(self, file: str, text: str | bytes) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def describe(self, folder: str) -> None:
        entities = [
            {"name": table, "attributes": [{"name": name, "dataType": "string"} for name in columns]}
            for table, columns in self.columns.items()
        ]
        model = json.dumps({"name": "cdm", "entities": entities})
        self.write(f"{folder}/model.json", model)
        self.write("model.json", model)

    def line(self, table: str, row: dict) -> str:
        values = {"id": f"{table}-{row.get('recid')}", "dataareaid": "usmf", **row}
        text = io.StringIO()
        cells = [str(values.get(name.lower(), "")) for name in self.columns[table]]
        csv.writer(text, quoting=csv.QUOTE_ALL).writerow(cells)
        return text.getvalue()

    def add(self, folder: str, **tables: list[dict]) -> None:
        for table, rows in tables.items():
            self.write(f"{folder}/{table}/2026.csv", "".join(self.line(table.lower(), row) for row in rows))
        self.describe(folder)


def person(number: int, **more) -> dict[str, list[dict]]:
    stamp = {"recid": number, "versionnumber": number * 10, "sinkmodifiedon": "1/1/2026 12:10:00 AM"}
    return {
        "custtable": [{**stamp, "accountnum": f"C{number}", "party": number, **more}],
        "dirpartytable": [{**stamp, "instancerelationtype": PERSON, "primaryaddresslocation": number}],
        "dirpersonname": [{**stamp, "person": number, "firstname": "Ada\u00a0", "lastname": "Lovelace\r\n"}],
    }


def merged(*parts: dict[str, list[dict]]) -> dict[str, list[dict]]:
    tables: dict[str, list[dict]] = {}
    for part in parts:
        for table, rows in part.items():
            tables.setdefault(table, []).extend(rows)
    return tables


def lake_that_is_read(folder: Path) -> None:
    lake = DirtyLake(folder)
    address = {"street": "Main\tStreet\t", "city": "Rome", "county": "Lazio"}
    people = merged(*(person(number) for number in range(1, 6)))
    people["CustTable"] = people.pop("custtable")
    orders = [
        {"recid": 50, "salesid": "SO1", "custaccount": "c1", "salesstatus": "Canceled", "versionnumber": 1},
        {"recid": 51, "salesid": "SO2", "custaccount": "C2", "salesstatus": "Open order", "versionnumber": 1},
        {"recid": 52, "salesid": "SO3", "custaccount": "C3", "salesstatus": "Lost", "versionnumber": 1},
    ]
    orders += [
        {"recid": 53, "salesid": "SO4", "custaccount": "C2", "salesstatus": "Storniert", "versionnumber": 1},
        {"recid": 54, "salesid": "SO5", "custaccount": "C2", "salesstatus": "Offen", "versionnumber": 1},
    ]
    labels = [(4, "Storniert"), (1, "Offen"), (2, "Offen")]
    rows = [f"SalesStatus,{number},False,1031,{label},SalesStatus,SalesTable,,\n" for number, label in labels]
    lake.write("2026-01-01T00.00.00Z/OptionsetMetadata/GlobalOptionsetMetadata.csv", "".join(rows))
    lines = [
        {"recid": 60 + number, "salesid": f"so{number}", "salesqty": 1, "lineamount": "10.5", "salesstatus": 4 if number == 3 else 1}
        for number in (1, 2, 3)
    ]
    receipt = {"store": "H", "channel": 5, "transactionid": "T1", "versionnumber": 1}
    lake.add(
        "2026-01-01T00.00.00Z",
        **people,
        salestable=orders,
        salesline=lines,
        logisticspostaladdress=[{"recid": 70, "location": 1, "versionnumber": 1, **address}],
        retailtransactiontable=[{**receipt, "recid": 80, "terminal": "H1", "type": 2, "netamount": -20, "custaccount": "c2"}],
        retailtransactionsalestrans=[
            {**receipt, "recid": 81, "terminalid": "H1", "qty": -1, "netamount": -20, "itemid": "SHOE", "transactionstatus": 0},
            {**receipt, "recid": 82, "terminalid": "H1", "qty": -1, "netamount": -50, "giftcard": 1, "transactionstatus": 0},
        ],
    )
    # Another order of columns, a column more and one less.
    columns = lake.columns["logisticspostaladdress"]
    street, city = columns.index("street"), columns.index("city")
    columns[street], columns[city] = columns[city], columns[street]
    columns.remove("county")
    columns.insert(1, "addedcolumn")
    deleted = {"dataareaid": "", "isdelete": "True", "sinkmodifiedon": "1/2/2026 10:01:00 AM"}
    again = {"sinkmodifiedon": "1/2/2026 10:05:00 AM", "versionnumber": 99}
    lake.add(
        "2026-01-02T00:00:00Z",
        custtable=[{"recid": 3, **deleted}, {"recid": 4, **deleted}, {"recid": 4, "accountnum": "C4", "party": 4, **again}],
        logisticspostaladdress=[{"recid": 71, "location": 2, "versionnumber": 1, **address}],
    )
    # Not finished: the model is cut.
    lake.add("2026-01-03T00.00.00Z", **person(6))
    lake.write("2026-01-03T00.00.00Z/model.json", '{"entities": [')
    lake.write("2026-01-03T00.00.00Z/custtable/2026.csv", 'cut,"of')
    # An older version again; narrow rows before wide ones.
    narrow = lake.line("custtable", {"recid": 2, "accountnum": "C2", "party": 2, "custgroup": "old", "versionnumber": 5})
    lake.columns["custtable"].append("rating")
    wide = lake.line("custtable", {"recid": 1, "accountnum": "C1", "party": 1, "custgroup": "new", "versionnumber": 98})
    lake.add("2026-01-04T00.00.00Z", **{table: rows for table, rows in person(7).items() if table != "custtable"})
    lake.write("2026-01-04T00.00.00Z/custtable/2026.csv", narrow + wide)


def lakes_that_are_refused(folder: Path) -> None:
    line = DirtyLake(folder / "cut").line("custtable", person(2)["custtable"][0])
    wrong = {
        "cut": line[: len(line) // 2],
        "split": line.replace('"C2"', "C,2"),
        "quote": line.replace('"C2"', '"C\\"2\\""'),
        "utf16": line.encode("utf-16"),
        "latin1": line.replace("C2", "C\u00fc").encode("latin-1"),
    }
    for name, text in wrong.items():
        lake = DirtyLake(folder / name)
        lake.add("2026-01-01T00.00.00Z", **person(1))
        lake.describe("2026-01-02T00.00.00Z")
        lake.write("2026-01-02T00.00.00Z/custtable/2026.csv", text)
    narrower = DirtyLake(folder / "narrower")
    narrower.add("2026-01-01T00.00.00Z", **person(1))
    narrow = narrower.line("custtable", person(3)["custtable"][0])
    narrower.columns["custtable"].append("rating")
    narrower.describe("2026-01-02T00.00.00Z")
    narrower.write("2026-01-02T00.00.00Z/custtable/2026.csv", narrower.line("custtable", person(2)["custtable"][0]) + narrow)
    no_key = DirtyLake(folder / "no-key")
    people = person(1)
    people["custtable"].append({**people["custtable"][0], "recid": 2, "id": ""})
    no_key.add("2026-01-01T00.00.00Z", **people)
    no_model = DirtyLake(folder / "no-model")
    no_model.add("2026-01-01T00.00.00Z", **person(1))
    (no_model.folder / "2026-01-01T00.00.00Z/model.json").unlink()
    empty = DirtyLake(folder / "empty")
    empty.add("2026-01-01T00.00.00Z", **{**person(1), "custtable": []})
    missing = DirtyLake(folder / "not-described")
    missing.add("2026-01-01T00.00.00Z", **person(1))
    model = json.loads((missing.folder / "2026-01-01T00.00.00Z/model.json").read_text())
    model["entities"] = [entity for entity in model["entities"] if entity["name"] != "custtable"]
    missing.write("2026-01-01T00.00.00Z/model.json", json.dumps(model))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder of the lakes, which is replaced")
    out = Path(parser.parse_args().out)
    shutil.rmtree(out, ignore_errors=True)
    lake_that_is_read(out / "read")
    lakes_that_are_refused(out / "refused")


if __name__ == "__main__":
    main()
