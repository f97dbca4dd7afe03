use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{DataDir, KeyError, Part};

struct Folder(DataDir);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-occupy-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(DataDir::create(path).expect("the temporary folder can be written"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.path());
    }
}

#[test]
fn each_part_of_a_directory_is_one_process_s() {
    let folder = Folder::new("parts");
    let dir = &folder.0;
    let gateway = dir.occupy(Part::Gateway).expect("free");
    let _realm = dir.occupy(Part::Realm(1)).expect("another part");
    let _other = dir.occupy(Part::Realm(2)).expect("another realm of the same gateway");
    // Each opening of the file is a holder of its own, in whatever process.
    let error = dir.occupy(Part::Gateway).expect_err("it is taken");
    assert!(matches!(error, KeyError::InUse { part: Part::Gateway, .. }), "{error}");
    assert!(matches!(dir.occupy(Part::Realm(2)), Err(KeyError::InUse { part: Part::Realm(2), .. })));
    drop(gateway);
    let _again = dir.occupy(Part::Gateway).expect("free again");
}

#[test]
fn only_a_process_that_is_there_is_named() {
    let folder = Folder::new("names");
    let dir = &folder.0;
    let _held = dir.occupy(Part::Gateway).expect("free");
    let said = || dir.occupy(Part::Gateway).expect_err("it is taken").to_string();
    let path = dir.path().join("gateway.lock");
    assert_eq!(fs::read_to_string(&path).expect("readable"), format!("{}\n", std::process::id()));
    // Of the other one: a parent that is there; a number that is nobody's; none, or half of one; our own, in a container.
    let parent = std::os::unix::process::parent_id();
    for (text, named) in [
        (format!("{parent}\n"), Some(parent)),
        (format!("{}\n", i32::MAX), None),
        ("99999999999".to_owned(), None),
        (String::new(), None),
        (format!("{}\n", std::process::id()), None),
    ] {
        fs::write(&path, &text).expect("writable");
        let who = named.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
        let told = said();
        assert!(told.contains(&format!("is in use: {who} serves its gateway")), "{text:?}: {told}");
        assert!(told.contains("stop the other one") && told.contains("gateway.data_dir"), "{told}");
    }
}

#[test]
fn a_realm_that_only_reads_there_needs_no_lock() {
    let folder = Folder::new("reads");
    let dir = &folder.0;
    let mode = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).expect("ours");
    mode(0o500);
    // Root may write whatever the mode says.
    let is_writable = fs::write(dir.path().join("probe"), "").is_ok();
    let taken = dir.occupy_if_writable(Part::Realm(1));
    mode(0o700);
    assert_eq!(taken.expect("no reason to stop").is_some(), is_writable);
    let _held = dir.occupy_if_writable(Part::Realm(1)).expect("free").expect("writable");
    assert!(matches!(dir.occupy_if_writable(Part::Realm(1)), Err(KeyError::InUse { .. })));
}
