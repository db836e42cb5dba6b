//! A table provider for change files of several folders, with the folder as a column.

use std::sync::Arc;

use async_trait::async_trait;
use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::datafusion::catalog::streaming::StreamingTable;
use deltalake::datafusion::catalog::{Session, TableProvider};
use deltalake::datafusion::error::Result;
use deltalake::datafusion::execution::TaskContext;
use deltalake::datafusion::logical_expr::{Expr, TableType};
use deltalake::datafusion::physical_plan::streaming::PartitionStream;
use deltalake::datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use deltalake::logstore::ObjectStoreRef;

use super::decoder::ReadPlan;
use super::deletes::Deletes;
use super::folders::ChangeFile;
use super::stream::batches;
use crate::lake::model::Layout;

/// Files with one layout. The engine's own provider refuses rows of different widths, or accepts rows that are cut.
#[derive(Debug)]
pub(super) struct CsvFiles {
    lake: String,
    store: ObjectStoreRef,
    layout: Arc<Layout>,
    schema: SchemaRef,
    files: Vec<ChangeFile>,
    deletes: Arc<Deletes>,
}

impl CsvFiles {
    pub(super) fn new(
        lake: String,
        store: ObjectStoreRef,
        files: Vec<ChangeFile>,
        deletes: Arc<Deletes>,
    ) -> Option<Self> {
        let layout = Arc::clone(&files.first()?.layout);
        let schema = Arc::new(text_schema(&layout));
        Some(Self { lake, store, layout, schema, files, deletes })
    }
}

/// The columns of a layout as text, and the folder.
pub(super) fn text_schema(layout: &Layout) -> Schema {
    let columns = layout.columns.iter().map(String::as_str).chain(["lakefolder"]);
    Schema::new(columns.map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>())
}

#[async_trait]
impl TableProvider for CsvFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
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
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&projection)?);
        let plan = ReadPlan::new(Arc::clone(&self.layout), projection, Arc::clone(&schema), Arc::clone(&self.deletes));
        let plan = Arc::new(plan);
        let size = self.files.len().div_ceil(state.config().target_partitions().max(1)).max(1);
        let part = |files: &[ChangeFile]| {
            let (lake, store) = (self.lake.clone(), Arc::clone(&self.store));
            Arc::new(Part { lake, store, plan: Arc::clone(&plan), files: files.to_vec() }) as Arc<dyn PartitionStream>
        };
        let parts = self.files.chunks(size).map(part).collect();
        StreamingTable::try_new(schema, parts)?.scan(state, None, &[], limit).await
    }
}

/// The files of one partition.
#[derive(Debug)]
struct Part {
    lake: String,
    store: ObjectStoreRef,
    plan: Arc<ReadPlan>,
    files: Vec<ChangeFile>,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        batches(self.lake.clone(), Arc::clone(&self.store), Arc::clone(&self.plan), self.files.clone())
    }
}
