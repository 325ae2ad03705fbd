//! `tracing` events where the feature is on, and nothing where it is off.

#[cfg(feature = "tracing")]
pub(crate) use tracing::{debug, warn};

/// Takes the place of `tracing`'s macros: uses the values, so that none is left over.
#[cfg(not(feature = "tracing"))]
macro_rules! discard {
    ($($name:ident = $value:expr,)* $(?$debug:ident,)* $(%$display:ident,)* $text:literal) => {
        let _ = ($(&$value,)* $(&$debug,)* $(&$display,)*);
    };
}

#[cfg(not(feature = "tracing"))]
pub(crate) use {discard as debug, discard as warn};
