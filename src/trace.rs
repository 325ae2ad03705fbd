//! `tracing` events where the feature is on, and nothing where it is off.

#[cfg(feature = "tracing")]
pub(crate) use tracing::{debug, warn};

/// Takes the place of `tracing`'s macros: uses the values, so that none is left over.
#[cfg(not(feature = "tracing"))]
macro_rules! discard {
    (target: $target:literal, $($name:ident = $value:expr,)* $(?$debug:ident,)* $(%$display:ident,)* $text:literal) => {
        let _ = ($(&$value,)* $(&$debug,)* $(&$display,)*);
    };
    ($($name:ident = $value:expr,)* $(?$debug:ident,)* $(%$display:ident,)* $text:literal) => {
        let _ = ($(&$value,)* $(&$debug,)* $(&$display,)*);
    };
}

#[cfg(not(feature = "tracing"))]
pub(crate) use {discard as debug, discard as warn};

/// Lets the events of a future that is spawned belong to the span that it was made in.
#[cfg(feature = "tracing")]
pub(crate) fn in_current_span<F: Future>(future: F) -> impl Future<Output = F::Output> {
    tracing::Instrument::in_current_span(future)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_current_span<F: Future>(future: F) -> F {
    future
}
