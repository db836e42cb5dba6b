//! The lake as Synapse Link writes it incrementally: headerless CSV in change folders, with `model.json`.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use deltalake::arrow::{
    array::{Array, BooleanArray, RecordBatch, TimestampMicrosecondArray},
    compute::filter_record_batch,
    csv::{Writer, WriterBuilder},
    error::ArrowError,
};
use futures::FutureExt;

use crate::{
    Export, FolderNames, SampleError, Summary, TableSummary, Work, for_each_table,
    lifecycle::{FIRST_FOLDERS, Place},
    options_metadata,
    plan::{batches, divided},
    shape::{Layout, Table},
    timestamp::{HOUR, MINUTE, Timestamp},
};

mod model;

/// Rows without a date of creation are filed under this year.
const NO_YEAR: i32 = 1900;

pub(crate) async fn write(export: Arc<Export>, work: Work) -> Result<Summary, SampleError> {
    let mut written = Vec::new();
    match work {
        Work::First => {
            for number in 0..FIRST_FOLDERS {
                written.extend(ChangeFolder::first(&export, number).write(&export).await?);
            }
            make(&export.folder.join(folder_name(&export, abandoned(&export))))?;
        }
        Work::Change => written.extend(ChangeFolder::latest(&export).write(&export).await?),
        Work::Purge { .. } => return Ok(Summary::of(written)),
    }
    write_unfinished(&export)?;
    write_changelog(&export)?;
    Ok(Summary::of(added_up(written)))
}

/// A folder of rows that changed in some stretch of time.
struct ChangeFolder {
    name: String,
    place: Place,
}

impl ChangeFolder {
    fn first(export: &Export, number: u8) -> Self {
        Self { name: folder_name(export, opened(export, number)), place: Place::Folder(number) }
    }

    /// The folder that was active since the round before.
    fn latest(export: &Export) -> Self {
        let round = export.shop.round();
        let opened = export.shop.rounds[round as usize - 1].as_of;
        Self { name: folder_name(export, opened), place: Place::Round(round) }
    }

    async fn write(self, export: &Arc<Export>) -> Result<Vec<TableSummary>, SampleError> {
        let folder = export.folder.join(&self.name);
        clear(&folder)?;
        let place = self.place;
        let files = for_each_table(export, |export, table| {
            let folder = folder.join(table.name());
            async move { write_table(&export, table.as_ref(), place, folder) }.boxed()
        })
        .await?;
        let described = export.tables.iter().map(AsRef::as_ref).zip(files.iter().map(|(_, names)| names.as_slice()));
        let model = model::describe(&self.name, described);
        write_file(&folder.join(model::FILE), &model)?;
        write_file(&export.folder.join(model::FILE), &model)?;
        write_options(&folder)?;
        write_options(&export.folder)?;
        Ok(files.into_iter().map(|(summary, _)| summary).collect())
    }
}

/// When a change folder of the first state was opened.
fn opened(export: &Export, number: u8) -> Timestamp {
    export.shop.rounds[0].as_of.plus(-i64::from(FIRST_FOLDERS - number) * HOUR)
}

/// When a folder was opened that was abandoned; it stayed empty.
fn abandoned(export: &Export) -> Timestamp {
    opened(export, FIRST_FOLDERS - 1).plus(-30 * MINUTE)
}

fn folder_name(export: &Export, opened: Timestamp) -> String {
    let form = match export.options.folder_names {
        FolderNames::Dots => "%Y-%m-%dT%H.%M.%SZ",
        FolderNames::Colons => "%Y-%m-%dT%H:%M:%S.000Z",
    };
    opened.utc().format(form).to_string()
}

fn write_table(
    export: &Export,
    table: &dyn Table,
    place: Place,
    folder: PathBuf,
) -> Result<(TableSummary, Vec<String>), SampleError> {
    let mut files = YearFiles { table: table.name(), folder, open: BTreeMap::new(), names: Vec::new(), rows: 0 };
    let rows_fail = |source| SampleError::Rows { table: table.name(), source };
    for round in 0..=export.shop.round() {
        for things in divided(table, &export.shop, round) {
            for things in batches(things) {
                let batch = table.batch(&export.shop, things, place, Layout::Csv).map_err(rows_fail)?;
                files.write(&batch)?;
            }
            files.close()?;
        }
    }
    let summary = TableSummary { table: table.name(), rows: files.rows, files: files.names.len() as u64 };
    Ok((summary, files.names))
}

/// The files of a table in one change folder, by the year in which rows were created.
struct YearFiles {
    table: &'static str,
    folder: PathBuf,
    open: BTreeMap<i32, Writer<BufWriter<File>>>,
    names: Vec<String>,
    rows: u64,
}

