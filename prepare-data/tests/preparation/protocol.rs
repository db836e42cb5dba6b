//! What is written is what Customer Insights - Data reads, and what the pages say.

use prepare_data::delta::check_table;
use prepare_data::dictionary;
use prepare_data::sql::Catalog;
use sample_lake::Format;

use crate::lake::{Lake, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_tables_stay_at_what_the_connector_reads_and_keep_their_past() {
    let mut lake = Lake::prepared_complete(Format::Delta, "out").await;
    lake.goes_on().await;
    lake.prepare("out").await;
    let gold = lake.results("out").join("gold");
    for entry in std::fs::read_dir(&gold).unwrap() {
        let path = entry.unwrap().path();
        let table = open(&path).await;
        check_table("table", &table).unwrap();
        let state = table.snapshot().unwrap();
        assert_eq!(
            (state.protocol().min_reader_version(), state.protocol().min_writer_version()),
            (1, 2),
            "{}",
            path.display()
        );
        let properties = state.metadata().configuration();
        assert_eq!(properties["delta.deletedFileRetentionDuration"], "interval 30 days");
        assert_eq!(properties["delta.logRetentionDuration"], "interval 60 days");
        let inside: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap()).collect();
        let folders = inside.iter().filter(|entry| entry.path().is_dir()).count();
        assert_eq!(folders, 1, "{} has folders besides _delta_log", path.display());
    }
}

#[tokio::test]
async fn the_data_dictionary_says_what_the_files_say() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lake/data-dictionary.md")).unwrap();
    let made = dictionary::markdown(&Catalog::load(None).unwrap()).await.unwrap();
    assert_eq!(page, made, "run `cargo run -p prepare-data -- dictionary > docs/lake/data-dictionary.md`");
}
