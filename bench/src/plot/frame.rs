//! What the plots of values over values have in common: a frame, a grid, what is written beside the axes.

use super::{
    drawing::{Drawing, Point},
    scale::{Scale, short},
};

pub(super) const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 366.0;
/// The places of the plot's edges; what is written lies outside of them.
pub(super) const LEFT: f64 = 64.0;
pub(super) const RIGHT: f64 = WIDTH - 20.0;
pub(super) const TOP: f64 = 30.0;
pub(super) const BOTTOM: f64 = HEIGHT - 68.0;

/// The lines of text under the horizontal axis, as distances from it.
const LINES: [f64; 2] = [18.0, 34.0];
/// What a character takes at most on average, and what lies at least between two texts.
const CHARACTER_WIDTH: f64 = 8.0;
const GAP: f64 = 8.0;

/// Two axes with a drawing between them.
pub(super) struct Frame {
    pub(super) drawing: Drawing,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Frame {
    /// With both axes: their scales and what they are of. The marks of the horizontal one are the values given, ascending; what
    /// is written under them never overlaps.
    pub(super) fn new(label: &str, (x, x_name): (Scale, &str), (y, y_name): (Scale, &str), x_marks: &[Mark]) -> Self {
        let mut drawing = Drawing::new(WIDTH, HEIGHT, label);
        for mark in y.marks() {
            let at = y.at(mark);
            drawing.line("grid", (LEFT, at), (RIGHT, at));
            drawing.text("end", (LEFT - 8.0, at + 4.0), &short(mark));
        }
        for mark in x_marks {
            let at = x.at(mark.value);
            drawing.line("grid", (at, TOP), (at, BOTTOM));
        }
        for (place, text) in labels(&x, x_marks) {
            drawing.text("middle", place, text);
        }
        drawing.line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
        drawing.text("middle name", (LEFT.midpoint(RIGHT), HEIGHT - 10.0), x_name);
        drawing.text("start name", (8.0, 14.0), y_name);
        Self { drawing, x, y }
    }

    /// Where a pair of values lies.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (self.x.at(x), self.y.at(y))
    }
}

/// A value on the horizontal axis, and what is written under it.
pub(super) struct Mark {
    pub(super) value: f64,
    pub(super) text: String,
}

impl Mark {
    /// The scale's own marks.
    pub(super) fn of(scale: &Scale) -> Vec<Self> {
        scale.marks().into_iter().map(|value| Self { value, text: short(value) }).collect()
    }
}

/// Where what is written under each mark has the middle of its baseline: under the mark, or as near to it as the edge of the drawing
/// lets it. What would run into its neighbour goes to the next line; if there is no room either it is left out, for the mark's line is
/// there, and its points tell their figures.
fn labels<'a>(x: &Scale, marks: &'a [Mark]) -> Vec<(Point, &'a str)> {
    let mut labels = Vec::with_capacity(marks.len());
    let mut free_from = LINES.map(|_| 0.0);
    for mark in marks {
        let half = mark.text.chars().count() as f64 * CHARACTER_WIDTH / 2.0;
        let at = x.at(mark.value).min(WIDTH - half).max(half);
        let line = LINES.iter().zip(&mut free_from).find(|(_, free_from)| **free_from <= at - half);
        if let Some((below, free_from)) = line {
            *free_from = at + half + GAP;
            labels.push(((at, BOTTOM + below), mark.text.as_str()));
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(values: &[f64]) -> Vec<(Point, String)> {
        let marks: Vec<Mark> =
            values.iter().map(|value| Mark { value: *value, text: format!("{value:.0} (70 %)") }).collect();
        let x = Scale::linear(1_000.0, (LEFT, RIGHT));
        labels(&x, &marks).into_iter().map(|(place, text)| (place, text.to_owned())).collect()
    }

    #[test]
    fn what_is_written_under_marks_never_overlaps_and_stays_in_the_drawing() {
        let close = [0.0, 5.0, 100.0, 690.0, 700.0, 701.0, 890.0, 1_000.0];
        for count in 1..=close.len() {
            let labels = placed(&close[..count]);
            let half = |text: &str| text.len() as f64 * CHARACTER_WIDTH / 2.0;
            for ((at, _), text) in &labels {
                assert!(half(text) <= *at && *at <= WIDTH - half(text), "{labels:?}");
            }
            for below in LINES {
                let line: Vec<_> = labels.iter().filter(|((_, y), _)| *y == BOTTOM + below).collect();
                for pair in line.windows(2) {
                    let [((left, _), of_left), ((right, _), of_right)] = pair else { panic!("two were asked for") };
                    assert!(left + half(of_left) + GAP <= right - half(of_right), "{labels:?}");
                }
            }
        }
    }

    #[test]
    fn only_what_finds_no_line_is_left_out() {
        let texts: Vec<String> = placed(&[100.0, 690.0, 700.0, 701.0]).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["100 (70 %)", "690 (70 %)", "700 (70 %)"]);
    }
}
