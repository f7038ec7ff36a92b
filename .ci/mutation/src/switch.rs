//! Which change is switched on, and which ones a test comes across. A file of the copy that is tested.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static ACTIVE: OnceLock<usize> = OnceLock::new();
static TRACE: OnceLock<Option<File>> = OnceLock::new();
static REACHED: [AtomicBool; 1 << 16] = [const { AtomicBool::new(false) }; 1 << 16];

/// Whether this change is made now.
pub(crate) fn on(change: usize) -> bool {
    if !REACHED[change].swap(true, Ordering::Relaxed) {
        if let Some(mut file) = TRACE.get_or_init(trace).as_ref() {
            file.write_all(format!("{change}\n").as_bytes()).unwrap();
        }
    }
    change == *ACTIVE.get_or_init(|| std::env::var("MUTATION").map_or(0, |number| number.parse().unwrap()))
}

fn trace() -> Option<File> {
    let path = std::env::var_os("MUTATION_TRACE")?;
    Some(OpenOptions::new().append(true).create(true).open(path).unwrap())
}
