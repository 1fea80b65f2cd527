//! What the plots of values over values have in common: a frame, a grid, what is written beside the axes.

use super::{
    drawing::{Drawing, Point},
    scale::{Scale, short},
};

pub(super) const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 350.0;
/// The places of the plot's edges; what is written lies outside of them.
pub(super) const LEFT: f64 = 64.0;
pub(super) const RIGHT: f64 = WIDTH - 20.0;
pub(super) const TOP: f64 = 30.0;
pub(super) const BOTTOM: f64 = HEIGHT - 52.0;

/// Two axes with a drawing between them.
pub(super) struct Frame {
    pub(super) drawing: Drawing,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Frame {
    /// With both axes: their scales and what they are of. The marks of the horizontal one are the values given.
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
            drawing.text("middle", (at, BOTTOM + 18.0), &mark.text);
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
