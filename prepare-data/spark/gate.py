"""The quality gate: rules that stop a run before it publishes wrong data. The same as those of prepare-data."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from difference import Pending

MIN_LOST_ROWS = 20
"""A table may always lose this many rows: three of five channels are not an error."""


@dataclass(frozen=True)
class Problem:
    """Why a run was stopped. The message is logged, so it contains no row; the example may be a customer number."""

    rule: str
    table: str
    message: str
    example: str | None = None

    def report(self) -> dict:
        return {name: value for name, value in asdict(self).items() if value is not None}


def keys(pending: Pending) -> list[Problem]:
    """A primary key is unique and not blank, or Customer Insights - Data refuses the table."""
    found = pending.keys
    if not found.missing and not found.repeated:
        return []
    message = (
        f"{found.missing} rows have no key and {found.repeated} rows have the key of another row: "
        "correct the SQL file or the export"
    )
    return [Problem("keys", _table(pending), message, found.example)]


def row_loss(pending: Pending, vanishing_share: float) -> list[Problem]:
    """A table does not lose a large share of its rows from one run to the next."""
    counts = pending.counts
    lost = max(0, counts.before - counts.after) if pending.columns_change else counts.deleted
    share = lost / max(counts.before, 1)
    if lost <= MIN_LOST_ROWS or share <= vanishing_share:
        return []
    message = (
        f"{lost} of {counts.before} rows would be lost ({share:.0%}, more than {vanishing_share:.0%}). Nothing was removed. "
        "Find out first whether these rows are deleted in the source: a table that was exported again, change folders that "
        'were deleted, or a wrong folder look the same. docs/lake, "When a run stops", has the steps. If a '
        "narrower choice of companies is meant to remove them, run once with vanishing_share=1"
    )
    return [Problem("row_loss", _table(pending), message)]


def empty_profile(pending: Pending, category: str, driver: str, driver_is_empty: bool) -> list[Problem]:
    """A profile table is not empty. If it is, nothing was read, or the party types are wrong."""
    if pending.counts.after or category != "profile":
        return []
    table = _table(pending)
    if driver_is_empty:
        message = (
            f"the export has no row of {driver}, so {table} would be empty. Wait until the export has finished its first "
            "copy, or check the folder of the export"
        )
    else:
        message = (
            f"no row of {driver} resolves to a person, so {table} would be empty. Give person_types the party type of "
            "persons (as 12506), or export sqldictionary"
        )
    return [Problem("empty_profile", table, message)]


def _table(pending: Pending) -> str:
    return pending.name.split("/")[1]
