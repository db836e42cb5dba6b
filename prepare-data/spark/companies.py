"""The companies to publish. Silver tables have the rows of all; published tables are made of those of the chosen ones."""

from __future__ import annotations

from typing import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from change_folders import LakeError
from contract import Source
from inputs import Inputs

TABLES = ("custtable", "inventtable")
"""Tables that every company which sells has rows in."""


def codes_of(companies: Iterable[str]) -> list[str]:
    """The codes in one spelling and order."""
    return sorted({code.strip().lower() for code in companies if code.strip()})


def choose(companies: list[str], inputs: Inputs, sources: list[Source]) -> None:
    """Leaves the rows of the chosen companies in the inputs, and those that name no company."""
    if not companies:
        return
    _require(companies, inputs)
    for source in sources:
        if not source.companies_by:
            continue
        input = inputs.silver[source.name]
        input.rows = _of(companies, source, input.rows)
        if input.changes is not None:
            input.changes = _of(companies, source, input.changes)


def _require(companies: list[str], inputs: Inputs) -> None:
    """A misspelled code would publish nothing."""
    known = set()
    for name in TABLES:
        known |= {row[0] for row in inputs.silver[name].rows.select("dataareaid").distinct().collect() if row[0]}
    unknown = [code for code in companies if code not in known]
    if unknown:
        raise LakeError(
            f"the export has no customer and no item of the company {', '.join(unknown)}; it has those of "
            f"{', '.join(sorted(known))}"
        )


def _of(companies: list[str], source: Source, rows: DataFrame) -> DataFrame:
    company = F.coalesce(*(F.col(name) for name in source.companies_by))
    return rows.where(company.isNull() | company.isin(companies))
