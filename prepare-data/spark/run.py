"""What all parts of a run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession

from files import Files
from inputs import Inputs
from lake import Lake
from report import Report
from state import State
from tables import Tables
from views import Views


@dataclass
class Run:
    spark: SparkSession
    views: Views
    lake: Lake
    tables: Tables
    state: State
    report: Report
    as_of: datetime
    vanishing_share: float
    keeps_silver: bool
    reconcile: bool
    """Whether all rows are compared, even those that did not change since the last run."""
    inputs: Inputs = field(default_factory=Inputs)
    shared_steps: dict[datetime, dict[str, DataFrame]] = field(default_factory=dict)
    """Steps that incremental runs of several tables begin with: by the time of the last run, and their statements."""

    @property
    def files(self) -> Files:
        return self.tables.files
