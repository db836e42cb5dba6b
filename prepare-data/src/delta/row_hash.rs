//! The SQL function `row_hash`, to compare rows of two tables.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use deltalake::arrow::array::Int64Array;
use deltalake::arrow::datatypes::DataType;
use deltalake::arrow::row::{RowConverter, SortField};
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// `row_hash(a, b, ...)`: equal for equal rows, with NULL as a value. Another build may compute other hashes.
pub(super) fn row_hash() -> ScalarUDF {
    ScalarUDF::new_from_impl(RowHash { signature: Signature::variadic_any(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowHash {
    signature: Signature,
}

impl ScalarUDFImpl for RowHash {
    fn name(&self) -> &str {
        "row_hash"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
        let hashes: Int64Array = rows
            .iter()
            .map(|row| {
                let mut hasher = DefaultHasher::new();
                hasher.write(row.as_ref());
                Some(hasher.finish().cast_signed())
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(hashes)))
    }
}
