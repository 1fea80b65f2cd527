//! Column types that differ between engines.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

/// ASCII compared byte by byte: ids. MySQL's default collation would make `a` equal `A`.
pub(super) fn ascii(backend: DbBackend, name: &'static str, length: u32) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom(format!("varchar({length}) character set ascii collate ascii_bin")),
        _ => column.string_len(length),
    };
    column.not_null().take()
}

/// Unicode compared byte by byte: names and titles.
pub(super) fn text(backend: DbBackend, name: &'static str, length: u32) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom(format!("varchar({length}) character set utf8mb4 collate utf8mb4_bin")),
        _ => column.string_len(length),
    };
    column.not_null().take()
}

/// Bytes up to 16 MiB; MySQL's `blob` ends at 64 KiB.
pub(super) fn bytes(backend: DbBackend, name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match backend {
        DbBackend::MySql => column.custom("mediumblob"),
        _ => column.blob(),
    };
    column.not_null().take()
}

/// A 64-bit number; PostgreSQL has no unsigned ones.
pub(super) fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().default(0).take()
}

/// A small number.
pub(super) fn small(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().default(0).take()
}
