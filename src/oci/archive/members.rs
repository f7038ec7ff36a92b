//! Turns a tar file into the places of its members, in one pass over their headers, or into why it is refused.
//!
//! Nothing is extracted, so nothing can be written to where it should not be. What is refused all the same is whatever
//! makes one reader see other members than another.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::fault::ArchiveFault;
use super::header::{BLOCK, BLOCK_SIZE, Block, Header, Kind, checked_name};

/// The most members. Each takes memory, and a header takes no more than 512 bytes in the file.
pub(super) const MAX_MEMBERS: usize = 65_536;

/// A file that is named as directories are.
const DOUBTFUL: &str = "file with the name of a directory";

/// The longest extended header.
const MAX_EXTENDED: u64 = 64 << 10;

/// The most zeroes after the end: writers of tapes fill up a record.
const MAX_FILL: u64 = 16 << 20;

/// The part of an extended header that is accepted: nothing that changes its name, its size or where its bytes are.
const HARMLESS: [&str; 8] = ["atime", "comment", "ctime", "gid", "gname", "mtime", "uid", "uname"];
const HARMLESS_BELOW: [&str; 6] = [
    "LIBARCHIVE.creationtime",
    "LIBARCHIVE.xattr.",
    "SCHILY.acl.",
    "SCHILY.dev",
    "SCHILY.ino",
    "SCHILY.xattr.",
];

/// How files begin that are archives in another wrapping, with the program that unwraps them.
const COMPRESSED: [(&[u8], &str); 5] = [
    (&[0x1f, 0x8b], "gunzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "unzstd"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "unxz"),
    (b"BZh", "bunzip2"),
    (b"PK\x03\x04", "unzip"),
];

/// Where the bytes of a member are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) size: u64,
}

/// The files in an archive, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Members(BTreeMap<String, Extent>);

impl Members {
    /// Reads the headers of an archive of `length` bytes.
    pub(super) fn read(file: &mut (impl Read + Seek), length: u64) -> Result<Self, ArchiveFault> {
        let mut pass = Pass { file, length, at: 0, found: BTreeMap::new(), count: 0 };
        pass.run()?;
        let files = pass.found.into_iter().filter_map(|(name, extent)| Some((name, extent?)));
        Ok(Self(files.collect()))
    }

    /// Where a file is.
    pub(super) fn get(&self, name: &str) -> Option<Extent> {
        self.0.get(name).copied()
    }

    /// All files, in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Extent)> {
        self.0.iter().map(|(name, extent)| (name.as_str(), *extent))
    }
}

struct Pass<'a, F> {
    file: &'a mut F,
    length: u64,
    at: u64,
    /// Directories have no extent.
    found: BTreeMap<String, Option<Extent>>,
    count: usize,
}

