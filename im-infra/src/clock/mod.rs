//! Time as a parameter: the wall clock, which may be wrong and may jump, and one that never goes back.
//!
//! ```
//! use im_infra::clock::Clock;
//!
//! let clock = Clock::manual(1_000);
//! clock.advance_ms(5);
//! assert_eq!(clock.now_ms(), 1_005);
//! ```

pub mod shift;
mod steady;
mod wall;

pub use steady::SteadyClock;
pub use wall::Clock;
