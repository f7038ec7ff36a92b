use super::*;

fn home() -> (tempfile::TempDir, Dir) {
    #[expect(clippy::disallowed_methods, reason = "the test makes a folder")]
    let (home, authority) = (tempfile::tempdir().unwrap(), cap_std::ambient_authority());
    #[expect(clippy::disallowed_methods, reason = "the test makes a folder")]
    let directory = Dir::open_ambient_dir(home.path(), authority).unwrap();
    (home, directory)
}

fn names(directory: &Dir) -> Vec<String> {
    directory.entries().unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let (_home, directory) = home();
    write(&directory, "a", b"12345").unwrap();
    assert_eq!(read(&directory, "a", 5).unwrap(), b"12345");
    assert!(matches!(read(&directory, "a", 4), Err(OciError::TooLong { limit: 4, .. })));
    assert!(matches!(read(&directory, "b", 4), Err(OciError::System { .. })));
    assert!(matches!(read(&directory, "../a", 4), Err(OciError::System { .. })));
}

#[cfg(unix)]
#[test]
fn what_is_no_plain_file_is_refused_and_not_waited_for() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let (home, directory) = home();
    write(&directory, "a", b"12345").unwrap();
    directory.symlink("a", "link").unwrap();
    directory.symlink("link", "loop").unwrap();
    directory.create_dir("directory").unwrap();
    mknodat(CWD, home.path().join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = std::os::unix::net::UnixDatagram::bind(home.path().join("socket")).unwrap();
    for name in ["link", "directory", "pipe", "socket"] {
        assert!(matches!(read(&directory, name, 5), Err(OciError::NotAFile(_))), "{name}");
    }
    for name in ["directory", "pipe", "socket"] {
        assert_eq!(open_plain(&directory, name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
    }
    assert!(open_plain(&directory, "loop").is_ok());
    assert!(open_named(&home.path().join("loop")).is_ok());
    assert_eq!(open_named(&home.path().join("pipe")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(open_named(Path::new("/dev/null")).is_ok());
}

#[test]
fn what_is_given_up_leaves_nothing_and_changes_nothing() {
    let (_home, directory) = home();
    write(&directory, "a", b"old").unwrap();
    let mut file = Unfinished::new(&directory, "a").unwrap();
    file.write(b"new").unwrap();
    assert_eq!(read(&directory, "a", 9).unwrap(), b"old");
    drop(file);
    assert_eq!(
        (names(&directory), read(&directory, "a", 9).unwrap()),
        (vec!["a".to_owned()], b"old".to_vec())
    );
    let mut file = Unfinished::new(&directory, "a").unwrap();
    file.write(b"new").unwrap();
    file.finish().unwrap();
    assert_eq!(
        (names(&directory), read(&directory, "a", 9).unwrap()),
        (vec!["a".to_owned()], b"new".to_vec())
    );
}
