//! Whether a conversation has rejections: an append to one that has none need not look for them.

use sea_orm_migration::prelude::*;

use super::types::small;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

const COLUMN: &str = "has_rejections";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter().table("conversations").add_column(small(COLUMN)).take();
        manager.alter_table(column).await?;
        let rejected = Query::select().column("conversation_id").from("rejections").take();
        let mark = Query::update()
            .table("conversations")
            .value(COLUMN, 1)
            .and_where(Expr::col("conversation_id").in_subquery(rejected))
            .to_owned();
        manager.execute(mark).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("conversations").drop_column(COLUMN).take()).await
    }
}
