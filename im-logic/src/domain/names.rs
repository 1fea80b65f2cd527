//! Names of users: what may be one, and when two are the same.

use caseless::Caseless as _;
use proto::{Error, ErrorCode};
use unicode_normalization::UnicodeNormalization as _;

/// Characters of a name.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=32;
/// Characters of a password.
const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;

/// What makes two names the same: NFKC, case-folded, NFKC again (folding may denormalise).
pub fn fold(name: &str) -> String {
    name.nfkc().default_case_fold().nfkc().collect()
}

/// A name and its folded form.
///
/// # Errors
/// `name_invalid`.
pub fn parse_name(name: &str) -> Result<(String, String), Error> {
    let name: String = name.trim().nfkc().collect();
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let good = NAME_CHARS.contains(&name.chars().count())
        && name.chars().all(allowed)
        && name.chars().next().is_some_and(char::is_alphanumeric);
    if !good {
        return Err(ErrorCode::NameInvalid.into());
    }
    let folded = fold(&name);
    Ok((name, folded))
}

/// Checks a password's length; anything may be in it.
///
/// # Errors
/// `password_invalid`.
pub fn check_password(password: &str) -> Result<(), Error> {
    if PASSWORD_CHARS.contains(&password.chars().count()) { Ok(()) } else { Err(ErrorCode::PasswordInvalid.into()) }
}

/// A display name without space around it and without control characters.
///
/// # Errors
/// `invalid_argument` if nothing is left of it or it is too long.
pub fn display_name(name: &str, chars_max: usize) -> Result<String, Error> {
    let name: String = name.trim().nfc().collect();
    if name.is_empty() || name.chars().count() > chars_max || name.chars().any(char::is_control) {
        return Err(Error::invalid("display_name", format_args!("1 to {chars_max} characters, no control characters")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_the_same_are_the_same() {
        for (a, b) in [("Alice", "aLICE"), ("straße", "STRASSE"), ("ﬁn", "fin"), ("Ａｎｎ", "ann"), ("é1", "e\u{301}1")]
        {
            assert_eq!(parse_name(a).unwrap().1, parse_name(b).unwrap().1, "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "a", "_a", "a b", "a@b", "a\u{200b}b", &"x".repeat(33)] {
            assert!(parse_name(bad).is_err(), "{bad}");
        }
        assert!(check_password("1234567").is_err() && check_password("12345678").is_ok());
        assert!(display_name("a\u{7}b", 10).is_err() && display_name("  ", 10).is_err());
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(name in "\\PC{0,40}") {
            let once = fold(&name);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
