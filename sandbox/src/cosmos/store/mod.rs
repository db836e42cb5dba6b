//! What the account holds. Everything happens in memory, and no operation goes over more items than it concerns.

mod container;
mod index;

use std::collections::BTreeMap;

pub(super) use container::{Container, Definition, Item, ItemKey, new_etag};

use super::address::ContainerPath;
use super::reply::{ServiceError, ServiceResult};
use super::resource_id;

/// All databases.
#[derive(Default)]
pub(super) struct Store {
    databases: BTreeMap<String, Database>,
    created: u32,
}

/// A database and its containers.
pub(super) struct Database {
    pub(super) id: String,
    pub(super) number: u32,
    pub(super) etag: String,
    pub(super) created_at: i64,
    containers: BTreeMap<String, Container>,
    created: u32,
}

impl Database {
    pub(super) fn resource_id(&self) -> String {
        resource_id::database(self.number)
    }

    pub(super) fn containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.values()
    }
}

impl Store {
    pub(super) fn databases(&self) -> impl Iterator<Item = &Database> {
        self.databases.values()
    }

    pub(super) fn create_database(&mut self, id: &str, now: i64) -> ServiceResult<&Database> {
        if self.databases.contains_key(id) {
            return Err(ServiceError::conflict());
        }
        self.created += 1;
        let (number, etag) = (self.created, container::new_etag());
        let id = id.to_owned();
        let database =
            Database { id: id.clone(), number, etag, created_at: now, containers: BTreeMap::new(), created: 0 };
        Ok(self.databases.entry(id).or_insert(database))
    }

    pub(super) fn create_container(
        &mut self,
        database: &str,
        definition: Definition,
        partitions: u32,
        now: i64,
    ) -> ServiceResult<&Container> {
        let database = self.database_mut(database)?;
        if database.containers.contains_key(&definition.id) {
            return Err(ServiceError::conflict());
        }
        database.created += 1;
        let id = definition.id.clone();
        let container = Container::new(definition, (database.number, database.created), partitions, now);
        Ok(database.containers.entry(id).or_insert(container))
    }

    /// A database by its name or its resource id.
    pub(super) fn database(&self, name: &str) -> ServiceResult<&Database> {
        let by_id = || self.databases.values().find(|database| database.resource_id() == name);
        self.databases.get(name).or_else(by_id).ok_or_else(ServiceError::not_found)
    }

    fn database_mut(&mut self, name: &str) -> ServiceResult<&mut Database> {
        let id = self.database(name)?.id.clone();
        self.databases.get_mut(&id).ok_or_else(ServiceError::not_found)
    }

    pub(super) fn remove_database(&mut self, name: &str) -> ServiceResult<()> {
        let id = self.database(name)?.id.clone();
        self.databases.remove(&id);
        Ok(())
    }

    /// A container by names or resource ids.
    pub(super) fn container(&self, path: &ContainerPath) -> ServiceResult<&Container> {
        let database = self.database(&path.database)?;
        let by_id = || database.containers().find(|container| container.resource_id() == path.container);
        database.containers.get(&path.container).or_else(by_id).ok_or_else(ServiceError::not_found)
    }

    pub(super) fn container_mut(&mut self, path: &ContainerPath) -> ServiceResult<&mut Container> {
        let id = self.container(path)?.definition.id.clone();
        let database = self.database_mut(&path.database)?;
        database.containers.get_mut(&id).ok_or_else(ServiceError::not_found)
    }

    pub(super) fn remove_container(&mut self, path: &ContainerPath) -> ServiceResult<()> {
        let id = self.container(path)?.definition.id.clone();
        self.database_mut(&path.database)?.containers.remove(&id);
        Ok(())
    }
}
