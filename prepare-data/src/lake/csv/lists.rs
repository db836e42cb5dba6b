//! Reads the labels of enums of change folders. Their files have no header, and may have a delimiter at the end of each line.

use object_store::ObjectStoreExt;

use super::ChangeFolders;
use super::record::next_record;
use crate::error::{Context, Result};
use crate::lake::option_labels::{LISTS, OptionLabels};

impl ChangeFolders {
    /// Adds the labels that are needed to read what is new. `names` are the folders of the lake.
    pub(in crate::lake) async fn add_labels(&self, names: &[String], labels: &mut OptionLabels) -> Result<()> {
        for meta in self.lists(names).await? {
            let file = meta.location.filename().unwrap_or_default().to_lowercase();
            let Some((_, columns)) = LISTS.iter().find(|(list, _)| file == format!("{list}.csv")) else { continue };
            let what = format!("read {}{}", self.lake, meta.location);
            let text = self.store.get(&meta.location).await.context(&what)?.bytes().await.context(&what)?;
            for record in records(&text) {
                match record {
                    Some(record) => labels.add_record(columns, &record),
                    None => {
                        tracing::warn!(file = %meta.location, "quotes do not match: the labels after them are not known")
                    }
                }
            }
        }
        Ok(())
    }
}

/// The records of a text; `None` for one that cannot be read, and nothing after it.
fn records(text: &[u8]) -> impl Iterator<Item = Option<Vec<String>>> {
    let (mut at, mut fields) = (0, Vec::new());
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let Ok(Some(record)) = next_record(rest, true, b',', &mut fields) else {
            at = text.len();
            return Some(None);
        };
        at += record.end;
        let value =
            |field: &super::record::Field| String::from_utf8_lossy(&rest[field.start..field.end]).replace("\"\"", "\"");
        Some(Some(fields.iter().map(value).collect()))
    })
}
