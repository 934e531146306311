//! A broken promise, with all that is needed to see it again.

use core::fmt;
use core::hash::{Hash, Hasher};
use std::hash::DefaultHasher;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::judge::{Broken, Promise};
use crate::shrink::shrink;
use crate::trace::{Call, Trace};
use crate::watched::Watched;

/// A link broke a promise. Printed, it has all that is needed to see it again: the seed, and a trace
/// for `redial-lab replay`, or the file that a long one was written to.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Failure {
    /// In a world, the step after which it was found.
    pub step: Option<u64>,
    /// What was found.
    pub broken: Broken,
    /// What went into the link and what came out of it until then.
    pub whole: Box<Trace>,
    /// The same promise broken by fewer calls, with a correct driver where that is enough. `None`
    /// where it takes the model of the peer to see it, or nothing can be left out.
    pub shrunk: Option<Box<Shrunk>>,
    /// Where [`Failure::trace`] was written to, under the target folder, if it is a long one. `None`
    /// where that folder is not known.
    pub file: Option<Box<Path>>,
}

/// A promise broken by fewer calls than those that were found to break it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Shrunk {
    /// How it breaks then.
    pub broken: Broken,
    /// These calls, and what they gave.
    pub trace: Trace,
}

impl Failure {
    /// `broken` is what was found at the end of the calls of `link`.
    pub(crate) fn new(link: &Watched, broken: Broken, step: Option<u64>) -> Self {
        let whole = Box::new(link.trace().clone());
        let shrunk = shrink(&whole, link.judge().terms(), broken.promise).map(Box::new);
        let mut failure = Self { step, broken, whole, shrunk, file: None };
        let text = failure.trace().to_string();
        if text.lines().count() > PRINTED_MAX {
            failure.file = file(failure.broken.promise, &text).map(PathBuf::into_boxed_path);
        }
        failure
    }

    /// The trace to look at: the shrunk one, or the whole where there is none.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        self.shrunk.as_deref().map_or(&self.whole, |it| &it.trace)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { promise, at, what, .. } =
            self.shrunk.as_deref().map_or(&self.broken, |it| &it.broken);
        writeln!(f, "{promise} is broken at {at}: {what}")?;
        if let Some(Call::Event(at, event, false)) = self.trace().calls().last() {
            // No trace has it.
            writeln!(f, "refused at {at}: {event:?}")?;
        }
        write!(f, "{:?}", self.whole.header().seed)?;
        if let Some(step) = self.step {
            write!(f, ", step {step}")?;
        }
        if self.shrunk.is_some() {
            let [few, all] = [self.trace(), &self.whole].map(|it| it.calls().len());
            write!(f, ", {few} calls of {all}")?;
        }
        match &self.file {
            Some(file) => write!(f, ": redial-lab replay --explain {}", file.display()),
            None => write!(f, ", a trace for `redial-lab replay --explain -`:\n{}", self.trace()),
        }
    }
}

/// A test that unwraps a failure or returns it prints this, and a whole log is no help there.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes the trace to a file that no other trace has: tests run side by side.
fn file(promise: Promise, trace: &str) -> Option<PathBuf> {
    let folder = target_folder()?.join("failures");
    let mut hasher = DefaultHasher::new();
    trace.hash(&mut hasher);
    let file = folder.join(format!("{promise:?}-{:016x}.jsonl", hasher.finish()));
    fs::create_dir_all(&folder).ok()?;
    fs::write(&file, trace).ok()?;
    Some(file)
}

/// Cargo's target folder, if it is known. The program lies in it, but for a test in documentation.
fn target_folder() -> Option<PathBuf> {
    let exe = env::current_exe().ok();
    let mut around = exe.iter().flat_map(|exe| exe.ancestors());
    // Cargo tags a folder only if it made it.
    let marks = ["CACHEDIR.TAG", ".rustc_info.json"];
    let tagged = around.find(|folder| marks.iter().any(|mark| folder.join(mark).is_file()));
    // Cargo takes a relative one from where it was started, which need not be where a test runs.
    let told = || env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).filter(|it| it.is_absolute());
    tagged.map(Path::to_path_buf).or_else(told)
}

/// More lines than this are written to a file.
const PRINTED_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use redial::trace::Header;
    use redial::{Event, Instant, Policy, Seed};

    use super::*;

    #[test]
    fn an_event_that_was_refused_is_named_for_no_trace_has_it() {
        let header = Header { policy: Policy::new(), seed: Seed::from_u64(3), subscriptions: 0 };
        let mut whole = Box::new(Trace::new(header));
        whole.push(Call::Event(Instant::ZERO, Event::Stop, true));
        whole.push(Call::Event(Instant::ZERO, Event::Start, false));
        let (promise, what) = (Promise::Total, "it was".into());
        let broken = Broken { promise, at: Instant::ZERO, what, log: vec![] };
        let failure = Failure { step: Some(9), broken, whole, shrunk: None, file: None };
        let text = failure.to_string();
        let head = "P10 total and bounded is broken at 0.000000000s: it was\n\
                    refused at 0.000000000s: Start\nSeed(3), step 9, a trace for ";
        assert!(text.starts_with(head), "{text}");
        assert!(text.ends_with("{\"at\":0,\"event\":{\"type\":\"stop\"}}\n"), "{text}");
    }
}
