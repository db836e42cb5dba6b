//! A session to plan statements in.

use std::sync::Arc;

use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::datafusion::prelude::SessionContext;

use crate::engine::{Engine, empty, register, run_script};
use crate::error::{Error, Result};
use crate::sql::{Catalog, data_type};

/// Memory of a session whose tables have no rows.
const MEMORY: usize = 64 * 1024 * 1024;

/// A session with all tables that gold files may read, without rows.
pub(crate) async fn empty_session(catalog: &Catalog) -> Result<SessionContext> {
    let session = Engine::new(MEMORY, 1)?.session();
    for table in &catalog.sources.tables {
        let current = empty(Arc::new(table.current_schema()?))?;
        register(&session, &format!("current_{}", table.name), current)?;
        if let Some(silver) = catalog.silver.get(&table.name) {
            let rows = run_script(&session, silver).await?;
            register(&session, &table.name, rows.into_view())?;
        }
    }
    let mut fields = Vec::new();
    for parameter in &catalog.sources.parameters {
        let kind = data_type(&parameter.kind);
        let kind = kind.ok_or_else(|| Error::Catalog(format!("parameter {} has an unknown type", parameter.name)))?;
        fields.push(Field::new(&parameter.name, kind, true));
    }
    register(&session, "parameters", empty(Arc::new(Schema::new(fields)))?)?;
    let types = vec![Field::new("type", DataType::Int64, true), Field::new("name", DataType::Utf8, true)];
    register(&session, "party_type_names", empty(Arc::new(Schema::new(types)))?)?;
    for (name, script) in &catalog.shared {
        let rows = run_script(&session, script).await?;
        register(&session, name, rows.into_view())?;
    }
    Ok(session)
}
