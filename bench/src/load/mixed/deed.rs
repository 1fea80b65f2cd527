//! What a user does next.

/// One of a thousand thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// A message to the one other user: 80 %.
    Direct,
    /// A message to the group: 15 %.
    Group,
    /// A read cursor: 2.5 %.
    Read,
    /// The newest page of a history, over HTTP: 2.5 %.
    History,
}

impl Deed {
    /// At random.
    pub(super) fn next(random: &mut fastrand::Rng) -> Self {
        match random.u32(0..1_000) {
            0..800 => Self::Direct,
            800..950 => Self::Group,
            950..975 => Self::Read,
            _ => Self::History,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_those_that_are_told() {
        let mut random = fastrand::Rng::with_seed(3);
        let deeds: Vec<Deed> = (0..100_000).map(|_| Deed::next(&mut random)).collect();
        let share = |deed| deeds.iter().filter(|done| **done == deed).count() as f64 / 100_000.0;
        for (deed, expected) in [(Deed::Direct, 0.8), (Deed::Group, 0.15), (Deed::Read, 0.025), (Deed::History, 0.025)]
        {
            assert!((share(deed) - expected).abs() < 0.01, "{deed:?}: {}", share(deed));
        }
    }
}
