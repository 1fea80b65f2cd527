//! An SVG drawing in the making. Colours and text sizes are classes, which the page's style sheet knows in light and dark.

use std::fmt::Write as _;

/// A point in units of the drawing, y downwards.
pub(super) type Point = (f64, f64);

/// Elements of a drawing, in the order in which they cover each other.
pub(super) struct Drawing {
    width: f64,
    height: f64,
    /// What it shows, for those who do not see it.
    label: String,
    body: String,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64, label: &str) -> Self {
        Self { width, height, label: label.to_owned(), body: String::new() }
    }

    pub(super) fn line(&mut self, class: &str, from: Point, to: Point) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#));
    }

    pub(super) fn polyline(&mut self, class: &str, points: &[Point]) {
        let points = joined(points);
        self.add(format_args!(r#"<polyline class="{class}" points="{points}"/>"#));
    }

    pub(super) fn polygon(&mut self, class: &str, points: &[Point]) {
        let points = joined(points);
        self.add(format_args!(r#"<polygon class="{class}" points="{points}"/>"#));
    }

    /// A point that tells its figure when it is pointed at.
    pub(super) fn dot(&mut self, class: &str, (x, y): Point, title: &str) {
        let title = escaped(title);
        self.add(format_args!(
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="4"><title>{title}</title></circle>"#
        ));
    }

    /// From its upper left corner, with its size; it tells its figure too.
    pub(super) fn bar(&mut self, class: &str, (x, y): Point, (width, height): Point, title: &str) {
        let title = escaped(title);
        self.add(format_args!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"><title>{title}</title></rect>"#
        ));
    }

    /// The class says on which side of the point it stands: `start`, `middle` or `end`.
    pub(super) fn text(&mut self, class: &str, (x, y): Point, text: &str) {
        let text = escaped(text);
        self.add(format_args!(r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#));
    }

    /// The element.
    pub(super) fn finish(self) -> String {
        let Self { width, height, label, body } = self;
        let label = escaped(&label);
        format!("<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{label}\">\n{body}</svg>\n")
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

fn joined(points: &[Point]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

/// As text or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
pub(super) mod tests {
    use roxmltree::Document;

    use super::*;

    /// What a drawing says when its points and bars are pointed at. All that is drawn must lie within it.
    pub(in crate::plot) fn titles(svg: &str) -> Vec<String> {
        let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error} in {svg}"));
        let root = document.root_element();
        let view: Vec<f64> = root.attribute("viewBox").unwrap().split(' ').map(|part| part.parse().unwrap()).collect();
        for node in document.descendants() {
            for (names, limit) in [(["x", "x1", "x2", "cx"], view[2]), (["y", "y1", "y2", "cy"], view[3])] {
                for at in names.into_iter().filter_map(|name| node.attribute(name)) {
                    let at: f64 = at.parse().unwrap();
                    assert!((0.0..=limit).contains(&at), "{node:?} lies outside");
                }
            }
            for point in node.attribute("points").into_iter().flat_map(|points| points.split(' ')) {
                let (x, y) = point.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((0.0..=view[2]).contains(&x) && (0.0..=view[3]).contains(&y), "{point} lies outside");
            }
        }
        let titles = document.descendants().filter(|node| node.tag_name().name() == "title");
        titles.filter_map(|node| node.text()).map(str::to_owned).collect()
    }

    #[test]
    fn what_is_written_is_read_again_whatever_it_holds() {
        let mut drawing = Drawing::new(10.0, 10.0, "a < b & \"c\"");
        drawing.line("grid", (0.0, 0.0), (10.0, 10.0));
        drawing.dot("ack", (1.0, 2.0), "<5 & \"more\">");
        drawing.bar("us1", (1.0, 2.0), (3.0, 4.0), "a bar");
        drawing.polyline("ack", &[(0.0, 0.0), (1.5, 2.5)]);
        let svg = drawing.finish();
        assert_eq!(titles(&svg), ["<5 & \"more\">", "a bar"]);
        let document = Document::parse(&svg).unwrap();
        assert_eq!(document.root_element().attribute("aria-label"), Some("a < b & \"c\""));
    }
}
