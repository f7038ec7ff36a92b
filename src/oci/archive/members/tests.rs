//! Archives made by hand, a trick in each.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

/// A tar file in the making.
#[derive(Clone, Default)]
struct Tar(Vec<u8>);

impl Tar {
    /// A member with the letter of its kind.
    fn with(mut self, name: &str, letter: u8, content: &[u8]) -> Self {
        let mut header = Header::written(name, Kind::File, length_of(content));
        header[156] = letter;
        self.0.extend(signed(header));
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.with(name, b'0', content)
    }

    /// Changes the header of the last member, which has no content.
    fn changed(mut self, change: impl FnOnce(&mut Block)) -> Self {
        let at = self.0.len() - BLOCK;
        let mut header: Block = self.0[at..].try_into().unwrap();
        change(&mut header);
        self.0.truncate(at);
        self.0.extend(signed(header));
        self
    }

    fn ended(mut self) -> Vec<u8> {
        self.0.extend([0; 2 * BLOCK]);
        self.0
    }

    fn read(self) -> Result<Members, ArchiveFault> {
        read(&self.ended())
    }
}

/// A header with its sum.
fn signed(mut header: Block) -> Block {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn length_of(bytes: &[u8]) -> u64 {
    bytes.len().try_into().unwrap()
}

fn read(bytes: &[u8]) -> Result<Members, ArchiveFault> {
    Members::read(&mut Cursor::new(bytes), length_of(bytes))
}

fn names(members: &Members) -> Vec<&str> {
    members.iter().map(|(name, _)| name).collect()
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (1..).find(|length| length.to_string().len() + rest.len() == *length).unwrap();
    format!("{length}{rest}").into_bytes()
}

#[test]
fn files_are_found_with_their_places_however_their_names_are_written() {
    let tar = Tar::default()
        .with("./", b'5', b"")
        .file("./index.json", b"{}")
        .with("blobs", b'5', b"")
        .with("blobs/", b'5', b"")
        .with("old/", 0, b"")
        .with("old/x", 0, b"12")
        .file("empty", b"");
    let members = tar.read().unwrap();
    assert_eq!(names(&members), ["empty", "index.json", "old/x"]);
    assert_eq!(members.get("index.json"), Some(Extent { start: 1024, size: 2 }));
    assert_eq!(members.get("blobs"), None);
}

#[test]
fn a_long_name_and_times_in_an_extended_header_are_read() {
    let long = "d/".repeat(80) + "x";
    let tar = Tar::default()
        .with("././@LongLink", b'L', format!("{long}\0").as_bytes())
        .file(&long[..100], b"1")
        .with("pax", b'g', &record("comment", "by git"))
        .with("pax", b'x', &[record("mtime", "1.5"), record("SCHILY.xattr.user.x", "=\n")].concat())
        .file("y", b"2");
    assert_eq!(names(&tar.read().unwrap()), [&*long, "y"]);
    let prefixed = Tar::default().file("x", b"").changed(|header| header[345..349].copy_from_slice(b"a/bc"));
    assert_eq!(names(&prefixed.read().unwrap()), ["a/bc/x"]);
    // GNU tar has other things where the prefix is.
    let gnu = Tar::default().file("x", b"").changed(|header| {
        header[257..265].copy_from_slice(b"ustar  \0");
        header[345..349].copy_from_slice(b"1234");
    });
    assert_eq!(names(&gnu.read().unwrap()), ["x"]);
}

#[test]
fn links_devices_pipes_and_sparse_files_are_refused_as_what_they_are() {
    for (letter, expected) in [
        (b'1', "hard link"),
        (b'2', "link"),
        (b'3', "device"),
        (b'4', "device"),
        (b'6', "pipe"),
        (b'7', "member of an unknown kind"),
        (b'K', "link with a long name"),
        (b'S', "sparse file"),
        (b'M', "member of an unknown kind"),
        (b'V', "member of an unknown kind"),
        (b'D', "member of an unknown kind"),
    ] {
        let refused = Tar::default().with("it", letter, b"").read();
        assert!(
            matches!(&refused, Err(ArchiveFault::Kind { name, kind }) if name == "it" && *kind == expected),
            "{letter} {refused:?}"
        );
    }
}

#[test]
fn a_file_that_others_would_take_for_a_directory_is_refused() {
    let hidden = Tar::default().file("index.json", b"{}").ended();
    let refused = Tar::default().with("dd/", b'0', &hidden).read();
    assert!(
        matches!(&refused, Err(ArchiveFault::Kind { kind, .. }) if kind.starts_with("file with")),
        "{:?}",
        refused.err()
    );
}

#[test]
fn names_that_lead_elsewhere_or_are_there_twice_are_refused() {
    for odd in ["/etc/passwd", "../x", "blobs/../../x", "a//b", "blobs/.", ".."] {
        assert!(
            matches!(Tar::default().file(odd, b"").read(), Err(ArchiveFault::Name(name)) if name == odd),
            "{odd}"
        );
    }
    let long = Tar::default().with("././@LongLink", b'L', b"../x\0").file("x", b"");
    assert!(matches!(long.read(), Err(ArchiveFault::Name(name)) if name == "../x"));
    assert!(matches!(Tar::default().file("./", b"").read(), Err(ArchiveFault::Name(_))));
    for (first, second) in [("x", "x"), ("x", "./x"), ("./x", "x")] {
        let twice = Tar::default().file(first, b"1").file(second, b"2");
        assert!(matches!(twice.read(), Err(ArchiveFault::Duplicate(name)) if name == "x"));
    }
    let both = Tar::default().file("x", b"1").with("x/", b'5', b"");
    assert!(matches!(both.read(), Err(ArchiveFault::Duplicate(_))));
}

#[test]
fn an_extended_header_that_changes_a_name_or_a_size_is_refused() {
    for key in
        ["path", "size", "linkpath", "GNU.sparse.map", "GNU.sparse.name", "hdrcharset", "SCHILY.realsize"]
    {
        for letter in [b'x', b'g'] {
            let tar = Tar::default().with("pax", letter, &record(key, "1")).file("x", b"");
            let refused = tar.read();
            assert!(
                matches!(&refused, Err(ArchiveFault::Extended(name)) if *name == format!("pax ({key})")),
                "{refused:?}"
            );
        }
    }
    let late = [record("mtime", "1"), record("path", "x")].concat();
    assert!(matches!(
        Tar::default().with("pax", b'x', &late).file("x", b"").read(),
        Err(ArchiveFault::Extended(_))
    ));
    for odd in [&b"9 mtime=1\n"[..], b"mtime=1\n", b"11 mtime=1", b"99 mtime=1\n", b"+10 mtime=1\n", b"0 x"] {
        let refused = Tar::default().with("pax", b'x', odd).file("x", b"").read();
        assert!(matches!(refused, Err(ArchiveFault::Extended(_))), "{odd:?}");
    }
}

#[test]
fn two_headers_for_one_member_or_one_for_none_are_refused() {
    let long = |tar: Tar| tar.with("././@LongLink", b'L', b"a\0");
    let pax = |tar: Tar| tar.with("pax", b'x', &record("mtime", "1"));
    for tar in [
        long(long(Tar::default())).file("x", b""),
        pax(pax(Tar::default())).file("x", b""),
        pax(long(Tar::default())).file("x", b""),
        long(pax(Tar::default())).file("x", b""),
        long(Tar::default()),
        pax(Tar::default()),
        Tar::default().with("././@LongLink", b'L', &vec![b'a'; 65 << 10]).file("x", b""),
        Tar::default().with("directory/", b'5', b"content"),
    ] {
        let refused = tar.read();
        assert!(matches!(refused, Err(ArchiveFault::Header(_))), "{refused:?}");
    }
}

#[test]
fn sizes_beyond_the_end_or_below_nothing_are_refused() {
    let sized = |size: &[u8; 12]| {
        let tar = Tar::default().file("first", b"").file("x", b"");
        tar.changed(|header| header[124..136].copy_from_slice(size)).read()
    };
    for (size, is_cut) in [
        (b"00000002001\0", true),
        (b"77777777777\0", true),
        (b"777777777777", true),
        (b"\x80\0\0\0\0\0\0\0\xff\xff\xff\xff", true),
        (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", true),
        (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", true),
        (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", false),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", false),
        (b"-0000000001\0", false),
        (b"0000000008\0\0", false),
    ] {
        let refused = sized(size);
        assert_eq!(matches!(refused, Err(ArchiveFault::Cut)), is_cut, "{size:?} {refused:?}");
        assert_eq!(matches!(refused, Err(ArchiveFault::Header(_))), !is_cut, "{size:?} {refused:?}");
    }
    // The two blocks at the end are not the content of a member.
    assert!(matches!(sized(b"00000002000\0"), Err(ArchiveFault::Cut)));
}

#[test]
fn an_archive_that_is_cut_anywhere_is_refused() {
    let whole = Tar::default().file("index.json", b"{}").file("x", &[7; 700]).ended();
    assert!(read(&whole).is_ok());
    for length in 0..whole.len() {
        let cut = read(&whole[..length]);
        assert!(matches!(cut, Err(ArchiveFault::Cut | ArchiveFault::NotATar)), "{length} {cut:?}");
        assert_eq!(matches!(cut, Err(ArchiveFault::NotATar)), length < BLOCK);
    }
}

#[test]
fn nothing_but_zeroes_follows_the_end() {
    let whole = Tar::default().file("x", b"1").ended();
    let with = |rest: &[u8]| read(&[&whole, rest].concat());
    assert!(with(&[0; 7 * BLOCK]).is_ok() && with(&[0; 3]).is_ok());
    for rest in [&b"x"[..], &[&[0; 9 * BLOCK][..], b"\x01"].concat(), &Tar::default().file("y", b"2").ended()]
    {
        assert!(matches!(with(rest), Err(ArchiveFault::Trailing)));
    }
    let lone = [&whole[..whole.len() - BLOCK], &[1; BLOCK]].concat();
    assert!(matches!(read(&lone), Err(ArchiveFault::Trailing)));
}

#[test]
fn what_is_compressed_is_named_with_the_program_that_unpacks_it() {
    for (start, program) in COMPRESSED {
        let mut bytes = start.to_vec();
        bytes.resize(4 * BLOCK, 7);
        assert!(matches!(read(&bytes), Err(ArchiveFault::Compressed(found)) if found == program));
    }
    for other in [&[7; 4 * BLOCK][..], b"apiVersion: x", b""] {
        assert!(matches!(read(other), Err(ArchiveFault::NotATar)));
    }
    assert!(read(&[0; 2 * BLOCK]).unwrap().iter().next().is_none(), "an empty archive is one");
}

#[test]
fn there_are_no_more_members_than_memory_is_taken_for() {
    let mut tar = Tar::default();
    for number in 0..MAX_MEMBERS {
        tar.0.extend(Header::written(&number.to_string(), Kind::File, 0));
    }
    assert_eq!(tar.clone().read().unwrap().iter().count(), MAX_MEMBERS);
    assert!(matches!(tar.file("x", b"").read(), Err(ArchiveFault::TooMany(MAX_MEMBERS))));
}

#[test]
fn a_header_that_was_changed_is_refused() {
    let mut bytes = Tar::default().file("x", b"1").file("y", b"2").ended();
    bytes[2 * BLOCK] = b'z';
    assert!(matches!(read(&bytes), Err(ArchiveFault::Header(1024))));
}

proptest! {
    #[test]
    fn any_change_of_an_archive_is_read_or_refused_and_stays_within_it(
        changes in proptest::collection::vec((0..9 * BLOCK, any::<u8>()), 1..40),
    ) {
        let tar = Tar::default().with("pax", b'x', &record("mtime", "1")).file("a", &[1; 600]);
        let mut bytes = tar.with("l", b'L', b"b\0").file("b", b"2").ended();
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        if let Ok(members) = read(&bytes) {
            for (_, extent) in members.iter() {
                prop_assert!(extent.start + extent.size <= length_of(&bytes));
            }
        }
    }
}