impl<F: Read + Seek> Pass<'_, F> {
    fn run(&mut self) -> Result<(), ArchiveFault> {
        let mut long_name = None;
        let mut is_extended = false;
        loop {
            let start = self.at;
            let block = self.block()?;
            if start == 0 {
                recognized(&block)?;
            }
            if block.iter().all(|byte| *byte == 0) {
                let is_dangling = long_name.is_some() || is_extended;
                return if is_dangling { Err(ArchiveFault::Header(start)) } else { self.end() };
            }
            let header = Header::read(&block, start)?;
            self.count += 1;
            if self.count > MAX_MEMBERS {
                return Err(ArchiveFault::TooMany(MAX_MEMBERS));
            }
            let extent = self.extent(header.size)?;
            match header.kind {
                // Two for one member would leave it to the reader which counts.
                Kind::LongName if long_name.is_none() && !is_extended => {
                    long_name = Some(without_end(self.content(extent, start)?));
                }
                Kind::Extended if long_name.is_none() && !is_extended => {
                    let content = self.content(extent, start)?;
                    check_extended(&content).map_err(|key| ArchiveFault::Extended(named(&header, key)))?;
                    is_extended = block.get(156) == Some(&b'x');
                }
                Kind::LongName | Kind::Extended => return Err(ArchiveFault::Header(start)),
                Kind::File | Kind::Directory | Kind::Other(_) => {
                    let written = long_name.take().unwrap_or(header.name);
                    let name = checked_name(&written)?;
                    is_extended = false;
                    // Some programs take such a file for a directory, and what is in it for more members.
                    let is_doubtful =
                        header.kind == Kind::File && written.ends_with(b"/") && !name.is_empty();
                    let kind = if is_doubtful { Kind::Other(DOUBTFUL) } else { header.kind };
                    self.add(name, kind, extent, start)?;
                }
            }
        }
    }

    fn add(&mut self, name: String, kind: Kind, extent: Extent, at: u64) -> Result<(), ArchiveFault> {
        let entry = match kind {
            Kind::Other(kind) => return Err(ArchiveFault::Kind { name, kind }),
            Kind::Directory if extent.size > 0 => return Err(ArchiveFault::Header(at)),
            Kind::Directory => None,
            _ if name.is_empty() => return Err(ArchiveFault::Name(".".into())),
            _ => Some(extent),
        };
        // A directory that is there twice is there.
        match self.found.insert(name.clone(), entry) {
            Some(before) if before.is_some() || entry.is_some() => Err(ArchiveFault::Duplicate(name)),
            _ => Ok(()),
        }
    }

    /// The next header.
    fn block(&mut self) -> Result<Block, ArchiveFault> {
        let mut block = [0; BLOCK];
        let next = self.at.checked_add(BLOCK_SIZE).filter(|next| *next <= self.length);
        self.file.seek(SeekFrom::Start(self.at))?;
        if next.is_none() && self.at == 0 {
            return Err(ArchiveFault::NotATar);
        }
        self.at = next.ok_or(ArchiveFault::Cut)?;
        self.file.read_exact(&mut block).map_err(cut)?;
        Ok(block)
    }

    /// Passes over the content of a member. All of it, filled up to whole blocks, has to be there.
    fn extent(&mut self, size: u64) -> Result<Extent, ArchiveFault> {
        let start = self.at;
        let end = size.checked_next_multiple_of(BLOCK_SIZE).and_then(|filled| start.checked_add(filled));
        self.at = end.filter(|end| *end <= self.length).ok_or(ArchiveFault::Cut)?;
        Ok(Extent { start, size })
    }

    /// The content of a member that is about another one.
    fn content(&mut self, extent: Extent, at: u64) -> Result<Vec<u8>, ArchiveFault> {
        if extent.size > MAX_EXTENDED {
            return Err(ArchiveFault::Header(at));
        }
        self.file.seek(SeekFrom::Start(extent.start))?;
        let mut bytes = Vec::new();
        self.file.take(extent.size).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Two blocks of zeroes are the end, and nothing but zeroes may follow.
    fn end(&mut self) -> Result<(), ArchiveFault> {
        if self.block()?.iter().any(|byte| *byte != 0) {
            return Err(ArchiveFault::Trailing);
        }
        let left = self.length.saturating_sub(self.at);
        if left > MAX_FILL {
            return Err(ArchiveFault::Trailing);
        }
        let mut rest = Vec::new();
        self.file.take(left).read_to_end(&mut rest)?;
        if rest.iter().any(|byte| *byte != 0) { Err(ArchiveFault::Trailing) } else { Ok(()) }
    }
}

fn cut(error: io::Error) -> ArchiveFault {
    if error.kind() == io::ErrorKind::UnexpectedEof { ArchiveFault::Cut } else { error.into() }
}

/// Tells a first block that is no header of a tar file.
fn recognized(block: &Block) -> Result<(), ArchiveFault> {
    if let Some((_, program)) = COMPRESSED.iter().find(|(start, _)| block.starts_with(start)) {
        return Err(ArchiveFault::Compressed(program));
    }
    let is_empty = block.iter().all(|byte| *byte == 0);
    if is_empty || Header::read(block, 0).is_ok() { Ok(()) } else { Err(ArchiveFault::NotATar) }
}

/// A long name ends with a zero.
fn without_end(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// Checks that each record of an extended header is one that changes nothing. The key of the first other one, else.
fn check_extended(mut content: &[u8]) -> Result<(), String> {
    while !content.is_empty() {
        let (key, rest) = record(content).ok_or_else(String::new)?;
        if !HARMLESS.contains(&key) && !HARMLESS_BELOW.iter().any(|start| key.starts_with(start)) {
            return Err(key.to_owned());
        }
        content = rest;
    }
    Ok(())
}

/// The key of a record `LENGTH KEY=VALUE\n`, and what follows it.
fn record(content: &[u8]) -> Option<(&str, &[u8])> {
    let space = content.iter().position(|byte| *byte == b' ')?;
    let digits = content.get(..space)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (record, rest) = content.split_at_checked(length)?;
    let pair = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let (key, _) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
    Some((std::str::from_utf8(key).ok()?, rest))
}

fn named(header: &Header, key: String) -> String {
    let name = String::from_utf8_lossy(&header.name);
    if key.is_empty() { name.into_owned() } else { format!("{name} ({key})") }
}

#[cfg(test)]
mod tests;
