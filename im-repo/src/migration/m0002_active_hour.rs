//! When a conversation was last active, to the hour: what is read ahead at start is found at the end of an index, and an append
//! changes that index at most once an hour. Rows of before, and of an older version's appends, say 0.

use sea_orm_migration::prelude::*;

use super::types::small;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

const INDEX: &str = "conversations_active";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter().table("conversations").add_column(small("active_hour")).take();
        manager.alter_table(column).await?;
        let index = Index::create().name(INDEX).table("conversations").col("active_hour").take();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(INDEX).table("conversations").to_owned()).await?;
        manager.alter_table(Table::alter().table("conversations").drop_column("active_hour").take()).await
    }
}
