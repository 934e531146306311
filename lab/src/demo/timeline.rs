//! The run as a picture: phases as bands, attempts as ticks, faults marked.

use std::time::Duration;

use redial::{Phase, WaitsFor};
use svg::Document;
use svg::node::element::{Circle, Group, Line, Rectangle, Text, Title};

use super::board::{Record, Report as Reported};
use super::report::{Damage, Report};
use super::verdict::Outcome;
use crate::output::short;
use crate::words;

/// Draws the run from its beginning to `end`.
pub(crate) fn draw(record: &Record, report: &Report, end: Duration) -> Document {
    let scale = Scale { end };
    let height = LIST_TOP + LIST_ROW * (report.faults.len().max(report.promises.len()) + 1);
    let background =
        Rectangle::new().set("width", WIDTH).set("height", height).set("fill", "#ffffff");
    Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .set("font-family", "Helvetica, Arial, sans-serif")
        .add(background)
        .add(heading(report))
        .add(legend())
        .add(axis(scale))
        .add(bands(record, scale))
        .add(attempts(record, scale))
        .add(marks(report, scale))
        .add(fault_list(report))
        .add(promise_list(report))
}

const WIDTH: usize = 1200;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 1170.0;
const LEGEND_TOP: f64 = 78.0;
const MARKS_Y: f64 = 122.0;
const BAND_TOP: f64 = 144.0;
const BAND_HEIGHT: f64 = 44.0;
const TICKS_TOP: f64 = 198.0;
const TICKS_HEIGHT: f64 = 22.0;
const AXIS_Y: f64 = 232.0;
const LIST_TOP: usize = 294;
const LIST_ROW: usize = 22;
const PROMISES_LEFT: usize = 800;

const INK: &str = "#1f2933";
const MUTED: &str = "#6b7785";
const RULE: &str = "#d5dbe1";
const GOOD: &str = "#2f9e6e";
const MOVING: &str = "#1d6b4a";
const BAD: &str = "#c8372d";

#[derive(Clone, Copy)]
struct Scale {
    end: Duration,
}

impl Scale {
    fn x(self, at: Duration) -> f64 {
        let share = at.as_secs_f64() / self.end.as_secs_f64().max(0.001);
        LEFT + (RIGHT - LEFT) * share.min(1.0)
    }

    /// Whole seconds between two ticks of the axis, about twelve ticks in all.
    fn step(self) -> usize {
        let about = self.end.as_secs_f64() / 12.0;
        [1, 2, 5, 10, 20, 30].into_iter().find(|&step| step as f64 >= about).unwrap_or(60)
    }
}

fn heading(report: &Report) -> Group {
    let title = text("redial demo", 30.0, 34.0, 20, INK).set("font-weight", "bold");
    let kept = if report.kept { "every promise kept" } else { "a promise was not kept" };
    let facts = format!(
        "seed {}, speed {}, {} faults, {} attempts, {} prices received; {kept}",
        report.seed,
        report.speed,
        report.faults.len(),
        report.attempts,
        report.prices_received,
    );
    let colour = if report.kept { GOOD } else { BAD };
    Group::new().add(title).add(text(&facts, 30.0, 58.0, 14, colour))
}

/// What a band's colour says.
fn colour(report: &Reported) -> &'static str {
    match (report.status.phase, report.status.waits_for) {
        (Phase::Live, _) if report.status.rotating => MOVING,
        (Phase::Live, _) => GOOD,
        (Phase::Restoring, _) => "#7fc8f0",
        (Phase::Refreshing | Phase::Opening | Phase::Greeting, _) => "#4267ac",
        (Phase::Waiting, Some(WaitsFor::Limit)) => "#b5541c",
        (Phase::Waiting, Some(WaitsFor::Floor)) => "#8d3b72",
        (Phase::Waiting, _) => "#f2a33a",
        (Phase::Degraded, _) => "#c9d65b",
        (Phase::Halted, _) => BAD,
        _ => "#c3cad2",
    }
}

const LEGEND: [(&str, &str); 8] = [
    (GOOD, "live"),
    (MOVING, "live, moving"),
    ("#7fc8f0", "restoring"),
    ("#4267ac", "opening"),
    ("#f2a33a", "waiting: backoff"),
    ("#b5541c", "waiting: attempt limit"),
    ("#8d3b72", "waiting: Retry-After"),
    ("#c3cad2", "idle, closing"),
];

fn legend() -> Group {
    let mut x = LEFT;
    let mut group = Group::new();
    for (colour, label) in LEGEND {
        let swatch = rectangle(x, LEGEND_TOP, 14.0, 14.0, colour).set("rx", 2);
        group = group.add(swatch).add(text(label, x + 20.0, LEGEND_TOP + 12.0, 13, INK));
        // Without font metrics: a generous width per letter.
        x += 46.0 + 6.6 * label.len() as f64;
    }
    group
}

