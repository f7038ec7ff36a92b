//! A part of a request that is read when it is needed.
//!
//! Damage to a bundle, or a signature that is missing, is told before anything else that is wrong. So the operator's
//! own files and flags are read only once the bundle was admitted.

use std::fmt;
use std::sync::{Arc, LazyLock};

use super::Error;

type Unreadable = Arc<dyn std::error::Error + Send + Sync>;
type Read<T> = Box<dyn FnOnce() -> Result<T, Unreadable> + Send>;

/// A value that is at hand, or that is read once, when it is first needed.
pub struct Deferred<T>(Arc<LazyLock<Result<T, Unreadable>, Read<T>>>);

impl<T> Deferred<T> {
    /// A value that is read when it is first needed.
    pub fn new(
        read: impl FnOnce() -> Result<T, Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    ) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(|| read().map_err(Into::into)))))
    }

    /// The value.
    ///
    /// # Errors
    /// [`Error::Input`] when it cannot be read.
    pub fn get(&self) -> Result<&T, Error> {
        (**self.0).as_ref().map_err(|error| Error::Input(Arc::clone(error)))
    }
}

/// A value that is at hand.
impl<T: Send + 'static> From<T> for Deferred<T> {
    fn from(value: T) -> Self {
        Self::new(|| Ok(value))
    }
}

impl<T: Default + Send + 'static> Default for Deferred<T> {
    fn default() -> Self {
        T::default().into()
    }
}

impl<T> Clone for Deferred<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The value, if it was read.
impl<T: fmt::Debug> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_value_is_read_once_and_not_before_it_is_needed() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let value = Deferred::new(move || Ok(counted.fetch_add(1, Ordering::Relaxed)));
        let copy = value.clone();
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert_eq!((*value.get().unwrap(), *copy.get().unwrap()), (0, 0));
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_value_that_cannot_be_read_says_why_each_time() {
        let value = Deferred::<()>::new(|| Err("no such file".into()));
        for _ in 0..2 {
            assert_eq!(value.get().unwrap_err().to_string(), "no such file");
        }
    }
}
