//! What a database error means for whoever asked.

use proto::{Error, ErrorCode};
use sea_orm::{DbErr, RuntimeErr};

/// How often a caller should look again when the database is away.
const RETRY_AFTER_MS: u64 = 500;

/// What to do about a database error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The database is away, busy, full or read-only: the same statement may succeed later.
    Transient,
    /// The data breaks a rule of the schema: it never succeeds.
    Constraint,
    /// Anything else.
    Other,
}

pub(crate) fn kind(error: &DbErr) -> Kind {
    let runtime = match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return Kind::Transient,
        DbErr::Exec(runtime) | DbErr::Query(runtime) => runtime,
        _ => return Kind::Other,
    };
    let RuntimeErr::SqlxError(error) = runtime else { return Kind::Other };
    match &**error {
        sqlx::Error::Database(error) => by_code(error.code().as_deref().unwrap_or_default(), error.message()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Transient,
        _ => Kind::Other,
    }
}

/// SQLSTATE classes (PostgreSQL, MySQL), or SQLite's numbers.
fn by_code(code: &str, message: &str) -> Kind {
    // 5 characters: SQLSTATE. SQLite's extended codes are numbers whose low byte is the primary code.
    if code.len() == 5 && !code.is_empty() {
        let transient_class = ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class));
        // MySQL says HY000 for lock wait timeout, disk full and read-only.
        let transient_general =
            code == "HY000" && ["Lock wait", "full", "read-only", "shutdown"].iter().any(|part| message.contains(part));
        return match code {
            // 25006: read-only; 25P03: a transaction stood still for too long; 55P03: a lock was not had in time, which is neither a
            // deadlock nor the end of a session.
            _ if transient_class || transient_general || ["25006", "25P03", "55P03"].contains(&code) => Kind::Transient,
            _ if code.starts_with("22") || code.starts_with("23") => Kind::Constraint,
            _ => Kind::Other,
        };
    }
    match code.parse::<u32>().map(|number| number & 0xff) {
        // busy, locked, read-only, I/O, full, cannot open
        Ok(5 | 6 | 8 | 10 | 13 | 14) => Kind::Transient,
        // too big, constraint, mismatch
        Ok(18..=20) => Kind::Constraint,
        _ => Kind::Other,
    }
}

/// The error that a caller of im-repo gets.
pub(crate) fn to_error(error: &DbErr) -> Error {
    match kind(error) {
        Kind::Transient => {
            tracing::warn!(%error, "database unavailable");
            Error::new(ErrorCode::Unavailable).with("part", "database").retry_after_ms(RETRY_AFTER_MS)
        }
        Kind::Constraint => {
            tracing::error!(%error, "the database refused data");
            Error::new(ErrorCode::InvalidArgument).with("part", "database")
        }
        Kind::Other => {
            tracing::error!(%error, "database error");
            Error::new(ErrorCode::Internal).with("part", "database")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_deadlock_lost_connection_full_disk_and_read_only_are_transient() {
        let transient = [
            ("40001", ""),
            ("40P01", ""),
            ("08006", ""),
            ("53100", ""),
            ("57P01", ""),
            ("25006", ""),
            ("25P03", "terminating connection due to idle-in-transaction timeout"),
            ("55P03", "canceling statement due to lock timeout"),
            ("HY000", "Lock wait timeout exceeded"),
            ("HY000", "The table 'x' is full"),
            ("HY000", "running with the --read-only option"),
            ("5", ""),
            ("517", ""),
            ("13", ""),
            ("8", ""),
        ];
        for (code, message) in transient {
            assert_eq!(by_code(code, message), Kind::Transient, "{code} {message}");
        }
        for code in ["23000", "23505", "22001", "1555", "2067", "19"] {
            assert_eq!(by_code(code, ""), Kind::Constraint, "{code}");
        }
        assert_eq!(by_code("42601", ""), Kind::Other);
        assert_eq!(by_code("1", ""), Kind::Other);
    }
}
