//! The id of a conversation tells its kind.

use std::{fmt, str::FromStr};

use proto::{Error, ErrorCode, common::ConversationKind};

use super::UserId;

/// `d:{low}:{high}`, `g:{32 hex}` or `u:{user}`: at most 64 bytes, one spelling each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConversationId {
    /// Two users, the smaller number first.
    Direct(UserId, UserId),
    /// A group, by a hash of its creator and the command that made it.
    Group(u128),
    /// A user's personal log.
    Personal(UserId),
}

impl ConversationId {
    /// The direct conversation of two users; none with oneself.
    pub const fn direct(a: UserId, b: UserId) -> Option<Self> {
        if a <= 0 || b <= 0 || a == b {
            return None;
        }
        if a < b { Some(Self::Direct(a, b)) } else { Some(Self::Direct(b, a)) }
    }

    /// The group that this command of this user makes: the same for every repetition of it.
    pub fn group(creator: UserId, command_id: &str) -> Self {
        let mut input = creator.to_be_bytes().to_vec();
        input.extend_from_slice(command_id.as_bytes());
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &input);
        let mut first = [0; 16];
        first.copy_from_slice(&hash.as_ref()[..16]);
        Self::Group(u128::from_be_bytes(first))
    }

    /// What kind of conversation this is.
    pub const fn kind(self) -> ConversationKind {
        match self {
            Self::Direct(..) => ConversationKind::Direct,
            Self::Group(_) => ConversationKind::Group,
            Self::Personal(_) => ConversationKind::Personal,
        }
    }

    /// In a direct conversation, the other side of `user`.
    pub const fn peer_of(self, user: UserId) -> Option<UserId> {
        match self {
            Self::Direct(low, high) if user == low => Some(high),
            Self::Direct(low, high) if user == high => Some(low),
            _ => None,
        }
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(low, high) => write!(f, "d:{low}:{high}"),
            Self::Group(hash) => write!(f, "g:{hash:032x}"),
            Self::Personal(user) => write!(f, "u:{user}"),
        }
    }
}

impl FromStr for ConversationId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = match text.split_once(':') {
            Some(("d", users)) => users.split_once(':').and_then(|(low, high)| {
                let (low, high) = (low.parse().ok()?, high.parse().ok()?);
                (0 < low && low < high).then_some(Self::Direct(low, high))
            }),
            Some(("g", hash)) => u128::from_str_radix(hash, 16).ok().map(Self::Group),
            Some(("u", user)) => user.parse().ok().filter(|&user| user > 0).map(Self::Personal),
            _ => None,
        };
        // One spelling: what it prints is what was read.
        parsed.filter(|id| id.to_string() == text).ok_or_else(|| ErrorCode::UnknownConversation.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_is_one_spelling() {
        for good in ["d:1:2", "u:9", "g:000000000000000000000000000000ff"] {
            assert_eq!(good.parse::<ConversationId>().unwrap().to_string(), good);
        }
        for bad in ["", "d:2:1", "d:1:1", "d:01:2", "d:+1:2", "d:-1:2", "u:0", "u:", "g:FF", "g:ff", "x:1", "d:1:2:3"] {
            assert!(bad.parse::<ConversationId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_command_of_the_same_creator_makes_the_same_group() {
        assert_eq!(ConversationId::group(1, "a"), ConversationId::group(1, "a"));
        assert_ne!(ConversationId::group(1, "a"), ConversationId::group(2, "a"));
    }

    proptest! {
        #[test]
        fn what_prints_parses_back(a in 1..i64::MAX, b in 1..i64::MAX, g: u128) {
            let ids = [ConversationId::direct(a, b), Some(ConversationId::Group(g)), Some(ConversationId::Personal(a))];
            for id in ids.into_iter().flatten() {
                prop_assert_eq!(id.to_string().parse::<ConversationId>().unwrap(), id);
                prop_assert!(id.to_string().len() <= 64);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = text.parse::<ConversationId>();
        }
    }
}
