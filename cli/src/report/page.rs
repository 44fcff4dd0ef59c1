//! The page: its layout, and what it says in words.

use cspark_batches::run::Summary;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{Line, chart, duration};
use super::history::{History, Sample};
use crate::display::bytes;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(super) fn page(
    history: &History,
    settings: &[(String, String)],
    summary: &Summary,
    failure: Option<&str>,
) -> String {
    let title = match failure {
        None => "Run complete",
        Some(_) => "Run incomplete",
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - cspark-batch" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 class=[failure.map(|_| "failed")] { (title) }
                    p { (summary) "." }
                    @if let Some(why) = failure {
                        p class="failed" role="alert" { (why) }
                    }
                    (tiles(summary))
                    (charts(history))
                    (errors(history))
                    (slowest(history))
                    (unfinished(summary))
                    h2 { "Summary" }
                    (pairs(&summary_of(summary)))
                    h2 { "Settings" }
                    (pairs(settings))
                }
                footer { "cspark-batch " (env!("CARGO_PKG_VERSION")) }
            }
        }
    };
    page.into_string()
}

fn tiles(summary: &Summary) -> Markup {
    let seconds = summary.elapsed.as_secs_f64();
    let milliseconds = summary.elapsed.as_millis().max(1);
    let rate = u128::from(summary.delivered.records) * 1000 / milliseconds;
    let failed = summary.failed_records + summary.unreadable_records + summary.rejected_records;
    let tiles = [
        ("records", grouped(summary.delivered.records)),
        ("failed", grouped(failed)),
        (
            "records a second",
            grouped(u64::try_from(rate).unwrap_or(u64::MAX)),
        ),
        ("time", duration(seconds)),
        ("chunks", grouped(summary.delivered.chunks)),
    ];
    html! {
        div class="tiles" {
            @for (name, value) in tiles {
                div class="tile" { b { (value) } (name) }
            }
        }
    }
}

fn charts(history: &History) -> Markup {
    let samples = history.samples();
    let Some(last) = samples.last() else {
        return html! {};
    };
    let seconds = last.seconds;
    let points = |value: fn(&Sample) -> Option<f64>| -> Vec<(f64, f64)> {
        let known = samples
            .iter()
            .filter_map(|sample| Some((sample.seconds, value(sample)?)));
        known.collect()
    };
    #[allow(clippy::cast_precision_loss, reason = "heights in a chart")]
    let all = [
        (
            "Records a second",
            None,
            vec![Line {
                name: "pulled",
                points: history.rates(),
            }],
        ),
        (
            "Records",
            None,
            vec![
                Line {
                    name: "pushed",
                    points: points(|it| Some(it.pushed as f64)),
                },
                Line {
                    name: "pulled",
                    points: points(|it| Some(it.pulled as f64)),
                },
            ],
        ),
        (
            "Buffers, percent full",
            Some(100.0),
            vec![
                Line {
                    name: "input",
                    points: points(|it| it.input_buffer),
                },
                Line {
                    name: "output",
                    points: points(|it| it.output_buffer),
                },
            ],
        ),
        (
            "Workers",
            None,
            vec![Line {
                name: "workers",
                points: points(|it| it.workers.map(|it| it as f64)),
            }],
        ),
        (
            "Failed records",
            None,
            vec![Line {
                name: "failed",
                points: points(|it| Some(it.failed as f64)),
            }],
        ),
    ];
    html! {
        h2 { "Over time" }
        div class="charts" {
            @for (title, most, lines) in all {
                // The service need not say everything.
                @if lines.iter().any(|line| line.points.len() > 1) {
                    (chart(title, seconds, most, &lines))
                }
            }
        }
    }
}

fn errors(history: &History) -> Markup {
    let errors = history.commonest();
    html! {
        @if !errors.is_empty() {
            h2 { "Commonest errors" }
            p class="note" { "Errors that differ in numbers alone count as one." }
            div class="wide" {
                table {
                    thead { tr { th { "Records" } th { "First" } th class="text" { "Error of the first" } } }
                    tbody {
                        @for error in errors {
                            tr { td { (grouped(error.records)) } td { (grouped(error.first)) } td class="text" { (error.text) } }
                        }
                    }
                }
            }
            @if history.other_errors > 0 {
                p class="note" { (grouped(history.other_errors)) " records have errors of other kinds." }
            }
        }
    }
}

fn slowest(history: &History) -> Markup {
    let slowest = history.slowest();
    html! {
        @if !slowest.is_empty() {
            h2 { "Slowest chunks" }
            p class="note" { "By the computing time of their records, as the service reports it." }
            div class="wide" {
                table {
                    thead { tr { th { "Time" } th { "Records" } th { "First record" } th class="text" { "Chunk" } } }
                    tbody {
                        @for chunk in slowest {
                            tr {
                                td { (duration(chunk.milliseconds / 1000.0)) }
                                td { (grouped(chunk.records)) }
                                td { (grouped(chunk.first)) }
                                td class="text" { code { (chunk.id) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn unfinished(summary: &Summary) -> Markup {
    const SHOWN: usize = 100;
    html! {
        @if !summary.unfinished.is_empty() {
            h2 { "Records without a result" }
            ul {
                @for one in summary.unfinished.iter().take(SHOWN) { li { (one) } }
            }
            @if let Some(more) = summary.unfinished.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                p class="note" { "and " (more) " more ranges." }
            }
        }
    }
}

fn pairs(pairs: &[(String, String)]) -> Markup {
    html! {
        dl {
            @for (name, value) in pairs { dt { (name) } dd { (value) } }
        }
    }
}

fn summary_of(summary: &Summary) -> Vec<(String, String)> {
    let requests = &summary.requests;
    let fields = [
        ("records read", grouped(summary.read.records)),
        ("records delivered", grouped(summary.delivered.records)),
        ("failed at the service", grouped(summary.failed_records)),
        (
            "with an unreadable output",
            grouped(summary.unreadable_records),
        ),
        ("not sent", grouped(summary.rejected_records)),
        ("without a result", grouped(summary.unfinished_records())),
        ("batches", summary.batches.join(", ")),
        ("left open", summary.left_open.join(", ")),
        ("pushed", bytes(summary.bytes_pushed)),
        ("pulled", bytes(summary.bytes_pulled)),
        (
            "requests",
            format!(
                "{} (create {}, push {}, pull {}, status {}, end {})",
                requests.total(),
                requests.create,
                requests.push,
                requests.pull,
                requests.status,
                requests.end
            ),
        ),
        (
            "pushes refused by a full buffer",
            grouped(summary.refused_full),
        ),
        ("chunks pushed again", grouped(summary.resubmissions)),
        ("pulls whose response was lost", grouped(summary.lost_pulls)),
        ("results that came twice", grouped(summary.duplicates)),
    ];
    let said = fields.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
