//! How latencies are spread, beside what the floors sum up to.

use super::{
    drawing::Point,
    frame::{BOTTOM, Frame, LEFT, Mark, RIGHT, TOP},
    scale::Scale,
};
use crate::run::{Spread, Spreads};

/// Bars in each doubling of a latency.
const PER_DOUBLING: f64 = 6.0;

/// The sums of the floors' p50s in milliseconds; none where no round counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    pub(super) one_hop_ms: Option<f64>,
    pub(super) two_hops_ms: Option<f64>,
}

/// The classes and names of what is drawn.
pub(super) fn legend() -> Vec<(&'static str, &'static str)> {
    vec![("ack", "ack"), ("delivery", "delivery"), ("limit", "sums of the floors' p50s")]
}

/// None without latencies.
pub(super) fn draw(spreads: &Spreads, sums: Sums) -> Option<String> {
    let kinds = [("ack", bins(&spreads.ack)), ("delivery", bins(&spreads.delivery))];
    let all = || kinds.iter().flat_map(|(_, bins)| bins);
    let (least, most) = (all().map(|bin| bin.from_ms).reduce(f64::min)?, all().map(|bin| bin.to_ms).reduce(f64::max)?);
    let marked = [(sums.one_hop_ms, "one hop"), (sums.two_hops_ms, "two hops")];
    let least = marked.iter().filter_map(|(ms, _)| *ms).filter(|ms| *ms > 0.0).fold(least, f64::min);
    let x = Scale::logarithmic(least, most, (LEFT, RIGHT));
    let y = Scale::linear(all().map(|bin| bin.percent).fold(0.0, f64::max), (BOTTOM, TOP));
    let label = "How many percent of the messages took how long, on a logarithmic axis";
    let mut frame = Frame::new(label, (x, "ms"), (y, "% of messages"), &Mark::of(&x));
    for (kind, bins) in &kinds {
        let outline = outline(bins, &frame);
        frame.drawing.polygon(&format!("area {kind}"), &outline);
        for bin in bins.iter().filter(|bin| bin.percent >= 0.005) {
            let (left, top) = frame.at(bin.from_ms, bin.percent);
            let (right, bottom) = frame.at(bin.to_ms, 0.0);
            let title = format!("{kind}, {:.2} to {:.2} ms: {:.2} %", bin.from_ms, bin.to_ms, bin.percent);
            frame.drawing.bar("touch", (left, top), (right - left, bottom - top), &title);
        }
    }
    let marked: Vec<(f64, &str)> =
        marked.into_iter().filter_map(|(ms, name)| Some((ms.filter(|ms| *ms > 0.0)?, name))).collect();
    for (ms, _) in &marked {
        frame.drawing.line("line limit", (x.at(*ms), TOP), (x.at(*ms), BOTTOM));
    }
    for (number, (ms, name)) in marked.iter().enumerate() {
        // Each in a line of its own, on the side that has room.
        let (at, height) = (x.at(*ms), TOP + 14.0 + number as f64 * 18.0);
        let (class, at) = if at > LEFT.midpoint(RIGHT) { ("end mark", at - 6.0) } else { ("start mark", at + 6.0) };
        frame.drawing.text(class, (at, height), &format!("{name} {ms:.2} ms"));
    }
    Some(frame.drawing.finish())
}

/// How many lie between two latencies.
struct Bin {
    from_ms: f64,
    to_ms: f64,
    percent: f64,
}

/// Equally wide on the axis, from the first that holds some to the last, empty ones between them too. A step that lies in two is
/// dealt to both.
fn bins(spread: &Spread) -> Vec<Bin> {
    let place = |us: u64| (us.max(1) as f64).log2() * PER_DOUBLING;
    let mut counts: Vec<f64> = Vec::new();
    let Some(first) = spread.steps().next().map(|(from, ..)| place(from).floor()) else { return Vec::new() };
    for (from, to, count) in spread.steps() {
        let (from, to) = (place(from) - first, place(to.max(from + 1)) - first);
        for bin in from.floor() as usize..to.ceil() as usize {
            let share = (to.min(bin as f64 + 1.0) - from.max(bin as f64)) / (to - from);
            if counts.len() <= bin {
                counts.resize(bin + 1, 0.0);
            }
            counts[bin] += share * count as f64;
        }
    }
    let all = spread.count().max(1) as f64;
    let ms = |bin: usize| ((first + bin as f64) / PER_DOUBLING).exp2() / 1_000.0;
    let bin = |(bin, count): (usize, f64)| Bin { from_ms: ms(bin), to_ms: ms(bin + 1), percent: count / all * 100.0 };
    counts.into_iter().enumerate().map(bin).collect()
}

/// Along the tops of the bars and back along the axis.
fn outline(bins: &[Bin], frame: &Frame) -> Vec<Point> {
    let tops = bins.iter().flat_map(|bin| [(bin.from_ms, bin.percent), (bin.to_ms, bin.percent)]);
    let ends = bins.last().map(|bin| (bin.to_ms, 0.0)).into_iter().chain(bins.first().map(|bin| (bin.from_ms, 0.0)));
    tops.chain(ends).map(|(ms, percent)| frame.at(ms, percent)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::drawing::tests::titles, *};
    use crate::run::sample::result;

    const SUMS: Sums = Sums { one_hop_ms: Some(0.5), two_hops_ms: Some(400.0) };

    #[test]
    fn bars_hold_every_latency_once() {
        let spreads = result(Vec::new()).paced;
        for spread in [&spreads.ack, &spreads.delivery] {
            let bins = bins(spread);
            let percent: f64 = bins.iter().map(|bin| bin.percent).sum();
            assert!((percent - 100.0).abs() < 1e-6, "{percent}");
            assert!(bins.windows(2).all(|pair| (pair[0].to_ms - pair[1].from_ms).abs() < 1e-9));
        }
    }

    #[test]
    fn the_quickest_the_slowest_and_the_sums_are_in_it() {
        let spreads = result(Vec::new()).paced;
        let svg = draw(&spreads, SUMS).unwrap();
        let titles = titles(&svg);
        let held = |kind: &str, ms: f64| {
            titles.iter().any(|title| {
                let Some((from, rest)) = title.strip_prefix(kind).and_then(|rest| rest.split_once(" to ")) else {
                    return false;
                };
                let from: f64 = from.trim_start_matches(", ").parse().unwrap();
                let to: f64 = rest.split(' ').next().unwrap().parse().unwrap();
                (from..=to).contains(&ms)
            })
        };
        assert!(held("ack", 1.03) && held("ack", 500.5) && held("delivery", 3.08), "{titles:?}");
        assert!(svg.contains("one hop 0.50 ms") && svg.contains("two hops 400.00 ms"), "{svg}");
    }

    #[test]
    fn without_latencies_there_is_nothing_to_draw() {
        assert_eq!(draw(&Spreads::default(), SUMS), None);
    }
}
