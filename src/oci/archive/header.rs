//! Turns the 512 bytes before a member of a tar file into its name, kind and size, and these into such bytes.
//!
//! The crate `tar` reads more than is wanted here: it follows extended headers that change names and sizes, and links.

use super::fault::ArchiveFault;

/// Everything in a tar file comes in blocks of so many bytes.
pub(super) const BLOCK: usize = 512;
pub(super) const BLOCK_SIZE: u64 = 512;

pub(super) type Block = [u8; BLOCK];

/// The longest name that a header has room for, and the name of the member that holds a longer one.
pub(super) const MAX_SHORT: usize = 100;
pub(super) const LONG_NAME: &str = "././@LongLink";

/// The longest name. Those of a layout have 77 characters.
const MAX_NAME: usize = 1024;

/// Where the parts of a header are.
const NAME: (usize, usize) = (0, MAX_SHORT);
const MODE: (usize, usize) = (100, 8);
const OWNER: (usize, usize) = (108, 8);
const GROUP: (usize, usize) = (116, 8);
const SIZE: (usize, usize) = (124, 12);
const TIME: (usize, usize) = (136, 12);
const SUM: (usize, usize) = (148, 8);
const KIND: usize = 156;
const MAGIC: (usize, usize) = (257, 8);
const PREFIX: (usize, usize) = (345, 155);

/// The type of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// Its content is the name of the member that follows.
    LongName,
    /// Its content says more of the member that follows, or of all.
    Extended,
    /// Whatever an archive may not hold.
    Other(&'static str),
}

/// A header that was read.
pub(super) struct Header {
    /// As it is written there.
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

impl Header {
    /// Reads a header that begins at the byte `at`.
    pub(super) fn read(block: &Block, at: u64) -> Result<Self, ArchiveFault> {
        let unreadable = || ArchiveFault::Header(at);
        if number(field(block, SUM)) != Some(sum(block)) {
            return Err(unreadable());
        }
        let magic = field(block, MAGIC);
        let is_ustar = magic.starts_with(b"ustar\0");
        if !is_ustar && magic != b"ustar  \0" && magic.iter().any(|byte| *byte != 0) {
            return Err(unreadable());
        }
        let mut name = text(field(block, NAME)).to_vec();
        let prefix = text(field(block, PREFIX));
        if is_ustar && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let kind = match block[KIND] {
            // Before there was a kind for directories, their names told them apart.
            0 if name.ends_with(b"/") => Kind::Directory,
            0 | b'0' => Kind::File,
            b'1' => Kind::Other("hard link"),
            b'2' => Kind::Other("link"),
            b'3' | b'4' => Kind::Other("device"),
            b'5' => Kind::Directory,
            b'6' => Kind::Other("pipe"),
            b'L' => Kind::LongName,
            b'K' => Kind::Other("link with a long name"),
            b'S' => Kind::Other("sparse file"),
            b'x' | b'g' => Kind::Extended,
            _ => Kind::Other("member of an unknown kind"),
        };
        Ok(Self { name, kind, size: number(field(block, SIZE)).ok_or_else(unreadable)? })
    }

