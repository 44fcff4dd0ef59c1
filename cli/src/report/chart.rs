//! Line charts as inline SVG, small enough that text stays readable on a phone.

use maud::{Markup, html};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 22.0;

/// A line of a chart: its name, and points by the second.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart over `seconds`, from 0 up; up to `most` at least, if that is given.
pub(super) fn chart(title: &str, seconds: f64, most: Option<f64>, lines: &[Line<'_>]) -> Markup {
    let seconds = seconds.max(0.001);
    let values = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.1);
    let top = values.fold(most.unwrap_or(0.0), f64::max);
    let step = step(top);
    let top = (top / step).ceil().max(1.0) * step;
    let x = |at: f64| LEFT + at / seconds * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let path = |line: &Line<'_>| {
        let points: Vec<String> = line
            .points
            .iter()
            .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)))
            .collect();
        points.join(" ")
    };
    let number_of_steps = (top / step).round();
    let levels = (0..=4).map(f64::from).filter(|n| *n <= number_of_steps);
    let time_step = self::time_step(seconds);
    let times = (0..=6).map(|n| f64::from(n) * time_step);
    html! {
        figure {
            figcaption {
                strong { (title) }
                @if lines.len() > 1 {
                    @for (index, line) in lines.iter().enumerate() {
                        span class={ "key line" (index) } { (line.name) }
                    }
                }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
                @for level in levels.map(|n| n * step) {
                    line class="grid" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(format!("{:.1}", y(level))) y2=(format!("{:.1}", y(level))) {}
                    text x=(LEFT - 5.0) y=(format!("{:.1}", y(level) + 4.0)) text-anchor="end" { (short(level)) }
                }
                @for time in times.filter(|time| *time <= seconds) {
                    text x=(format!("{:.1}", x(time))) y=(HEIGHT - 6.0) text-anchor="middle" { (duration(time)) }
                }
                @for (index, line) in lines.iter().enumerate() {
                    polyline class={ "line" (index) } points=(path(line)) {}
                }
            }
        }
    }
}

/// The distance of the grid's lines: 1, 2 or 5 times a power of ten, so that there are at most
/// four.
fn step(top: f64) -> f64 {
    let rough = (top / 4.0).max(0.25);
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let found = factors.into_iter().find(|factor| factor * power >= rough);
    // What is counted is whole.
    (found.unwrap_or(10.0) * power).max(1.0)
}

/// The distance of the times on the axis in seconds, so that there are at most six.
fn time_step(seconds: f64) -> f64 {
    const STEPS: [f64; 18] = [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
        1800.0, 3600.0, 7200.0,
    ];
    let wanted = seconds / 5.0;
    STEPS
        .into_iter()
        .find(|step| *step >= wanted)
        .unwrap_or_else(|| (wanted / 3600.0).ceil() * 3600.0)
}

/// A number in few characters.
pub(super) fn short(number: f64) -> String {
    let (number, unit) = match number {
        n if n >= 1e9 => (n / 1e9, "G"),
        n if n >= 1e6 => (n / 1e6, "M"),
        n if n >= 1e4 => (n / 1e3, "k"),
        n => (n, ""),
    };
    let text = format!("{number:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// A time in few characters.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 3600.0 => {
            let minutes = (s / 60.0).round();
            format!("{}:{:02} h", (minutes / 60.0).floor(), minutes % 60.0)
        }
        s if s >= 60.0 => {
            let s = s.round();
            format!("{}:{:02} min", (s / 60.0).floor(), s % 60.0)
        }
        s => {
            let text = format!("{s:.2}");
            format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_few_lines_at_round_numbers() {
        for (top, expected) in [
            (0.0, 1.0),
            (3.0, 1.0),
            (4.0, 1.0),
            (9.0, 5.0),
            (100.0, 50.0),
            (12_345.0, 5000.0),
        ] {
            assert_eq!(step(top), expected, "{top}");
        }
    }

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!(
            [0.0, 999.5, 12_300.0, 2_000_000.0].map(short),
            ["0", "999.5", "12.3k", "2M"]
        );
        assert_eq!(
            [0.0, 0.05, 12.0, 90.0, 7_260.0].map(duration),
            ["0 s", "0.05 s", "12 s", "1:30 min", "2:01 h"]
        );
    }
    #[test]
    fn a_chart_fills_its_frame() {
        let lines = [
            Line {
                name: "input",
                points: vec![(0.0, 0.0), (5.0, 50.0), (10.0, 100.0)],
            },
            Line {
                name: "output <&>",
                points: vec![(0.0, 100.0), (10.0, 0.0)],
            },
        ];
        let chart = chart("Buffers", 10.0, Some(100.0), &lines).into_string();
        insta::assert_snapshot!(chart.replace("><", ">\n<"));
    }
}
