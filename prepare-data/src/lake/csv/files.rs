//! A table provider for CSV files of several folders, with the folder as a column.

use std::sync::Arc;

use async_trait::async_trait;
use deltalake::ObjectMeta;
use deltalake::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use deltalake::datafusion::catalog::{Session, TableProvider};
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::common::config::CsvOptions;
use deltalake::datafusion::datasource::listing::PartitionedFile;
use deltalake::datafusion::datasource::object_store::ObjectStoreUrl;
use deltalake::datafusion::datasource::physical_plan::{CsvSource, FileGroup, FileScanConfigBuilder};
use deltalake::datafusion::datasource::source::DataSourceExec;
use deltalake::datafusion::datasource::table_schema::TableSchema;
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::{Expr, TableType};
use deltalake::datafusion::physical_plan::ExecutionPlan;

use crate::lake::model::Entity;

/// The engine's own table provider knows only the folder names of Hive (`key=value`).
#[derive(Debug)]
pub(super) struct CsvFiles {
    store: ObjectStoreUrl,
    schema: TableSchema,
    files: Vec<PartitionedFile>,
    options: CsvOptions,
}

impl CsvFiles {
    pub(super) fn new(store: ObjectStoreUrl, text: Schema, files: Vec<(String, ObjectMeta)>, entity: &Entity) -> Self {
        let folder: FieldRef = Arc::new(Field::new("lakefolder", DataType::Utf8, false));
        let files = files
            .into_iter()
            .map(|(folder, meta)| {
                PartitionedFile::new_from_meta(meta).with_partition_values(vec![ScalarValue::Utf8(Some(folder))])
            })
            .collect();
        let options = CsvOptions {
            has_header: Some(entity.has_header()),
            delimiter: entity.delimiter(),
            newlines_in_values: Some(true),
            ..CsvOptions::default()
        };
        Self {
            store,
            schema: TableSchema::builder(Arc::new(text)).with_table_partition_cols(vec![folder]).build(),
            files,
            options,
        }
    }
}

#[async_trait]
impl TableProvider for CsvFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = CsvSource::new(self.schema.clone()).with_csv_options(self.options.clone());
        let groups = FileGroup::new(self.files.clone()).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
