//! Why a change file cannot be read.

/// Names the file and the line, and never a value.
#[derive(Debug, thiserror::Error)]
#[error("{file}, line {line}: {cause}. {}", cause.remedy())]
pub struct ChangeFileError {
    /// The file.
    pub file: String,
    /// The line at which the row begins.
    pub line: u64,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with a change file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Fewer fields than the model has columns up to `IsDelete`.
    #[error(
        "the row has {found} values, and model.json of the folder has {expected} columns: the row is cut, or of another table"
    )]
    TooFew {
        /// Values of the row.
        found: usize,
        /// Columns of the model.
        expected: usize,
    },
    /// More fields than columns, and not because columns were added after `IsDelete`.
    #[error("the row has {found} values, and model.json of the folder has {expected} columns")]
    TooMany {
        /// Values of the row.
        found: usize,
        /// Columns of the model.
        expected: usize,
    },
    /// A row with fewer values than an earlier row of the file.
    #[error("the row has {found} values, and an earlier row of the file has {before}")]
    Narrower {
        /// Values of the row.
        found: usize,
        /// Values of the earlier row.
        before: usize,
    },
    /// The value of `IsDelete` is neither true nor false.
    #[error("the value in the place of IsDelete is not true, false or empty: values are in wrong columns")]
    NoFlag,
    /// The file ends within a quoted value.
    #[error("the file ends within a quoted value: the file is cut, or a quote is missing")]
    Unclosed,
    /// A quote within a value is not doubled.
    #[error("a quoted value is followed by other text: a quote within a value is not doubled, as in \\\"")]
    TextAfterQuote,
    /// Bytes that are not UTF-8.
    #[error("the row is not UTF-8 text{}", column.as_ref().map(|name| format!(" in the column {name}")).unwrap_or_default())]
    NotUtf8 {
        /// The column.
        column: Option<String>,
    },
    /// UTF-16.
    #[error("the file is UTF-16 text")]
    Utf16,
}

impl Cause {
    fn remedy(&self) -> &'static str {
        match self {
            Self::Utf16 | Self::NotUtf8 { .. } => "Synapse Link writes UTF-8: write the file again in UTF-8",
            _ => {
                "Nothing was changed. Export the table again, or move the folder away if the export repeated it in a later one"
            }
        }
    }
}
