//! Turns a lock whose holder may have panicked into one that is simply taken.
//!
//! The standard library's lock answers with an error after a panic (it is *poisoned*), and each caller would have to
//! say what that means. It means the same everywhere: no value here is left half-changed between two statements, so
//! whoever comes next goes on with it. It is a module so that this is said once.

use std::sync::{MutexGuard, PoisonError};

/// A mutual exclusion that is never poisoned.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A lock around a value.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Takes the lock, and waits for it where somebody else has it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, when nobody else can take the lock any more.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_lock_whose_holder_panicked_is_taken_as_if_nothing_had_been() {
        let lock = Arc::new(Mutex::new(1));
        let held = Arc::clone(&lock);
        let ended = std::thread::spawn(move || {
            let mut value = held.lock();
            *value = 2;
            panic!("on purpose");
        })
        .join();
        assert!(ended.is_err());
        assert_eq!(*lock.lock(), 2);
        assert_eq!(Arc::into_inner(lock).map(Mutex::into_inner), Some(2));
    }
}
