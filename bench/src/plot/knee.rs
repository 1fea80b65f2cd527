//! Latencies over the rate, up to where they bend.

use super::{
    frame::{BOTTOM, Frame, LEFT, Mark, RIGHT, TOP},
    scale::Scale,
};
use crate::{
    load::DirectResult,
    measure::median,
    run::{LoadResult, Round, TENTH_PERCENT},
};

/// A line: its classes, its name, its figure in microseconds.
struct Line {
    class: &'static str,
    name: &'static str,
    figure_us: fn(&DirectResult) -> u64,
}

const LINES: [Line; 4] = [
    Line { class: "ack", name: "ack p50", figure_us: |load| load.ack.p50_us },
    Line { class: "delivery", name: "delivery p50", figure_us: |load| load.delivery.p50_us },
    Line { class: "ack tail", name: "ack p99", figure_us: |load| load.ack.p99_us },
    Line { class: "delivery tail", name: "delivery p99", figure_us: |load| load.delivery.p99_us },
];

/// Loads of all rounds at one share of the maximum.
struct Point<'a> {
    percent: u32,
    /// Messages a second that were sent, the median.
    rate: f64,
    loads: Vec<&'a LoadResult>,
}

impl Point<'_> {
    /// Whether it lies over the knee.
    fn note(&self) -> String {
        match self.loads.iter().filter(|load| load.load.fell_behind()).count() {
            0 => String::new(),
            behind => format!(", over the knee: {behind} of {} fell behind", self.loads.len()),
        }
    }
}

/// The classes and names of the lines.
pub(super) fn legend() -> Vec<(&'static str, &'static str)> {
    LINES.iter().map(|line| (line.class, line.name)).collect()
}

/// None without rounds.
pub(super) fn draw(rounds: &[&Round]) -> Option<String> {
    let points = points(rounds);
    let seen = || points.iter().flat_map(|point| LINES.iter().flat_map(move |line| figures_ms(point, line)));
    let (least, most) = (seen().reduce(f64::min)?, seen().reduce(f64::max)?);
    let rate_most = points.iter().map(|point| point.rate).fold(0.0, f64::max);
    let x = Scale::linear(rate_most, (LEFT, RIGHT));
    let y = Scale::logarithmic(least, most, (BOTTOM, TOP));
    let marks: Vec<Mark> = points
        .iter()
        .map(|point| Mark { value: point.rate, text: format!("{:.0} ({} %)", point.rate, point.percent) })
        .collect();
    let label = "Latencies over the rate of messages, both axes from the least to the most that was measured";
    let mut frame = Frame::new(label, (x, "messages a second (share of the maximum)"), (y, "ms"), &marks);
    for line in &LINES {
        let figures: Vec<(&Point<'_>, Vec<f64>)> =
            points.iter().map(|point| (point, figures_ms(point, line))).filter(|(_, ms)| !ms.is_empty()).collect();
        let medians: Vec<_> = figures.iter().filter_map(|(point, ms)| Some((*point, median(ms)?))).collect();
        let places: Vec<_> = medians.iter().map(|(point, ms)| frame.at(point.rate, *ms)).collect();
        frame.drawing.polyline(&format!("line {}", line.class), &places);
        for ((point, ms), (_, all)) in medians.iter().zip(&figures) {
            let (low, high) = all.iter().fold((*ms, *ms), |(low, high), ms| (low.min(*ms), high.max(*ms)));
            let class = format!("whisker {}", line.class);
            frame.drawing.line(&class, frame.at(point.rate, low), frame.at(point.rate, high));
            let (name, rate, note) = (line.name, point.rate, point.note());
            let title = format!("{name} at {rate:.0}/s: {ms:.2} ms, rounds {low:.2} to {high:.2}{note}");
            frame.drawing.dot(&format!("dot {}", line.class), frame.at(point.rate, *ms), &title);
        }
    }
    Some(frame.drawing.finish())
}

/// Ascending by rate.
fn points<'a>(rounds: &[&'a Round]) -> Vec<Point<'a>> {
    let mut points: Vec<Point<'a>> = Vec::new();
    for round in rounds {
        let above = round.knee.points.iter().map(|(percent, load)| (*percent, load));
        for (percent, load) in round.knee.tenth.iter().map(|load| (TENTH_PERCENT, load)).chain(above) {
            match points.iter_mut().find(|point| point.percent == percent) {
                Some(point) => point.loads.push(load),
                None => points.push(Point { percent, rate: 0.0, loads: vec![load] }),
            }
        }
    }
    for point in &mut points {
        let rates: Vec<f64> = point.loads.iter().map(|load| load.load.messages_per_second).collect();
        point.rate = median(&rates).unwrap_or_default();
    }
    points.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    points
}

/// Of each load in milliseconds; a load without any message has none.
fn figures_ms(point: &Point<'_>, line: &Line) -> Vec<f64> {
    let us = point.loads.iter().map(|load| (line.figure_us)(&load.load));
    us.filter(|us| *us > 0).map(|us| us as f64 / 1_000.0).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::drawing::tests::titles, *};
    use crate::run::sample::round;

    #[test]
    fn the_least_and_the_most_are_in_it() {
        let rounds = [round(3_000), round(4_000), round(50_000)];
        let titles = titles(&draw(&rounds.iter().collect::<Vec<_>>()).unwrap());
        assert_eq!(titles.len(), 4 * 5, "four lines through five points");
        assert!(titles.contains(&"ack p50 at 600/s: 4.00 ms, rounds 3.00 to 50.00".to_owned()), "{titles:?}");
        // The sample doubles acks above the tenth, deliveries again, and p99 is three times p50.
        assert!(titles.contains(&"delivery p99 at 5400/s: 48.00 ms, rounds 36.00 to 600.00".to_owned()), "{titles:?}");
    }

    #[test]
    fn a_point_over_the_knee_says_so() {
        let mut behind = round(3_000);
        behind.knee.points[3].1.load.unfinished = 5;
        let titles = titles(&draw(&[&behind, &round(3_000)]).unwrap());
        let noted: Vec<&String> = titles.iter().filter(|title| title.contains("over the knee: 1 of 2")).collect();
        assert!(noted.len() == 4 && noted.iter().all(|title| title.contains("at 5400/s")), "{titles:?}");
    }

    #[test]
    fn without_rounds_there_is_nothing_to_draw() {
        assert_eq!(draw(&[]), None);
    }
}
