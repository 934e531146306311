//! Printing, for all commands.

use std::io::{self, Write};
use std::time::Duration;

use crate::Failure;

/// Prints to a pipe that may be closed: that is no panic.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::Run(format!("cannot print: {error}")))
}

/// As a person reads it: `<1ms`, `950ms`, `2.35s`, `1m 30s`, `1h`.
pub(crate) fn short(span: Duration) -> String {
    let millis = span.as_millis();
    if millis == 0 && !span.is_zero() {
        return "<1ms".to_owned();
    }
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    if millis < 60_000 {
        let text = format!("{:.2}", span.as_secs_f64());
        return format!("{}s", text.trim_end_matches('0').trim_end_matches('.'));
    }
    let seconds = span.as_secs();
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|&(amount, _)| amount > 0)
        .map(|(amount, unit)| format!("{amount}{unit}"))
        .collect();
    parts.join(" ")
}

/// Whole milliseconds, rounded up: a promise must not promise more, nor a measurement flatter.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_naturally() {
        let read = |micros| short(Duration::from_micros(micros));
        assert_eq!(read(0), "0ms");
        assert_eq!(read(400), "<1ms");
        assert_eq!(read(999_999), "999ms");
        assert_eq!(read(1_500_000), "1.5s");
        assert_eq!(read(10_000_000), "10s");
        assert_eq!(read(90_000_000), "1m 30s");
        assert_eq!(read(3_960_000_000), "1h 6m");
    }
}
