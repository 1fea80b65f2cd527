//! How a floor is measured, and what its operations carry.

use crate::measure::Length;

/// How they are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloorPlan {
    /// Operations a second.
    pub(crate) rate: f64,
    pub(crate) length: Length,
    pub(crate) payload_bytes: u32,
    pub(crate) seed: u64,
}

impl FloorPlan {
    /// The bytes of an operation, which begin with its number.
    pub(super) fn payload(&self, number: u64) -> Vec<u8> {
        let mut bytes = vec![b'x'; self.payload_bytes as usize];
        let head = number.to_be_bytes();
        let length = head.len().min(bytes.len());
        bytes[..length].copy_from_slice(&head[..length]);
        bytes
    }
}

/// The number at the beginning of a payload.
pub(super) fn number_of(payload: &[u8]) -> Option<u64> {
    payload.first_chunk().map(|head| u64::from_be_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_its_size_and_tells_its_number() {
        let length = Length { seconds: 1, warm_up_seconds: 0 };
        let plan = FloorPlan { rate: 1.0, length, payload_bytes: 200, seed: 1 };
        assert_eq!(plan.payload(70_000).len(), 200);
        assert_eq!(number_of(&plan.payload(70_000)), Some(70_000));
        assert_eq!(number_of(b"short"), None);
    }
}
