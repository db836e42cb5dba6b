"""Labels of enums, as an export lists them beside its tables."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Iterable

from contract import Source

LISTS = {
    "globaloptionsetmetadata": ("optionsetname", "option", "", "", "localizedlabel", "globaloptionsetname", "entityname", "externalvalue"),
    "optionsetmetadata": ("entityname", "optionsetname", "option", "", "", "localizedlabel"),
}
"""The columns that the files have without a header."""


class OptionLabels:
    """Numbers of enum values by table and column, and by label. A label with several numbers has none."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], dict[str, int | None]] = {}

    def add_file(self, name: str, text: str) -> None:
        """Adds the rows of a file, which has no header and may have a delimiter at the end of each line."""
        names = LISTS.get(name.lower().removesuffix(".csv"))
        if names:
            self.add_rows(dict(zip(names, values)) for values in csv.reader(io.StringIO(text, newline="")))

    def add_rows(self, rows: Iterable[dict[str, object]]) -> None:
        for row in rows:
            value = {name.lower(): str(text or "").strip() for name, text in row.items()}
            if not re.fullmatch(r"[+-]?\d+", value.get("option", "")):
                continue
            number = int(value["option"])
            key = (value.get("entityname", "").lower(), value.get("optionsetname", "").lower())
            known = self._numbers.setdefault(key, {})
            for label in {plain(value.get(name, "")) for name in ("localizedlabel", "externalvalue")} - {""}:
                known[label] = number if known.get(label, number) == number else None

    def extended(self, source: Source) -> Source:
        """The table with the labels of the list, which is that of this environment, so it wins."""
        labels = dict(source.labels)
        for column in (name for name, type in source.columns.items() if type == "int"):
            merged = {**labels.get(column, {}), **self._numbers.get((source.name, column), {})}
            labels[column] = {label: number for label, number in merged.items() if number is not None}
        return replace(source, labels={column: known for column, known in labels.items() if known})


def plain(label: str) -> str:
    """A label without case, and without other signs than letters and digits."""
    return "".join(sign for sign in label if sign.isalnum()).lower()
