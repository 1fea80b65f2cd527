//! CPU for each message by process, as bars.

use super::{
    drawing::Drawing,
    frame::{RIGHT, WIDTH},
    scale::{Scale, short},
};
use crate::{
    measure::median,
    run::{LoadResult, Round, TENTH_PERCENT},
};

/// Processes in the order in which they are stacked, and their classes: GoChat's own, then what it stands on.
const PROCESSES: [(&str, &str); 9] = [
    ("standalone", "p1"),
    ("gateway", "p1"),
    ("logic", "p2"),
    ("repo", "p3"),
    ("task", "p4"),
    ("Kafka", "p5"),
    ("MariaDB", "p6"),
    ("Redis", "p7"),
    ("etcd", "p8"),
];
/// Where bars begin; what a bar is of is written before it.
const LEFT: f64 = 96.0;
/// Room for a bar's total behind it.
const TOTAL_WIDTH: f64 = 64.0;
const TOP: f64 = 8.0;
const BAR_HEIGHT: f64 = 24.0;
const BAR_EACH: f64 = 34.0;
/// For the marks and the name of the axis.
const FOOT: f64 = 46.0;

/// A load of all rounds: its name, and microseconds for each message, by process in the order above.
struct Bar {
    name: String,
    parts: Vec<(&'static str, &'static str, f64)>,
}

/// The classes and names of those processes that are known.
pub(super) fn legend(rounds: &[&Round]) -> Vec<(&'static str, &'static str)> {
    let known = |process: &str| rounds.iter().any(|round| round.closed.cpu.iter().any(|used| used.process == process));
    PROCESSES.iter().filter(|(process, _)| known(process)).map(|(process, class)| (*class, *process)).collect()
}

/// None where no process is known.
pub(super) fn draw(rounds: &[&Round]) -> Option<String> {
    let bars = bars(rounds);
    let most = bars.iter().map(total).reduce(f64::max)?;
    let bottom = TOP + bars.len() as f64 * BAR_EACH;
    let x = Scale::linear(most, (LEFT, RIGHT - TOTAL_WIDTH));
    let label = "Microseconds of CPU for each message by process, over how the messages are sent";
    let mut drawing = Drawing::new(WIDTH, bottom + FOOT, label);
    for mark in x.marks() {
        drawing.line("grid", (x.at(mark), TOP), (x.at(mark), bottom));
        drawing.text("middle", (x.at(mark), bottom + 18.0), &short(mark));
    }
    drawing.text("middle name", (LEFT.midpoint(RIGHT), bottom + 38.0), "us of CPU a message");
    for (number, bar) in bars.iter().enumerate() {
        let top = TOP + number as f64 * BAR_EACH + (BAR_EACH - BAR_HEIGHT) / 2.0;
        let middle = top + BAR_HEIGHT / 2.0 + 4.0;
        drawing.text("end", (LEFT - 8.0, middle), &bar.name);
        let mut us_before = 0.0;
        for (process, class, us) in &bar.parts {
            let (from, to) = (x.at(us_before), x.at(us_before + us));
            let title = format!("{process}, {}: {us:.1} us a message", bar.name);
            drawing.bar(&format!("part {class}"), (from, top), (to - from, BAR_HEIGHT), &title);
            us_before += us;
        }
        drawing.text("start total", (x.at(us_before) + 8.0, middle), &format!("{us_before:.0} us"));
    }
    drawing.line("axis", (LEFT, TOP), (LEFT, bottom));
    Some(drawing.finish())
}

fn total(bar: &Bar) -> f64 {
    bar.parts.iter().map(|(_, _, us)| us).sum()
}

/// From the lightest load to the heaviest, without those of which no process is known.
fn bars(rounds: &[&Round]) -> Vec<Bar> {
    let Some(first) = rounds.first() else { return Vec::new() };
    let mut bars = vec![bar(format!("{TENTH_PERCENT} %"), rounds, |round| round.knee.tenth.iter().collect())];
    for (number, (percent, _)) in first.knee.points.iter().enumerate() {
        let name = format!("{percent} %");
        bars.push(bar(name, rounds, |round| round.knee.points.get(number).map(|(_, load)| load).into_iter().collect()));
    }
    bars.push(bar("1 in flight".to_owned(), rounds, |round| vec![&round.single]));
    bars.push(bar("8 in flight".to_owned(), rounds, |round| vec![&round.closed]));
    bars.retain(|bar| !bar.parts.is_empty());
    bars
}

fn bar(name: String, rounds: &[&Round], loads: impl Fn(&Round) -> Vec<&LoadResult>) -> Bar {
    let part = |(process, class): (&'static str, &'static str)| {
        let of = |load: &LoadResult| load.cpu_us_per_message().find(|(name, _)| *name == process).map(|(_, us)| us);
        let all: Vec<f64> = rounds.iter().copied().flat_map(&loads).filter_map(of).collect();
        Some((process, class, median(&all)?))
    };
    Bar { name, parts: PROCESSES.into_iter().filter_map(part).collect() }
}

#[cfg(test)]
mod tests {
    use super::{super::drawing::tests::titles, *};
    use crate::run::sample::{load, round, round_on_kafka};

    #[test]
    fn each_process_is_a_part_of_each_bar() {
        let mut dear = round_on_kafka(3_000);
        dear.closed = load(6_000.0, 3_000, &[("gateway", 0.09), ("Kafka", 0.001)]);
        let titles = titles(&draw(&[&dear]).unwrap());
        assert_eq!(titles.len(), 6 * 7 + 2, "{titles:?}");
        assert!(titles.contains(&"MariaDB, 10 %: 50.0 us a message".to_owned()), "{titles:?}");
        assert!(titles.contains(&"gateway, 8 in flight: 900.0 us a message".to_owned()), "{titles:?}");
    }

    #[test]
    fn a_legend_names_those_that_are_there() {
        assert_eq!(legend(&[&round(3_000)]), [("p1", "standalone")]);
        assert_eq!(legend(&[&round_on_kafka(3_000)]).len(), 7);
    }

    #[test]
    fn without_processes_there_is_nothing_to_draw() {
        let mut unknown = round(3_000);
        let loads = [&mut unknown.closed, &mut unknown.single].into_iter().chain(&mut unknown.knee.tenth);
        loads.chain(unknown.knee.points.iter_mut().map(|(_, load)| load)).for_each(|load| load.cpu.clear());
        assert_eq!(draw(&[&unknown]), None);
        assert_eq!(draw(&[]), None);
    }
}
