//! The page: a figure with its legend for each plot of each target.

use super::{
    FIGURES, cpu,
    drawing::escaped,
    knee, memory,
    spread::{self, Sums},
};
use crate::{
    floors::Floor,
    measure::median,
    run::{FloorTimes, ONE_HOP, Round, RunResult, Spreads, TWO_HOPS, sum_us},
};

const STYLE: &str = include_str!("style.css");

/// The classes and names of what a figure shows.
type Legend = Vec<(&'static str, &'static str)>;

/// A page for a browser, without anything from elsewhere. It is well-formed XML too.
pub(crate) fn page(results: &[RunResult]) -> String {
    let sections: String = results.iter().map(section).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>Performance of GoChat</title>\n\
        <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Performance</h1>\n\
        <p>Written by gochat-bench. How it was measured, and each figure with its interval, is in the document beside this \
        page. Point at a mark for its value.</p>\n{sections}</main>\n</body>\n</html>\n"
    )
}

fn section(result: &RunResult) -> String {
    let kind = if result.plan.quick { "quick: indicative" } else { "full" };
    let cut = if result.finished { "" } else { ", interrupted" };
    let head = format!(
        "{}, {} cores, {kind}{cut}, seed {}, {} rounds of {}",
        result.machine.cpu,
        result.machine.cores,
        result.plan.seed,
        result.rounds.len(),
        result.plan.rounds
    );
    let figures: String = FIGURES.iter().map(|(id, name)| figure(result, id, name)).collect();
    format!("<h2>{}</h2>\n<p>{}</p>\n{figures}", escaped(&result.target), escaped(&head))
}

fn figure(result: &RunResult, id: &str, name: &str) -> String {
    let (drawn, legend, note) = match id {
        "knee" => {
            let (rounds, note) = counted(result, |round| result.is_quiet_knee(round));
            (
                knee::draw(&rounds),
                knee::legend(),
                format!("Medians of the rounds, and from the least to the most. {note}"),
            )
        }
        "cpu" => {
            let (rounds, note) = counted(result, |round| result.is_quiet_closed(round) && result.is_quiet_knee(round));
            (
                cpu::draw(&rounds),
                cpu::legend(&rounds),
                format!("Medians of the rounds, by how messages are sent. {note}"),
            )
        }
        "memory" => {
            let slope = result.idle().map_or(0.0, |idle| idle.bytes_per_connection);
            let note = format!("The slope through all readings is {slope:.0} B for each connection.");
            (result.idle().and_then(memory::draw), memory::legend(), note)
        }
        "paced" => spreads(result, &result.paced, (RunResult::is_quiet, |round| &round.floors)),
        _ => spreads(result, &result.tenth, (RunResult::is_quiet_tenth, |round| &round.knee.floors)),
    };
    let (legend, body) = match drawn {
        Some(svg) => (keys(&legend), format!("{svg}<p>{}</p>\n", escaped(note.trim_end()))),
        None => (String::new(), "<p>void: nothing was measured</p>\n".to_owned()),
    };
    let id = format!("{}-{id}", result.short_name());
    format!("<figure id=\"{}\">\n<figcaption>{}</figcaption>\n{legend}{body}</figure>\n", escaped(&id), escaped(name))
}

/// Which rounds count, and whose floors are drawn.
type Beside = (fn(&RunResult, &Round) -> bool, fn(&Round) -> &[FloorTimes; 2]);

/// A spread, with the sums of the floors of the rounds that count.
fn spreads(result: &RunResult, spreads: &Spreads, (counts, floors): Beside) -> (Option<String>, Legend, String) {
    let (rounds, note) = counted(result, |round| counts(result, round));
    let sum_ms = |of: &[Floor]| {
        let times = rounds.iter().flat_map(|round| floors(round));
        median(&times.map(|times| sum_us(times, of) / 1_000.0).collect::<Vec<_>>())
    };
    let sums = Sums { one_hop_ms: sum_ms(&ONE_HOP), two_hops_ms: sum_ms(&TWO_HOPS) };
    let note = format!("Latencies of all rounds; the floors are medians. {note}");
    (spread::draw(spreads, sums), spread::legend(), note)
}