impl YearFiles {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), SampleError> {
        let years = years(batch);
        let mut distinct = years.clone();
        distinct.sort_unstable();
        distinct.dedup();
        for year in distinct {
            let of_year: BooleanArray = years.iter().map(|row| Some(*row == year)).collect();
            let table = self.table;
            let fails = move |source: ArrowError| SampleError::Rows { table, source };
            let part = filter_record_batch(batch, &of_year).map_err(fails)?;
            self.writer(year)?.write(&part).map_err(fails)?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn writer(&mut self, year: i32) -> Result<&mut Writer<BufWriter<File>>, SampleError> {
        let place = match self.open.entry(year) {
            Entry::Occupied(open) => return Ok(open.into_mut()),
            Entry::Vacant(place) => place,
        };
        make(&self.folder)?;
        let earlier = self.names.iter().filter(|name| name.starts_with(&year.to_string())).count();
        let suffix = if earlier == 0 { String::new() } else { format!("_{earlier:03}") };
        let name = format!("{year}{suffix}");
        let path = self.folder.join(format!("{name}.csv"));
        let file = File::create(&path).map_err(|source| SampleError::file("write", &path, source))?;
        self.names.push(name);
        Ok(place.insert(csv_writer(file)))
    }

    /// Large tables go on in further files.
    fn close(&mut self) -> Result<(), SampleError> {
        for (year, writer) in std::mem::take(&mut self.open) {
            let mut file = writer.into_inner();
            file.flush().map_err(|source| SampleError::file("write", &self.folder.join(year.to_string()), source))?;
        }
        Ok(())
    }
}

fn csv_writer(file: File) -> Writer<BufWriter<File>> {
    // Seven digits of a second, as SQL Server writes them; finance and operations apps keep whole seconds.
    let time = "%Y-%m-%dT%H:%M:%S.0000000Z".to_owned();
    WriterBuilder::new().with_header(false).with_timestamp_tz_format(time).build(BufWriter::new(file))
}

/// The year in which each row was created; deletes have no such time.
fn years(batch: &RecordBatch) -> Vec<i32> {
    let created = batch.column_by_name("createdon").map(|column| column.as_any());
    match created.and_then(|column| column.downcast_ref::<TimestampMicrosecondArray>()) {
        Some(created) => created.iter().map(|time| time.map_or(NO_YEAR, |time| Timestamp(time).year())).collect(),
        None => vec![NO_YEAR; batch.num_rows()],
    }
}

/// The active folder: rows that later turn out otherwise, the last of them half written.
fn write_unfinished(export: &Export) -> Result<(), SampleError> {
    let name = folder_name(export, export.shop.as_of());
    let folder = export.folder.join(&name);
    let mut described = Vec::new();
    for table in &export.tables {
        let fails = |source| SampleError::Rows { table: table.name(), source };
        let batch = table.unfinished(&export.shop).map_err(fails)?;
        let mut files = YearFiles {
            table: table.name(),
            folder: folder.join(table.name()),
            open: BTreeMap::new(),
            names: Vec::new(),
            rows: 0,
        };
        files.write(&batch)?;
        files.close()?;
        if let Some(name) = files.names.first() {
            let path = files.folder.join(format!("{name}.csv"));
            append(&path, "00000000-0000-0000-0000-000000000000,\"half")?;
        }
        described.push((table.as_ref(), files.names));
    }
    let described = described.iter().map(|(table, names)| (*table, names.as_slice()));
    write_file(&folder.join(model::FILE), &model::describe(&name, described))?;
    write_options(&folder)
}

fn write_changelog(export: &Export) -> Result<(), SampleError> {
    let folder = export.folder.join("Changelog");
    make(&folder)?;
    write_file(&folder.join("changelog.info"), &folder_name(export, export.shop.as_of()))?;
    let first = (0..FIRST_FOLDERS).map(|number| opened(export, number)).chain([abandoned(export)]);
    let later = export.shop.rounds.iter().rev().skip(1).map(|round| round.as_of);
    let mut done: Vec<_> = first.chain(later).map(|opened| folder_name(export, opened)).collect();
    done.sort();
    write_file(&folder.join("Synapse.log"), &(done.join("\n") + "\n"))
}

/// Without header and with a comma at the end of each line, as the export writes this one file.
fn write_options(folder: &Path) -> Result<(), SampleError> {
    let folder = folder.join("OptionsetMetadata");
    make(&folder)?;
    let lines = options_metadata::rows().iter().map(|row| row.cells().join(",") + ",\n").collect::<String>();
    write_file(&folder.join("GlobalOptionsetMetadata.csv"), &lines)
}

fn added_up(written: Vec<TableSummary>) -> Vec<TableSummary> {
    let mut sums: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
    for part in written {
        let sum = sums.entry(part.table).or_default();
        *sum = (sum.0 + part.rows, sum.1 + part.files);
    }
    sums.into_iter().map(|(table, (rows, files))| TableSummary { table, rows, files }).collect()
}

fn make(folder: &Path) -> Result<(), SampleError> {
    fs::create_dir_all(folder).map_err(|source| SampleError::file("make", folder, source))
}

fn clear(folder: &Path) -> Result<(), SampleError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|source| SampleError::file("clear", folder, source))?;
    }
    make(folder)
}

fn write_file(path: &Path, text: &str) -> Result<(), SampleError> {
    fs::write(path, text).map_err(|source| SampleError::file("write", path, source))
}

fn append(path: &Path, text: &str) -> Result<(), SampleError> {
    let file = File::options().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| SampleError::file("append to", path, source))
}