fn axis(scale: Scale) -> Group {
    let mut group = Group::new()
        .add(text("faults", 30.0, MARKS_Y + 4.0, 13, MUTED))
        .add(text("phase", 30.0, BAND_TOP + 27.0, 13, MUTED))
        .add(text("attempts", 30.0, TICKS_TOP + 15.0, 13, MUTED))
        .add(line((LEFT, AXIS_Y), (RIGHT, AXIS_Y), RULE));
    for second in (0..=scale.end.as_secs()).step_by(scale.step()) {
        let x = scale.x(Duration::from_secs(second));
        let label = text(&format!("{second}s"), x, AXIS_Y + 18.0, 12, MUTED);
        group = group
            .add(line((x, AXIS_Y), (x, AXIS_Y + 5.0), MUTED))
            .add(label.set("text-anchor", "middle"));
    }
    group
}

fn bands(record: &Record, scale: Scale) -> Group {
    let mut group =
        Group::new().add(rectangle(LEFT, BAND_TOP, RIGHT - LEFT, BAND_HEIGHT, "#eef1f4"));
    for (index, report) in record.reports.iter().enumerate() {
        let ends = record.reports.get(index + 1).map_or(scale.end, |next| next.at);
        let (x, width) = (scale.x(report.at), scale.x(ends) - scale.x(report.at));
        let phase = words::name(report.status.phase);
        let title = format!("{phase} for {}", short(ends.saturating_sub(report.at)));
        let band = rectangle(x, BAND_TOP, width, BAND_HEIGHT, colour(report));
        group = group.add(band.add(Title::new(title)));
    }
    group
}

fn attempts(record: &Record, scale: Scale) -> Group {
    record.opens.iter().fold(Group::new(), |group, open| {
        let x = scale.x(open.at);
        let tick = line((x, TICKS_TOP), (x, TICKS_TOP + TICKS_HEIGHT), INK);
        group.add(tick.set("stroke-width", 1.5).set("stroke-opacity", 0.75))
    })
}

fn marks(report: &Report, scale: Scale) -> Group {
    report.faults.iter().enumerate().fold(Group::new(), |group, (index, damage)| {
        let x = scale.x(Duration::from_millis(damage.at_ms));
        let stem = line((x, MARKS_Y), (x, AXIS_Y), BAD).set("stroke-dasharray", "3 3");
        group.add(stem).add(badge(index + 1, x, MARKS_Y))
    })
}

fn badge(number: usize, x: f64, y: f64) -> Group {
    let disc = Circle::new().set("cx", x).set("cy", y).set("r", 10).set("fill", BAD);
    let label = text(&number.to_string(), x, y + 4.0, 11, "#ffffff");
    Group::new().add(disc).add(label.set("text-anchor", "middle").set("font-weight", "bold"))
}

fn fault_list(report: &Report) -> Group {
    let heads = [("fault", 64), ("cause as the core saw it", 330), ("restored after", 660)];
    let group = heads.into_iter().fold(Group::new(), |group, (head, x)| {
        group.add(text(head, x as f64, LIST_TOP as f64 - 12.0, 12, MUTED))
    });
    report.faults.iter().enumerate().fold(group, |group, (index, damage)| {
        let y = (LIST_TOP + LIST_ROW * index + 12) as f64;
        let restored = damage.restored_after_ms.map(Duration::from_millis);
        group
            .add(badge(index + 1, 42.0, y - 4.0))
            .add(text(&damage.title, 64.0, y, 13, INK))
            .add(text(&causes(damage), 330.0, y, 13, INK))
            .add(text(&restored.map_or_else(|| "never".to_owned(), short), 660.0, y, 13, INK))
    })
}

/// As many as fit the column; the report has them all.
fn causes(damage: &Damage) -> String {
    let shown = damage.causes.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
    if damage.causes.len() > 2 { format!("{shown}, …") } else { shown }
}

fn promise_list(report: &Report) -> Group {
    let left = PROMISES_LEFT as f64;
    let group = Group::new().add(text("promise", left, LIST_TOP as f64 - 12.0, 12, MUTED));
    report.promises.iter().enumerate().fold(group, |group, (index, verdict)| {
        let y = (LIST_TOP + LIST_ROW * index + 12) as f64;
        let colour = match verdict.outcome {
            Outcome::Kept => GOOD,
            Outcome::Broken => BAD,
            Outcome::Untested => MUTED,
        };
        let name = format!("{} {}", verdict.promise, verdict.name);
        group.add(text(&name, left, y, 13, INK)).add(text(
            &words::name(verdict.outcome),
            left + 240.0,
            y,
            13,
            colour,
        ))
    })
}

fn text(content: &str, x: f64, y: f64, size: usize, colour: &str) -> Text {
    Text::new(content).set("x", x).set("y", y).set("font-size", size).set("fill", colour)
}

fn line(from: (f64, f64), to: (f64, f64), colour: &str) -> Line {
    Line::new()
        .set("x1", from.0)
        .set("y1", from.1)
        .set("x2", to.0)
        .set("y2", to.1)
        .set("stroke", colour)
}

fn rectangle(x: f64, y: f64, width: f64, height: f64, colour: &str) -> Rectangle {
    Rectangle::new()
        .set("x", x)
        .set("y", y)
        .set("width", width)
        .set("height", height)
        .set("fill", colour)
}