/// The rounds that count; all of them, and a word about it, where none does: a plot that is void still shows a shape.
fn counted(result: &RunResult, counts: impl Fn(&Round) -> bool) -> (Vec<&Round>, &'static str) {
    let quiet: Vec<&Round> = result.rounds.iter().filter(|round| counts(round)).collect();
    if quiet.is_empty() {
        return (
            result.rounds.iter().collect(),
            "No round was quiet: the figures are void, the shape may still tell something.",
        );
    }
    (quiet, "")
}

fn keys(legend: &[(&str, &str)]) -> String {
    let keys: String =
        legend.iter().map(|(class, name)| format!("<li><i class=\"key {class}\"></i>{}</li>", escaped(name))).collect();
    format!("<ul class=\"legend\">{keys}</ul>\n")
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, ParsingOptions};

    use super::*;
    use crate::run::sample::{CALM, result, result_on_kafka, round, round_on_kafka};

    fn parsed(text: &str) -> Document<'_> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    #[test]
    fn every_figure_of_every_target_is_there_and_the_page_needs_nothing_else() {
        let results = [result(vec![round(3_000)]), result_on_kafka(vec![round_on_kafka(4_000)])];
        let text = page(&results);
        let document = parsed(&text);
        let figures: Vec<&str> = document
            .descendants()
            .filter(|node| node.tag_name().name() == "figure")
            .filter_map(|node| node.attribute("id"))
            .collect();
        for target in ["standalone", "processes"] {
            for (id, _) in FIGURES {
                assert!(figures.contains(&format!("{target}-{id}").as_str()), "{id} of {target} not in {figures:?}");
            }
        }
        let drawings = document.descendants().filter(|node| node.tag_name().name() == "svg").count();
        assert_eq!(drawings, 9, "the sample of standalone has no idle connections");
        assert_eq!(text.matches("void: nothing was measured").count(), 1);
        for node in document.descendants() {
            assert!(!["script", "link", "img", "iframe"].contains(&node.tag_name().name()), "{node:?}");
            assert!(!["src", "href", "style"].iter().any(|name| node.has_attribute(*name)), "{node:?}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }

    #[test]
    fn every_class_has_its_style() {
        let results = [result(vec![round(3_000)]), result_on_kafka(vec![round_on_kafka(4_000)])];
        let text = page(&results);
        let document = parsed(&text);
        let classes = document.descendants().filter_map(|node| node.attribute("class"));
        for class in classes.flat_map(|classes| classes.split(' ')) {
            let mut named = STYLE.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '.');
            assert!(named.any(|name| name.split('.').any(|part| part == class)), "{class} has no style");
        }
    }

    #[test]
    fn a_run_on_a_machine_that_was_never_quiet_says_so() {
        let mut loaded = round(3_000);
        for calibration in [&mut loaded.after_closed, &mut loaded.after_single] {
            calibration.fdatasync_us = CALM.fdatasync_us * 3.0;
        }
        let text = page(&[result(vec![loaded])]);
        assert!(text.contains("No round was quiet"), "{text}");
        assert!(!page(&[result(vec![round(3_000)])]).contains("No round was quiet"));
    }

    #[test]
    fn what_an_address_or_a_machine_is_called_breaks_nothing() {
        let mut odd = result(vec![round(3_000)]);
        odd.target = "http://[::1]:80".to_owned();
        odd.machine.cpu = "<A & B> \"fast\"".to_owned();
        let text = page(&[odd]);
        let document = parsed(&text);
        assert!(document.descendants().any(|node| node.attribute("id") == Some("address-knee")));
        assert!(text.contains("&lt;A &amp; B&gt; &quot;fast&quot;"));
    }
}
