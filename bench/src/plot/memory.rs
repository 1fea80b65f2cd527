//! Memory over idle connections, with what each may take.

use super::{
    frame::{BOTTOM, Frame, LEFT, Mark, RIGHT, TOP},
    scale::Scale,
};
use crate::load::IdleResult;

const MIB: f64 = 1_048_576.0;
/// Bytes that a connection may take: the limit that is drawn.
const BYTES_MAX: f64 = 6.0 * 1_024.0;

/// The classes and names of what is drawn.
pub(super) fn legend() -> Vec<(&'static str, &'static str)> {
    vec![("ack", "private dirty memory"), ("limit", "6 KB for each connection")]
}

/// None without two readings.
pub(super) fn draw(idle: &IdleResult) -> Option<String> {
    let readings: Vec<(f64, f64)> =
        idle.readings.iter().map(|(connections, bytes)| (*connections as f64, *bytes as f64 / MIB)).collect();
    let (first, last) = (readings.first()?, readings.last().filter(|last| last.0 > 0.0)?);
    let limit = |connections: f64| first.1 + (connections - first.0) * BYTES_MAX / MIB;
    let most = readings.iter().map(|reading| reading.1).fold(limit(last.0), f64::max);
    let x = Scale::linear(last.0, (LEFT, RIGHT));
    let y = Scale::linear(most, (BOTTOM, TOP));
    let label = format!("Memory of {} over idle connections, from none to {}", idle.process, last.0);
    let mut frame = Frame::new(&label, (x, "idle connections"), (y, "MiB"), &Mark::of(&x));
    frame.drawing.line("line limit", frame.at(first.0, first.1), frame.at(last.0, limit(last.0)));
    let places: Vec<_> = readings.iter().map(|(connections, mib)| frame.at(*connections, *mib)).collect();
    frame.drawing.polyline("line ack", &places);
    for ((connections, mib), place) in readings.iter().zip(places) {
        frame.drawing.dot("dot ack", place, &format!("{connections} connections: {mib:.1} MiB"));
    }
    Some(frame.drawing.finish())
}

#[cfg(test)]
mod tests {
    use super::{super::drawing::tests::titles, *};
    use crate::run::sample::idle;

    #[test]
    fn every_reading_is_in_it() {
        let titles = titles(&draw(&idle()).unwrap());
        assert_eq!(titles.len(), 6);
        assert_eq!(titles[0], "0 connections: 19.1 MiB");
        assert_eq!(titles[5], "10000 connections: 66.8 MiB");
    }

    #[test]
    fn a_single_reading_is_no_line() {
        let mut one = idle();
        one.readings.truncate(1);
        assert_eq!(draw(&one), None);
    }
}
