//! Why a file is not read as an archive. Nothing odd is repaired: two readers could make two things of it.

use std::io;

use crate::document::visible;

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// It is compressed.
    #[error("it is compressed, and an archive is read in place: unpack it first with `{0}`")]
    Compressed(&'static str),
    /// A member is said to reach beyond the end of the file, or the end is missing.
    #[error("it was cut: its end is missing")]
    Cut,
    /// A name is there twice, and readers would disagree about which counts.
    #[error("`{}` is in it twice", visible(.0))]
    Duplicate(String),
    /// A header that is about the next member is not read.
    #[error("its extended header for `{}` changes what other readers would read", visible(.0))]
    Extended(String),
    /// A header is not what the format says.
    #[error("its header at byte {0} cannot be read")]
    Header(u64),
    /// A member is neither a file nor a directory.
    #[error("`{}` is a {kind}: an archive may hold files and directories only", visible(.name))]
    Kind {
        /// The member.
        name: String,
        /// Its type.
        kind: &'static str,
    },
    /// A name leads out of the archive, or is not one.
    #[error("`{}` cannot be the name of something in it", visible(.0))]
    Name(String),
    /// It is a tar file of something else.
    #[error("it holds no `{0}` at its top: it is not an OCI image layout")]
    NotALayout(&'static str),
    /// It is another kind of file.
    #[error("it is no tar file")]
    NotATar,
    /// The system did not let us read or write.
    #[error("it cannot be read or written")]
    System(#[from] io::Error),
    /// CNAB's own archive has its layout elsewhere.
    #[error("it is a thick bundle as CNAB archives it: unpack it, and name `layout:DIR/artifacts/layout`")]
    Thick,
    /// It holds more than is read.
    #[error("it has more than the {0} members that are read")]
    TooMany(usize),
    /// Something follows its end.
    #[error("something follows its end")]
    Trailing,
}
