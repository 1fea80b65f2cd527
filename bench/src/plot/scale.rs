//! Where a value lies in a drawing, and which values are written beside an axis.

/// Marks on a linear axis, about.
const MARKS: f64 = 5.0;
/// Beyond so many decades only powers of ten are marked.
const DECADES_IN_DETAIL: f64 = 3.5;

/// An axis: values between two bounds, at places between two others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    /// From mark to mark; none where the axis is logarithmic.
    step: Option<f64>,
    /// The places of both bounds.
    from: f64,
    to: f64,
}

impl Scale {
    /// From 0 to at least this value.
    pub(super) fn linear(most: f64, (from, to): (f64, f64)) -> Self {
        let step = linear_step(most);
        Self { low: 0.0, high: (most / step).ceil().max(1.0) * step, step: Some(step), from, to }
    }

    /// From at most the first to at least the second value, both above 0.
    pub(super) fn logarithmic(least: f64, most: f64, (from, to): (f64, f64)) -> Self {
        let low = mark_at_most(least);
        let mut high = mark_at_most(most);
        if high < most || high <= low {
            high = next_mark(high);
        }
        Self { low, high, step: None, from, to }
    }

    /// The place of a value; one beyond a bound lies at the bound.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = match self.step {
            Some(_) => (value - self.low) / (self.high - self.low),
            None => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    /// The values to write beside the axis, ascending.
    pub(super) fn marks(&self) -> Vec<f64> {
        if let Some(step) = self.step {
            let count = (self.high / step).round() as u32;
            return (0..=count).map(|number| f64::from(number) * step).collect();
        }
        let tens_only = (self.high / self.low).log10() > DECADES_IN_DETAIL;
        let is_ten = |mark: f64| (mark.log10() - mark.log10().round()).abs() < 1e-9;
        let all = std::iter::successors(Some(self.low), |mark| Some(next_mark(*mark)));
        all.take_while(|mark| *mark <= self.high * 1.001).filter(|mark| !tens_only || is_ten(*mark)).collect()
    }
}

/// 1, 2 or 5 times a power of ten, so that there are about as many marks as wanted.
fn linear_step(most: f64) -> f64 {
    let mark = mark_at_most((most / MARKS).max(f64::MIN_POSITIVE));
    if most / mark > MARKS * 1.6 { next_mark(mark) } else { mark }
}

/// The greatest of 1, 2 and 5 times a power of ten that is not above a value.
fn mark_at_most(value: f64) -> f64 {
    let ten = 10_f64.powf(value.log10().floor());
    // What is 2 or 5 but for rounding is 2 or 5.
    let digit = [5.0, 2.0].into_iter().find(|digit| value / ten >= digit * (1.0 - 1e-9)).unwrap_or(1.0);
    digit * ten
}

/// The one after such a value.
fn next_mark(mark: f64) -> f64 {
    let ten = 10_f64.powf((mark.log10() + 1e-9).floor());
    match (mark / ten).round() as u32 {
        1 => 2.0 * ten,
        2 => 5.0 * ten,
        _ => 10.0 * ten,
    }
}

/// A value as it is written beside an axis: no more digits than it needs.
pub(super) fn short(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{}k", (value / 100.0).round() / 10.0)
    } else if value >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{}", (value * 1_000.0).round() / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_begins_at_0_and_has_few_round_marks() {
        for most in [0.7, 3.0, 180.0, 999.0, 10_000.0, 123_456.0] {
            let scale = Scale::linear(most, (0.0, 100.0));
            let marks = scale.marks();
            assert!((4..=10).contains(&marks.len()), "{most}: {marks:?}");
            assert_eq!(marks[0], 0.0);
            assert!(marks[marks.len() - 1] >= most && scale.high <= most * 1.5, "{most}: {marks:?}");
            assert!((scale.at(scale.high) - 100.0).abs() < 1e-9 && scale.at(0.0) == 0.0);
        }
        assert_eq!(Scale::linear(180.0, (0.0, 1.0)).marks(), [0.0, 50.0, 100.0, 150.0, 200.0]);
    }

    #[test]
    fn a_logarithmic_axis_holds_both_extremes_and_equal_factors_are_equally_far() {
        let scale = Scale::logarithmic(1.3, 480.0, (0.0, 90.0));
        assert_eq!((scale.low, scale.high), (1.0, 500.0));
        let far = |from: f64, to: f64| scale.at(to) - scale.at(from);
        assert!((far(2.0, 4.0) - far(100.0, 200.0)).abs() < 1e-9);
        assert_eq!(scale.at(0.001), 0.0, "what is beyond lies at the bound");
        assert_eq!(Scale::logarithmic(1.0, 100.0, (0.0, 1.0)).marks().len(), 7, "1 2 5 10 20 50 100");
        let wide = Scale::logarithmic(1.3, 48_000.0, (0.0, 1.0)).marks();
        let rounded: Vec<f64> = wide.iter().map(|mark| mark.round()).collect();
        assert_eq!(rounded, [1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!(Scale::logarithmic(5.0, 5.0, (0.0, 1.0)).high.round(), 10.0, "one value has an axis too");
    }

    #[test]
    fn values_are_written_short() {
        for (value, text) in
            [(0.0, "0"), (0.2, "0.2"), (2.5, "2.5"), (50.0, "50"), (5_000.0, "5000"), (12_500.0, "12.5k")]
        {
            assert_eq!(short(value), text);
        }
    }
}
