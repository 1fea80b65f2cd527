//! Enums whose values have names, as they are written on a command line or in a variable.

/// Makes an enum of values without data, from their names and a line about each. `ALL` has all of them, `name` says how one is
/// written, and the method that is named says the line. One is displayed by its name, and read by it; a name that is none is
/// answered with all that there are.
///
/// ```
/// im_infra::named! {
///     /// A season.
///     pub enum Season;
///     /// What it is like.
///     fn weather;
///     Summer "summer" "hot";
///     Winter "winter" "cold";
/// }
///
/// assert_eq!("winter".parse::<Season>(), Ok(Season::Winter));
/// assert_eq!((Season::Summer.to_string().as_str(), Season::Summer.weather()), ("summer", "hot"));
/// assert_eq!("spring".parse::<Season>(), Err("one of summer, winter".to_owned()));
/// ```
#[macro_export]
macro_rules! named {
    (
        $(#[$of_enum:meta])* pub enum $Enum:ident;
        $(#[$of_line:meta])* fn $line_of:ident;
        $($variant:ident $name:literal $line:literal;)+
    ) => {
        $(#[$of_enum])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Enum {
            $(#[doc = $line] $variant,)+
        }

        impl $Enum {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it is written.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            $(#[$of_line])*
            pub const fn $line_of(self) -> &'static str {
                match self { $(Self::$variant => $line,)+ }
            }
        }

        impl ::std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl ::std::str::FromStr for $Enum {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                let known = || Self::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
                Self::ALL.iter().copied().find(|one| one.name() == name).ok_or_else(|| format!("one of {}", known()))
            }
        }
    };
}
