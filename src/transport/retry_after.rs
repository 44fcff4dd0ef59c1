//! The `Retry-After` header.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

const X_RETRY_AFTER: &str = "x-retry-after";
/// A longer wait is cut to this many seconds, so that times can't overflow.
const LONGEST: f64 = 86_400.0;

/// Returns the wait that a response asks for, in `Retry-After` or in the platform's own
/// `x-retry-after`.
///
/// Both may be whole seconds, fractions or an HTTP date. A value that can't be parsed is ignored,
/// and a date in the past means no wait.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    [RETRY_AFTER.as_str(), X_RETRY_AFTER]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .find_map(|text| parse(text.trim(), now))
}

fn parse(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        // `inf`, `NaN` and negative numbers parse as well.
        let sensible = seconds.is_finite() && seconds >= 0.0;
        return sensible.then(|| Duration::from_secs_f64(seconds.min(LONGEST)));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let wait = at.duration_since(now).unwrap_or_default();
    Some(wait.min(Duration::from_secs_f64(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let map = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        retry_after(&map, now)
    }

    #[test]
    fn every_spelling() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (text, expected) in [
            ("3", ms(3_000)),
            (" 0 ", ms(0)),
            ("1.5", ms(1_500)),
            ("0.25", ms(250)),
            ("1e9", ms(86_400_000)),
            ("99999999999999999999", ms(86_400_000)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", ms(10_000)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", ms(0)),
            ("Sunday, 06-Nov-94 08:49:40 GMT", ms(3_000)),
            ("Sun Nov  6 08:49:40 1994", ms(3_000)),
            ("Sun, 06 Nov 9994 08:49:07 GMT", ms(86_400_000)),
            ("-1", None),
            ("inf", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(read(&[("retry-after", text)]), expected, "{text}");
            assert_eq!(read(&[("x-retry-after", text)]), expected, "{text}");
        }
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn the_standard_header_wins_if_it_can_be_read() {
        assert_eq!(
            read(&[("retry-after", "1"), ("x-retry-after", "2")]),
            Some(Duration::from_secs(1))
        );
        assert_eq!(
            read(&[("retry-after", "?"), ("x-retry-after", "2")]),
            Some(Duration::from_secs(2))
        );
    }
}
