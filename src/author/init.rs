//! x
use super::AuthorError;
use std::path::Path;
/// x
/// # Errors
/// x
pub fn init(_directory: &Path) -> Result<(), AuthorError> {
    Ok(())
}
