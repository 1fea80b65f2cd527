//! What librdkafka's errors mean for a caller: whether waiting helps.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::super::MqError;

/// The cluster is out of reach, or not ready.
pub(super) fn unavailable(error: &KafkaError) -> MqError {
    MqError::Unavailable(text(error))
}

/// A client cannot be made of these settings.
pub(super) fn unusable(error: &KafkaError) -> MqError {
    MqError::Refused(text(error))
}

/// A record was not stored: is it at fault, or the cluster?
pub(super) fn undelivered(error: &KafkaError) -> MqError {
    match error.rdkafka_error_code() {
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::InvalidRecord | Code::InvalidTimestamp) => {
            MqError::Refused(text(error))
        }
        _ => unavailable(error),
    }
}

/// The position is not in the log: evicted, beyond its end, or cut off with the log's tail.
pub(super) fn is_out_of_range(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation))
}

/// The log's bytes cannot be read; librdkafka would go on behind them.
pub(super) fn is_damaged(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::BadMessage | Code::BadCompression | Code::InvalidMessage | Code::NotImplemented)
    )
}

/// The client is of no use any more.
pub(super) fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_)) || error.rdkafka_error_code() == Some(Code::Fatal)
}

/// The group knows us no longer, or is about to share out anew: whether a partition is still ours will show.
pub(super) fn is_stale_member(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownMemberId
                | Code::IllegalGeneration
                | Code::RebalanceInProgress
                | Code::FencedInstanceId
                | Code::AssignmentLost
        )
    )
}

fn text(error: &KafkaError) -> String {
    match error {
        // Never the value: it may be a password.
        KafkaError::ClientConfig(kind, _, key, _) => format!("setting {key} is not accepted ({kind:?})"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;

    use super::*;

    #[test]
    fn a_record_that_is_too_big_is_refused_for_good() {
        assert!(!undelivered(&KafkaError::MessageProduction(Code::MessageSizeTooLarge)).is_transient());
        assert!(undelivered(&KafkaError::MessageProduction(Code::PurgeQueue)).is_transient());
    }

    #[test]
    fn a_wrong_setting_is_named_without_its_value() {
        let mut config = ClientConfig::new();
        config.set("sasl.passwort", "hunter2");
        let error = config.create_native_config().err().unwrap();
        assert!(text(&error).contains("sasl.passwort"), "{}", text(&error));
        assert!(!text(&error).contains("hunter2"), "{}", text(&error));
    }
}
