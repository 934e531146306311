//! The last events, for a crash report.

use core::fmt;

use super::Line;
use super::writer::write_plain;
use crate::event::Event;
use crate::time::Instant;

/// The last `N` events and their instants, in a fixed amount of memory. Push each event that the
/// link is told; display it where a crash is reported.
///
/// A run of [`Event::Received`] on one connection takes one place, with the last one's instant: a
/// busy stream would otherwise push out all that led to the crash.
///
/// ```
/// use redial::trace::Ring;
/// use redial::{ConnId, Event, Instant};
///
/// let mut ring = Ring::<2>::new();
/// let conn = ConnId::new(1);
/// ring.push(Instant::from_nanos(0), Event::Start);
/// ring.push(Instant::from_nanos(5), Event::Opened { conn });
/// ring.push(Instant::from_nanos(7), Event::Received { conn });
/// ring.push(Instant::from_nanos(9), Event::Received { conn });
/// assert_eq!(
///     ring.to_string(),
///     "{\"at\":5,\"event\":{\"type\":\"opened\",\"conn\":1}}\n\
///      {\"at\":9,\"event\":{\"type\":\"received\",\"conn\":1}}\n"
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring<const N: usize> {
    places: [Option<(Instant, Event)>; N],
    /// The place of the last event.
    last: usize,
}

impl<const N: usize> Ring<N> {
    /// A ring that holds nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: [None; N], last: 0 }
    }

    /// Keeps `event`, and forgets the oldest if there is no room.
    pub fn push(&mut self, at: Instant, event: Event) {
        let repeats = matches!(event, Event::Received { .. })
            && self
                .places
                .get(self.last)
                .is_some_and(|place| place.is_some_and(|(_, before)| before == event));
        if !repeats {
            self.last = self.last.saturating_add(1).checked_rem(N).unwrap_or_default();
        }
        if let Some(place) = self.places.get_mut(self.last) {
            *place = Some((at, event));
        }
    }

    /// The events, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, Event)> {
        let (newer, older) =
            self.places.split_at_checked(self.last.saturating_add(1)).unwrap_or_default();
        older.iter().chain(newer).flatten().copied()
    }
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// One line per event, as in a trace. It has no header: what came before is not known.
impl<const N: usize> fmt::Display for Ring<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, event) in self.iter() {
            write_plain(f, &Line::Event { at, event })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;
    use std::vec::Vec;

    use super::*;
    use crate::id::{ConnId, SubKey};

    #[test]
    fn a_run_of_bytes_on_one_connection_takes_one_place() {
        let received = |number| Event::Received { conn: ConnId(number) };
        let mut ring = Ring::<3>::default();
        let events = [Event::Start, received(1), received(1), received(2), received(2)];
        for (at, event) in (0..).zip(events) {
            ring.push(Instant::from_nanos(at), event);
        }
        let kept: Vec<_> = ring.iter().map(|(at, event)| (at.as_nanos(), event)).collect();
        assert_eq!(kept, [(0, Event::Start), (2, received(1)), (4, received(2))]);
    }

    #[test]
    fn what_is_said_twice_otherwise_takes_two_places() {
        let mut ring = Ring::<3>::new();
        ring.push(Instant::ZERO, Event::RetryNow);
        ring.push(Instant::ZERO, Event::RetryNow);
        assert_eq!(ring.iter().count(), 2);
    }

    #[test]
    fn it_prints_as_lines_of_a_trace() {
        let mut ring = Ring::<2>::new();
        ring.push(Instant::from_nanos(5), Event::Start);
        ring.push(Instant::from_nanos(9), Event::Stop);
        assert_eq!(
            ring.to_string(),
            "{\"at\":5,\"event\":{\"type\":\"start\"}}\n\
             {\"at\":9,\"event\":{\"type\":\"stop\"}}\n"
        );
    }

    #[test]
    fn the_last_ones_stay_in_order() {
        let mut ring = Ring::<3>::new();
        for number in 0..8_u32 {
            ring.push(Instant::from_nanos(number.into()), Event::Subscribe { key: SubKey(number) });
            let kept: Vec<_> = ring.iter().map(|(at, _)| at.as_nanos()).collect();
            let expected: Vec<_> = (number.saturating_sub(2)..=number).map(u64::from).collect();
            assert_eq!(kept, expected);
        }
    }

    #[test]
    fn a_ring_without_room_keeps_nothing() {
        let mut ring = Ring::<0>::new();
        ring.push(Instant::ZERO, Event::Start);
        assert_eq!(ring.iter().count(), 0);
    }
}
