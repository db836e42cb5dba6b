"""Standardised tables: stored and updated from what is new in the export, or views if only two layers are stored."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import difference
import gate
from change_folders import LakeError
from contract import Source
from difference import Pending
from inputs import Input
from known_rows import add_known, merged_deletes, noted
from lake import UNREADABLE
from run import Run
from state import SilverState
from views import Views, computed


def view_of(views: Views, source: Source, bronze: DataFrame) -> DataFrame:
    """Registers a silver table that is computed of these rows of the export."""
    bronze.createOrReplaceTempView(f"bronze_{source.name}")
    views.view(f"current_{source.name}", "silver/current_rows.sql", table=source.name)
    return views.view(source.name, f"silver/{source.name}.sql")


def newest_row(run: Run) -> datetime | None:
    """The newest time of writing in the stored tables: what tells an export that stopped from a quiet day."""
    stored = [name for name, input in run.inputs.silver.items() if input.now]
    if not stored:
        return None
    times = " union all ".join(f"select max(sinkmodifiedon) as written from {name}" for name in stored)
    written = run.spark.sql(f"select cast(unix_micros(max(written)) as bigint) as written from ({times})").first().written
    return datetime.fromtimestamp(written / 1_000_000, timezone.utc) if written else None


class Silver:
    """One table of a run."""

    def __init__(self, run: Run, source: Source):
        self.run, self.source = run, source
        self.name = source.name
        self.path = f"silver/{source.name}"

    def update(self) -> Input:
        run = self.run
        if not run.lake.has(self.name):
            return self._absent()
        if not run.keeps_silver:
            rows = view_of(run.views, self.source, run.lake.bronze(self.source))
            return Input(rows, exported=True, changes_are_known=False)
        return self._stored()

    def _absent(self) -> Input:
        """A table that is not exported counts as empty, unless it was exported before."""
        if self.run.keeps_silver and self.run.tables.version(self.path):
            place = self.run.files.path(self.path)
            raise LakeError(
                f"{self.name} was exported before and is not exported now: add it to the export again, or remove {place} "
                "if that is intended"
            )
        return Input(view_of(self.run.views, self.source, self.run.lake.bronze(self.source)), exported=False)

    def _stored(self) -> Input:
        run, started = self.run, time.monotonic()
        before = run.tables.version(self.path)
        definition = self._definition()
        known = self._known(before, definition)
        position = run.lake.position(self.name)
        self.deletes, self.unreadable, self.read_all = (known.deletes if known else {}), None, False
        how, pending = self._computed(known, position, before)
        entry = run.report.add("silver", self.name, how)
        if pending:
            entry.take(pending)
            problems = gate.row_loss(pending, run.vanishing_share) or gate.keys(pending)
            if problems:
                run.report.problems += problems
                return Input(run.spark.createDataFrame([], "id string"), exported=True)
            pending.publish()
        # Spark compares each part of a plan with all rows that it keeps.
        run.views.release()
        now = run.tables.version(self.path)
        entry.finish(now, started, 0 if pending else run.tables.count(self.path))
        first = known.first_folder if known and how != "whole" else run.lake.first_folder()
        run.state.silver[self.name] = SilverState(now, position, definition, first, self.deletes)
        changed = bool(pending and pending.counts.changed)
        return Input(
            run.tables.read(self.path),
            exported=True,
            changes=pending.images if changed else None,
            changes_are_known=not changed or pending.images is not None,
            before=before,
            now=now,
            unreadable=self.unreadable,
            read_all=self.read_all,
        )

    def _known(self, before: str | None, definition: str) -> SilverState | None:
        """The state, if it tells how the table was made. Reading the same folders once more changes nothing."""
        saved = self.run.state.silver.get(self.name)
        if not saved or not before:
            return None
        first = self.run.lake.first_folder()
        self.is_pruned = saved.first_folder is not None and (first is None or first > saved.first_folder)
        if self.is_pruned and saved.definition != definition:
            raise LakeError(
                f"{self.name} has to be computed anew, because its columns or its SQL changed, and the change folders before "
                f"{first} were deleted. Nothing was changed. Put these folders back, or export {self.name} again"
            )
        is_usable = self.is_pruned or (saved.version == before and saved.definition == definition)
        return saved if is_usable and (not self.run.reconcile or self.is_pruned) else None

    def _computed(self, known: SilverState | None, position: dict, before: str | None) -> tuple[str, Pending | None]:
        if not known:
            return "whole", self._whole()
        if known.position == position and known.version == before:
            return "unchanged", None
        return self._from_folders(known) if self.run.lake.is_text(self.name) else self._from_delta()

    def _whole(self) -> Pending:
        rows = self.run.lake.rows(self.source)
        self.read_all = True
        if self.run.lake.is_text(self.name):
            rows = self.run.views.keep(rows)  # parsing text is what takes longest
            self.deletes = self._note(rows, {})
        rows = self.run.views.keep(view_of(self.run.views, self.source, rows.drop(UNREADABLE)))
        return difference.whole(self.run.tables, self.path, "id", rows)

    def _from_folders(self, known: SilverState) -> tuple[str, Pending | None]:
        """From later change folders, and what is known of the rows in them."""
        if not self.run.lake.has_files(self.name, known.position["folder"]):
            return "unchanged", None
        new = computed(self.run.lake.rows(self.source, known.position["folder"]))
        self.deletes = self._note(new, known.deletes)
        stored = self.run.tables.read(self.path)
        bronze = add_known(self.run.spark, self.source, new.drop(UNREADABLE), stored, known.deletes)
        bronze.createOrReplaceTempView(f"bronze_{self.name}")
        current = f"current_{self.name}"
        resolved = computed(self.run.views.view(current, "silver/current_rows.sql", table=self.name))
        resolved.where("lakefolder <> ''").createOrReplaceTempView(current)
        rows = self.run.views.view(self.name, f"silver/{self.name}.sql")
        kept = resolved.where("lakefolder = ''").select("id")
        affected = new.select("id").distinct().join(kept, "id", "left_anti").withColumnRenamed("id", "key")
        return "changes", difference.changes(self.run.tables, self.path, "id", rows, affected)

    def _from_delta(self) -> tuple[str, Pending | None]:
        """A scan of four columns tells which rows are not those that are stored: it sees rows that vanished, too."""
        bronze = self.run.lake.bronze(self.source)
        stamps = ("versionnumber", "sinkmodifiedon")
        seen = bronze.groupBy("id").agg(
            F.count("*").alias("versions"),
            F.min(F.coalesce("isdelete", F.lit(False))).alias("is_gone"),
            F.max(F.coalesce("isdelete", F.lit(False))).alias("has_delete"),
            *(F.max(name).alias(name) for name in stamps),
        )
        stored = self.run.tables.read(self.path).select("id", *(F.col(name).alias(f"stored_{name}") for name in stamps))
        stored = stored.withColumn("is_stored", F.lit(True))
        is_same = F.expr(
            "is_stored and versions = 1 and not has_delete and versionnumber = stored_versionnumber "
            "and sinkmodifiedon <=> stored_sinkmodifiedon"
        )
        stays_gone = F.expr("is_stored is null and is_gone")
        is_unaffected = F.coalesce(is_same, F.lit(False)) | F.coalesce(stays_gone, F.lit(False))
        affected = computed(seen.join(stored, "id", "full_outer").where(~is_unaffected).select("id"))
        if affected.isEmpty():
            return "unchanged", None
        # NULL equals NULL here: a row without an id has to reach the check of keys.
        ids = affected.withColumnRenamed("id", "_affected")
        narrowed = bronze.join(ids, F.col("id").eqNullSafe(F.col("_affected")), "left_semi")
        rows = view_of(self.run.views, self.source, narrowed)
        return "changes", difference.changes(self.run.tables, self.path, "id", rows, affected.withColumnRenamed("id", "key"))

    def _note(self, rows: DataFrame, known: dict) -> dict:
        """Keeps what later steps need to know of rows that were read: unreadable values, and deletes."""
        special = computed(noted(rows))
        self.unreadable = special.where(f"{UNREADABLE} is not null").select("id", UNREADABLE)
        return merged_deletes(special, known)

    def _definition(self) -> str:
        files = [self.run.views.sql / "silver" / name for name in ("current_rows.sql", f"{self.name}.sql")]
        texts = [path.read_text(encoding="utf-8") for path in files]
        return self.run.views.definition(*texts, self.run.lake.definition(self.source))
