//! Users, sessions, conversations, members, entries, rejections, cursors, dead letters.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

use super::types::{ascii, bytes, number, small, text};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

const TABLES: [&str; 9] =
    ["users", "sessions", "conversations", "members", "entries", "rejections", "cursors", "dead_letters", "store"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for table in accounts(backend).into_iter().chain(logs(backend)).chain(operations(backend)) {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            manager.drop_table(Table::drop().table(table).if_exists().take()).await?;
        }
        Ok(())
    }
}

fn accounts(backend: DbBackend) -> [TableCreateStatement; 2] {
    let users = Table::create()
        .table("users")
        .col(number("user_id"))
        .col(text(backend, "name", 64))
        .col(text(backend, "name_key", 128))
        .col(text(backend, "display_name", 128))
        .col(ascii(backend, "password_hash", 255))
        .col(small("guest"))
        .col(number("created_at_ms"))
        .primary_key(Index::create().col("user_id"))
        .take();
    let sessions = Table::create()
        .table("sessions")
        .col(ascii(backend, "session_id", 64))
        .col(number("user_id"))
        .col(ascii(backend, "device_id", 64))
        .col(ascii(backend, "platform", 16))
        .col(bytes(backend, "refresh_hash"))
        .col(bytes(backend, "used_hashes"))
        .col(number("created_at_ms"))
        .col(number("last_used_at_ms"))
        .col(number("expires_at_ms"))
        .col(number("revoked_at_ms"))
        .primary_key(Index::create().col("session_id"))
        .take();
    [users, sessions]
}

fn logs(backend: DbBackend) -> [TableCreateStatement; 5] {
    let conversation = || ascii(backend, "conversation_id", 64);
    let command = || ascii(backend, "command_id", 80);
    let conversations = Table::create()
        .table("conversations")
        .col(conversation())
        .col(small("kind"))
        .col(text(backend, "title", 255))
        .col(small("open"))
        .col(small("fan_out"))
        .col(number("last_seq"))
        .col(number("last_msg_no"))
        .col(number("first_seq"))
        .col(number("state_version"))
        .col(small("member_count"))
        .col(number("last_created_at_ms"))
        .primary_key(Index::create().col("conversation_id"))
        .take();
    let members = Table::create()
        .table("members")
        .col(conversation())
        .col(number("user_id"))
        .col(small("role"))
        .col(number("visible_from"))
        .col(number("left_seq"))
        .primary_key(Index::create().col("conversation_id").col("user_id"))
        .take();
    let entries = Table::create()
        .table("entries")
        .col(conversation())
        .col(number("seq"))
        .col(number("message_id"))
        .col(number("sender_id"))
        .col(command())
        .col(bytes(backend, "payload_hash"))
        .col(bytes(backend, "body"))
        .col(small("countable"))
        .col(number("msg_no"))
        .col(number("created_at_ms"))
        .primary_key(Index::create().col("conversation_id").col("seq"))
        .take();
    let rejections = Table::create()
        .table("rejections")
        .col(conversation())
        .col(number("sender_id"))
        .col(command())
        .col(bytes(backend, "payload_hash"))
        .col(bytes(backend, "error"))
        .col(number("created_at_ms"))
        .primary_key(Index::create().col("conversation_id").col("sender_id").col("command_id"))
        .take();
    let cursors = Table::create()
        .table("cursors")
        .col(conversation())
        .col(number("user_id"))
        .col(number("read_seq"))
        .col(number("read_msg_no"))
        .primary_key(Index::create().col("conversation_id").col("user_id"))
        .take();
    [conversations, members, entries, rejections, cursors]
}

fn operations(backend: DbBackend) -> [TableCreateStatement; 2] {
    let dead_letters = Table::create()
        .table("dead_letters")
        .col(ColumnDef::new("dead_letter_id").big_integer().not_null().auto_increment().primary_key())
        .col(ascii(backend, "topic", 64))
        .col(small("shard"))
        .col(number("position"))
        .col(bytes(backend, "record"))
        .col(small("state"))
        .col(number("died_at_ms"))
        .take();
    // One row: what this store is. A restore from a backup gives it another epoch.
    let store = Table::create()
        .table("store")
        .col(small("id"))
        .col(ascii(backend, "epoch", 64))
        .primary_key(Index::create().col("id"))
        .take();
    [dead_letters, store]
}

fn indexes() -> [IndexCreateStatement; 7] {
    let index = |name: &'static str, table: &'static str| Index::create().name(name).table(table).take();
    [
        index("users_name", "users").col("name_key").unique().take(),
        index("sessions_of_user", "sessions").col("user_id").take(),
        index("sessions_revoked", "sessions").col("revoked_at_ms").take(),
        index("members_of_user", "members").col("user_id").col("conversation_id").take(),
        index("entries_command", "entries").col("conversation_id").col("sender_id").col("command_id").unique().take(),
        index("rejections_age", "rejections").col("created_at_ms").take(),
        index("dead_letters_origin", "dead_letters").col("topic").col("shard").col("position").unique().take(),
    ]
}
