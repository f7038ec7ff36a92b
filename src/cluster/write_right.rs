//! The right to write, which somebody else may end while its holder is not looking.
//!
//! An API server decides about each object on its own: no request can say "only if I still hold the lock". So the right
//! is proved again and again, before each try of a request that changes something, and a proof is good for few requests
//! and a short time.

use futures_util::future::BoxFuture;

use super::status::Error;

/// The right to change objects, as long as it is held.
pub trait WriteRight: Send + Sync {
    /// Returns when it is proved that the right is held, for one request more.
    ///
    /// The error is [`Error::Displaced`] when it is held no longer, or why that cannot be found out.
    fn proved(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Returns when that is proved anew, whatever was proved before: something is refused that should be allowed.
    fn proved_anew(&self) -> BoxFuture<'_, Result<(), Error>>;
}
