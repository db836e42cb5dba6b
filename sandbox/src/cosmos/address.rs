//! What the path of a request refers to: <https://learn.microsoft.com/rest/api/cosmos-db/cosmosdb-resource-uri-syntax-for-rest>.

use percent_encoding::percent_decode_str;

/// A resource. Databases, containers and items go by their names or by their resource ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Account,
    Databases,
    Database(String),
    Containers(String),
    Container(ContainerPath),
    PartitionKeyRanges(ContainerPath),
    Items(ContainerPath),
    Item(ContainerPath, String),
    Offers,
    Offer(String),
    /// `…/operations/partitionkeydelete`
    PartitionKeyDelete,
    Other,
}

/// Where a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerPath {
    pub(super) database: String,
    pub(super) container: String,
}

impl Resource {
    /// Each segment is decoded by itself, so that an id may contain an encoded slash.
    pub(super) fn of_path(path: &str) -> Self {
        let decode = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        let segments: Vec<String> = path.split('/').filter(|it| !it.is_empty()).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let path = |database: &str, container: &str| ContainerPath {
            database: database.to_owned(),
            container: container.to_owned(),
        };
        match segments.as_slice() {
            [] => Self::Account,
            ["dbs"] => Self::Databases,
            ["dbs", database] => Self::Database((*database).to_owned()),
            ["dbs", database, "colls"] => Self::Containers((*database).to_owned()),
            ["dbs", database, "colls", container] => Self::Container(path(database, container)),
            ["dbs", database, "colls", container, "pkranges"] => Self::PartitionKeyRanges(path(database, container)),
            ["dbs", database, "colls", container, "docs"] => Self::Items(path(database, container)),
            ["dbs", database, "colls", container, "docs", id] => {
                Self::Item(path(database, container), (*id).to_owned())
            }
            ["dbs", _, "colls", _, "operations", "partitionkeydelete"] => Self::PartitionKeyDelete,
            ["offers"] => Self::Offers,
            ["offers", id] => Self::Offer((*id).to_owned()),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_one_by_one() {
        let path = ContainerPath { database: "AAAAAQ==".to_owned(), container: "c d".to_owned() };
        assert_eq!(
            Resource::of_path("/dbs/AAAAAQ%3D%3D/colls/c%20d/docs/a%2Fb"),
            Resource::Item(path.clone(), "a/b".to_owned())
        );
        assert_eq!(Resource::of_path("/dbs/AAAAAQ==/colls/c%20d/docs/"), Resource::Items(path));
        assert_eq!(Resource::of_path("/"), Resource::Account);
    }
}
