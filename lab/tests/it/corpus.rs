//! The fuzzers' corpus, with the toolchain that everybody has: what each target demands of its input.

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/checks/mod.rs"]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut count = 0;
    for file in files {
        let path = file.expect("the folder can be listed").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("the file can be read"));
        count += 1;
    }
    assert!(count > 50, "{folder:?} has {count} files only");
}

#[test]
fn link() {
    replay("link", checks::link);
}

#[test]
fn policy() {
    replay("policy", checks::policy);
}

#[test]
fn trace() {
    replay("trace", checks::trace::trace);
}

#[test]
fn snapshot() {
    replay("snapshot", checks::chain::snapshot);
}

#[test]
fn frames() {
    replay("frames", checks::frames::frames);
}
