//! The schema, step by step. Steps expand first and contract in a later release, so that versions N and N-1 work together.

mod m0001_first_tables;
mod m0002_active_hour;
mod m0003_has_rejections;
mod types;

use sea_orm_migration::prelude::*;

/// All steps, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first_tables::Migration),
            Box::new(m0002_active_hour::Migration),
            Box::new(m0003_has_rejections::Migration),
        ]
    }
}