    /// The bytes of a header. No time, no owner: they would say who wrote the archive, and when.
    pub(super) fn written(name: &str, kind: Kind, size: u64) -> Block {
        let mut block = [0; BLOCK];
        let name = name.as_bytes();
        put(&mut block, NAME, name.get(..NAME.1).unwrap_or(name));
        let (letter, mode) = match kind {
            Kind::Directory => (b'5', b"0000755"),
            Kind::LongName => (b'L', b"0000644"),
            _ => (b'0', b"0000644"),
        };
        put(&mut block, MODE, mode);
        for owner in [OWNER, GROUP] {
            put(&mut block, owner, b"0000000");
        }
        let octal = format!("{size:011o}");
        if octal.len() < SIZE.1 {
            put(&mut block, SIZE, octal.as_bytes());
        } else {
            put(&mut block, SIZE, &[&[0x80, 0, 0, 0][..], &size.to_be_bytes()].concat());
        }
        put(&mut block, TIME, b"00000000000");
        block[KIND] = letter;
        put(&mut block, MAGIC, b"ustar\x0000");
        let sum = format!("{:06o}\0 ", sum(&block));
        put(&mut block, SUM, sum.as_bytes());
        block
    }
}

/// The name of a member as it is looked up: below the archive, without a `./` in front. Nothing for its top.
pub(super) fn checked_name(name: &[u8]) -> Result<String, ArchiveFault> {
    let refused = || ArchiveFault::Name(String::from_utf8_lossy(name).into_owned());
    let text = std::str::from_utf8(name).map_err(|_| refused())?;
    let text = text.strip_suffix('/').unwrap_or(text);
    let text = if text == "." { "" } else { text.strip_prefix("./").unwrap_or(text) };
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let fits = text.len() <= MAX_NAME && !text.contains('\0') && text.split('/').all(is_plain);
    if text.is_empty() && name.starts_with(b".") || fits { Ok(text.to_owned()) } else { Err(refused()) }
}

fn field(block: &Block, (start, length): (usize, usize)) -> &[u8] {
    block.get(start..start + length).unwrap_or_default()
}

fn put(block: &mut Block, (start, _): (usize, usize), bytes: &[u8]) {
    block.iter_mut().skip(start).zip(bytes).for_each(|(at, byte)| *at = *byte);
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, or in as many bytes as there are (which GNU tar writes from 8 GiB on).
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // The other bits would make it negative, or greater than anything.
        let (high, low) = rest.split_last_chunk::<8>()?;
        let fits = *first == 0x80 && high.iter().all(|byte| *byte == 0);
        return fits.then_some(u64::from_be_bytes(*low));
    }
    let text = std::str::from_utf8(field).ok()?.trim_start_matches(' ');
    let (digits, rest) = text.split_at(text.find([' ', '\0']).unwrap_or(text.len()));
    let is_digits = digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    if !is_digits || !rest.trim_matches([' ', '\0']).is_empty() {
        return None;
    }
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

/// The sum of all bytes, with spaces where the sum itself is.
fn sum(block: &Block) -> u64 {
    let own = SUM.0..SUM.0 + SUM.1;
    block.iter().enumerate().map(|(at, byte)| u64::from(if own.contains(&at) { b' ' } else { *byte })).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_says_what_was_written() {
        for (name, kind, size) in [
            ("index.json", Kind::File, 0),
            ("blobs/", Kind::Directory, 0),
            ("x", Kind::File, (8 << 30) - 1),
            ("x", Kind::File, 8 << 30),
            ("x", Kind::File, u64::MAX),
        ] {
            let read = Header::read(&Header::written(name, kind, size), 0).unwrap();
            assert_eq!((read.name, read.kind, read.size), (name.into(), kind, size));
        }
    }

    #[test]
    fn a_number_that_is_negative_or_too_large_or_none_is_refused() {
        let wide = |first: u8, second: u8| {
            let mut field = [0; 12];
            (field[0], field[1], field[11]) = (first, second, 7);
            number(&field)
        };
        assert_eq!(wide(0x80, 0), Some(7));
        assert_eq!((wide(0x80, 1), wide(0xff, 0xff), wide(0xc0, 0), wide(0x81, 0)), (None, None, None, None));
        assert_eq!(number(b"00000000012\0"), Some(10));
        assert_eq!(number(b"         12 "), Some(10));
        assert_eq!(number(b"777777777777"), Some((1 << 36) - 1));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0\0\0\0\0"), Some(0));
        for odd in
            [&b"00000000-12\0"[..], b"+0000000012\0", b"00000000089\0", b"12 12\0\0\0\0\0\0\0", b"0x12\0"]
        {
            assert_eq!(number(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for (name, expected) in
            [("a", "a"), ("./a/b", "a/b"), ("a/b/", "a/b"), ("./", ""), (".", ""), ("a..b", "a..b")]
        {
            assert_eq!(checked_name(name.as_bytes()).unwrap(), expected, "{name}");
        }
        for odd in ["", "/", "/a", "..", "../a", "a/../b", "a//b", "a/./b", ".//a", "./..", "././a", "a\0b"] {
            assert!(matches!(checked_name(odd.as_bytes()), Err(ArchiveFault::Name(_))), "{odd}");
        }
        assert!(checked_name(b"a\xff").is_err() && checked_name(&[b'a'; MAX_NAME + 1]).is_err());
    }

    proptest! {
        #[test]
        fn one_changed_byte_is_found_by_the_sum(at in 0..BLOCK, by in 1..=255_u8) {
            let mut block = Header::written("blobs/sha256/a", Kind::File, 12);
            block[at] = block[at].wrapping_add(by);
            // The number of the sum may be written in more than one way.
            prop_assume!(!(SUM.0..SUM.0 + SUM.1).contains(&at));
            prop_assert!(Header::read(&block, 0).is_err());
        }

        #[test]
        fn any_block_is_read_or_refused(block in proptest::collection::vec(any::<u8>(), BLOCK)) {
            drop(Header::read(&block.try_into().unwrap(), 0));
        }
    }
}
