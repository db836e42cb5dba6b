//! The account, its databases, containers, partition key ranges and offers, as the account describes them.

use serde_json::{Map, Value, json};

use super::reply::{ServiceError, ServiceResult};
use super::resource_id;
use super::store::{Container, Database, Definition};
use super::ttl;

/// What an account of the service tells clients about its query engine.
fn query_engine() -> Value {
    json!({
        "maxSqlQueryInputLength": 262_144,
        "maxJoinsPerSqlQuery": 5,
        "maxLogicalAndPerSqlQuery": 500,
        "maxLogicalOrPerSqlQuery": 500,
        "maxUdfRefPerSqlQuery": 10,
        "maxInExpressionItemsCount": 16_000,
        "queryMaxInMemorySortDocumentCount": 500,
        "maxQueryRequestTimeoutFraction": 0.9,
        "sqlAllowNonFiniteNumbers": false,
        "sqlAllowAggregateFunctions": true,
        "sqlAllowSubQuery": true,
        "sqlAllowScalarSubQuery": true,
        "allowNewKeywords": true,
        "sqlAllowLike": true,
        "sqlAllowGroupByClause": true,
        "maxSpatialQueryCells": 12,
        "spatialMaxGeometryPointCount": 256,
        "sqlDisableOptimizationFlags": 0,
        "sqlAllowTop": true,
        "enableSpatialIndexing": true,
    })
}

/// The account's only region is `region`, at `url`.
pub(super) fn account(url: &str, region: &str) -> Value {
    let location = json!([{ "name": region, "databaseAccountEndpoint": url }]);
    let replicas = json!({ "minReplicaSetSize": 3, "maxReplicasetSize": 4 });
    json!({
        "_self": "",
        "id": "sandbox",
        "_rid": "sandbox.sql.cosmos.azure.com",
        "media": "//media/",
        "addresses": "//addresses/",
        "_dbs": "//dbs/",
        "writableLocations": location,
        "readableLocations": location,
        "enableMultipleWriteLocations": false,
        "continuousBackupEnabled": false,
        "enableNRegionSynchronousCommit": false,
        "enablePerPartitionFailoverBehavior": false,
        "userReplicationPolicy": { "asyncReplication": false, "minReplicaSetSize": 3, "maxReplicasetSize": 4 },
        "userConsistencyPolicy": { "defaultConsistencyLevel": "Session" },
        "systemReplicationPolicy": replicas,
        "readPolicy": { "primaryReadCoefficient": 1, "secondaryReadCoefficient": 1 },
        "queryEngineConfiguration": query_engine().to_string(),
    })
}

pub(super) fn database(database: &Database) -> Value {
    let id = database.resource_id();
    json!({
        "id": database.id,
        "_rid": id,
        "_self": format!("dbs/{id}/"),
        "_etag": database.etag,
        "_ts": database.created_at,
        "_colls": "colls/",
        "_users": "users/",
    })
}

pub(super) fn container(container: &Container) -> Value {
    let definition = &container.definition;
    let path = definition.partition_key.join("/");
    let mut body = json!({
        "indexingPolicy": {
            "indexingMode": "consistent",
            "automatic": true,
            "includedPaths": [{ "path": "/*" }],
            "excludedPaths": [{ "path": "/\"_etag\"/?" }],
        },
        "conflictResolutionPolicy": {
            "mode": "LastWriterWins", "conflictResolutionPath": "/_ts", "conflictResolutionProcedure": "",
        },
        "geospatialConfig": { "type": "Geography" },
    });
    for (name, value) in &definition.properties {
        body[name] = value.clone();
    }
    if let Some(seconds) = definition.default_ttl {
        body["defaultTtl"] = seconds.into();
    }
    let system = json!({
        "id": definition.id,
        "partitionKey": { "paths": [format!("/{path}")], "kind": "Hash", "version": 2 },
        "_rid": container.resource_id(),
        "_self": container.self_link(),
        "_etag": container.etag,
        "_ts": container.changed_at,
        "_docs": "docs/",
        "_sprocs": "sprocs/",
        "_triggers": "triggers/",
        "_udfs": "udfs/",
        "_conflicts": "conflicts/",
    });
    if let (Value::Object(body), Value::Object(system)) = (&mut body, system) {
        body.extend(system);
    }
    body
}

pub(super) fn partition_key_ranges(container: &Container) -> Value {
    let (database, number) = container.numbers;
    let ranges = container.partitions.iter().zip(0_u64..).map(|(partition, index)| {
        let id = resource_id::range(database, number, index);
        json!({
            "id": index.to_string(),
            "_rid": id,
            "_self": format!("{}pkranges/{id}/", container.self_link()),
            "_etag": container.etag,
            "_ts": container.changed_at,
            "_lsn": partition.lsn,
            "minInclusive": super::partition_key::to_hex(partition.range.0),
            "maxExclusive": super::partition_key::to_hex(partition.range.1),
            "ridPrefix": index,
            "throughputFraction": 1.0 / partitions(container),
            "status": "online",
            "parents": [],
        })
    });
    let ranges: Vec<Value> = ranges.collect();
    json!({ "_rid": container.resource_id(), "_count": ranges.len(), "PartitionKeyRanges": ranges })
}

fn partitions(container: &Container) -> f64 {
    container.partitions.iter().map(|_| 1.0).sum()
}

impl Definition {
    /// Reads the body with which a container is created or replaced.
    pub(super) fn parse(body: Value) -> ServiceResult<Self> {
        let Value::Object(mut properties) = body else {
            return Err(ServiceError::bad_request("A container is described by a JSON object."));
        };
        let missing = |name| ServiceError::bad_request(format!("A container needs '{name}'."));
        let id = properties.remove("id").and_then(|id| id.as_str().map(str::to_owned)).ok_or_else(|| missing("id"))?;
        super::items::check_id(&id)?;
        let key = properties.remove("partitionKey").ok_or_else(|| missing("partitionKey"))?;
        let path = match key["paths"].as_array().map(Vec::as_slice) {
            Some([path]) => path.as_str().unwrap_or_default(),
            Some([_, _, ..]) => {
                return Err(ServiceError::not_implemented("This account has no hierarchical partition keys."));
            }
            _ => return Err(missing("partitionKey.paths")),
        };
        let default_ttl = properties.remove("defaultTtl").filter(|ttl| !ttl.is_null());
        let default_ttl = default_ttl.as_ref().map(ttl::seconds).transpose()?;
        properties.retain(|name, _| !name.starts_with('_'));
        Self::new(id, path, default_ttl, properties)
    }

    pub(super) fn new(
        id: String,
        partition_key: &str,
        default_ttl: Option<i64>,
        properties: Map<String, Value>,
    ) -> ServiceResult<Self> {
        let path = partition_key.strip_prefix('/').filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| ServiceError::bad_request("A partition key path begins with '/'."))?;
        let names = path.split('/').map(|name| name.trim_matches('"').to_owned());
        Ok(Self { id, partition_key: names.collect(), default_ttl, properties })
    }
}
