//! By how much something grows with something else.

/// By how much y grows with x, by least squares; 0 where all x are the same.
pub(crate) fn slope(points: &[(u64, u64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(u64, u64)) -> u64| points.iter().map(|point| of(point) as f64).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let (mut product, mut square) = (0.0, 0.0);
    for (x, y) in points {
        let distance = *x as f64 - x_mean;
        product += distance * (*y as f64 - y_mean);
        square += distance * distance;
    }
    if square == 0.0 { 0.0 } else { product / square }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_once_is_not_in_the_slope() {
        let points = [(0, 50_000), (1_000, 4_050_000), (2_000, 8_050_000)];
        assert_eq!(slope(&points), 4_000.0);
        assert_eq!(slope(&points[..1]), 0.0);
    }
}
